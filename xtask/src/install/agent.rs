//! The agent: built by cargo from this very workspace, static, so that it runs in any root file system.

use std::path::{Path, PathBuf};

use crate::install::error::InstallError;
use crate::process;

/// The stock target: with crt-static it needs no musl.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the agent and says where it is. cargo itself knows whether anything is to be done.
///
/// # Errors
/// When it does not compile.
pub fn agent(workspace: &Path) -> Result<PathBuf, InstallError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target_dir = workspace.join("target/agent");
    let mut command = process::command(cargo);
    command
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "guest",
            "--bin",
            "criu-matrix-agent",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // Both would go before RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    process::output(&mut command)?;
    Ok(target_dir.join(TARGET).join("release/criu-matrix-agent"))
}
