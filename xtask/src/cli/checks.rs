//! `test` and `ci`: the project's own checks, each a command that can be run by hand.

use anyhow::Context as _;
use clap::Args;

use super::{matrix, own_engine, places, setup, workflows};
use crate::exit_code::ExitCode;
use crate::install::libvirt;
use crate::process;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Install what is missing first
    #[arg(long)]
    setup: bool,
    /// Leave out what needs a guest
    #[arg(long)]
    no_guests: bool,
}

impl Arguments {
    pub(super) fn ci() -> Self {
        Self { setup: true, no_guests: false }
    }
}

/// One check: what it is for, its command, what is put into its environment.
struct Check {
    what: &'static str,
    words: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const CHECKS: &[Check] = &[
    Check { what: "formatting", words: &["fmt", "--all", "--check"], environment: &[] },
    Check {
        what: "lints",
        words: &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        environment: &[],
    },
    Check {
        what: "docs",
        words: &["doc", "--workspace", "--no-deps", "--locked"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

const TESTS: Check = Check {
    what: "tests that need no guest",
    words: &["test", "--workspace", "--locked"],
    environment: &[("XTASK_TEST_GUESTS", "0")],
};

const ENGINE_TESTS: Check = Check {
    what: "tests with a container engine of this machine",
    words: &["test", "--package", "xtask", "--test", "tests", "--locked", "containers::"],
    environment: &[("XTASK_TEST_ENGINE", "1")],
};

const GUEST_TESTS: Check = Check {
    what: "tests in real guests",
    words: &["test", "--package", "xtask", "--test", "tests", "--locked"],
    environment: &[("XTASK_TEST_GUESTS", "1")],
};

const VAGRANT_TESTS: Check = Check {
    what: "tests with Vagrant's machines",
    words: &["test", "--package", "xtask", "--test", "tests", "--locked", "vagrant::"],
    environment: &[("XTASK_TEST_VAGRANT", "1")],
};

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.setup {
        setup::install()?;
    }
    places::library()?;
    for check in CHECKS {
        if !cargo(check)? {
            return Ok(ExitCode::Unexpected);
        }
    }
    if !lint_workflows(arguments.setup)? {
        return Ok(ExitCode::Unexpected);
    }
    if !cargo(&TESTS)? {
        return Ok(ExitCode::Unexpected);
    }
    if arguments.setup && !beside_an_engine(&ENGINE_TESTS)? {
        return Ok(ExitCode::Unexpected);
    }
    if arguments.no_guests {
        return Ok(ExitCode::AsExpected);
    }
    // The smoke matrix first: it fills the cache that the tests share.
    println!("\n== the smoke matrix, in real guests");
    let smoke = matrix::run(&matrix::Arguments::smoke())?;
    if smoke != ExitCode::AsExpected {
        return Ok(smoke);
    }
    let green = cargo(&GUEST_TESTS)? && with_vagrant(&VAGRANT_TESTS, arguments.setup)?;
    Ok(if green { ExitCode::AsExpected } else { ExitCode::Unexpected })
}

/// The check where libvirt answers. With `set_up`, root has it set up before where it does not, and undone after.
fn with_vagrant(check: &Check, set_up: bool) -> anyhow::Result<bool> {
    println!("\n== {}", check.what);
    let Err(why) = libvirt::answers() else { return ran(process::command("cargo"), check) };
    if !set_up || !nix::unistd::geteuid().is_root() {
        println!("skipped: {why}");
        return Ok(true);
    }
    let was_set_up = libvirt::is_set_up();
    // Not every distribution has Vagrant.
    let green = match libvirt::setup(false, &setup::say) {
        Ok(()) => ran(process::command("cargo"), check),
        Err(error) => {
            println!("skipped: Vagrant cannot be set up here: {error}");
            Ok(true)
        }
    };
    // What somebody has set up stays.
    if !was_set_up {
        libvirt::undo(false, &setup::say)?;
    }
    green
}

fn cargo(check: &Check) -> anyhow::Result<bool> {
    println!("\n== {}", check.what);
    ran(process::command("cargo"), check)
}

/// Every workflow against GitHub's schema; with `fetch` the linter is brought first where it is missing.
fn lint_workflows(fetch: bool) -> anyhow::Result<bool> {
    let what = "workflows";
    println!("\n== {what}");
    match workflows::linter(fetch)? {
        Some(command) => status(command, what),
        None => {
            println!("skipped: the linter is not in the cache: `cargo xtask test --setup` brings it");
            Ok(true)
        }
    }
}

/// The check beside a container engine that is started for it, where none answers and one can be started.
fn beside_an_engine(check: &Check) -> anyhow::Result<bool> {
    println!("\n== {}", check.what);
    match own_engine::command("cargo") {
        Ok(command) => {
            let green = ran(command, check);
            own_engine::sweep();
            green
        }
        Err(why) => {
            println!("skipped: {why}");
            Ok(true)
        }
    }
}

fn ran(mut command: std::process::Command, check: &Check) -> anyhow::Result<bool> {
    command.current_dir(places::root()).args(check.words).envs(check.environment.iter().copied());
    status(command, check.what)
}

/// Whether the check is green.
fn status(mut command: std::process::Command, what: &str) -> anyhow::Result<bool> {
    let line = process::line(&command);
    let status = command.status().with_context(|| format!("cannot start {line}"))?;
    if !status.success() {
        eprintln!("\n{what}: {line}: {status}");
    }
    Ok(status.success())
}
