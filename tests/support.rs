//! What several tests need.

use assert_cmd::Command;

/// `cargo xtask`, built by this test run.
pub(crate) fn xtask() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command
}

/// Whether guests may be booted; where not, the test says so on standard error and is over.
pub(crate) fn guests() -> bool {
    let yes = std::env::var_os("XTASK_TEST_GUESTS").is_some_and(|value| value == "1");
    if !yes {
        eprintln!("not run: it boots guests, and XTASK_TEST_GUESTS=1 is not set (cargo xtask test sets it)");
    }
    yes
}
