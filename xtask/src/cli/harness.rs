//! What this harness is by its content, and the rules that it judges with.

use std::sync::OnceLock;

use anyhow::Context as _;

use super::places;
use crate::install;

/// This program by its content: the linker's build id, or where it has none the hash of the whole file.
///
/// # Errors
/// When the program cannot be read.
pub(super) fn identity() -> anyhow::Result<&'static str> {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    if let Some(known) = IDENTITY.get() {
        return Ok(known);
    }
    // The path of the program may be another's by now.
    let program = "/proc/self/exe".as_ref();
    let found = install::identity_of_program(program).context("this program cannot be read")?;
    Ok(IDENTITY.get_or_init(|| found))
}

/// The rules by their content.
///
/// # Errors
/// When they cannot be read.
pub(super) fn rules() -> anyhow::Result<String> {
    let folder = places::knowledge();
    install::hash_files(&folder, &["toml"]).with_context(|| format!("cannot read {}", folder.display()))
}
