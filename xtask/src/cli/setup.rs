//! `setup`: the only command that changes the machine, and only by installing packages.

use clap::Args;

use super::stacks;
use crate::exit_code::ExitCode;
use crate::install::{self, Asks, Cache, Config, Mode, Workshop, machine};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Say what would be installed, and install nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.dry_run {
        machine::setup(true, &say)?;
        say("QEMU: the machine's own where it is 10.0 or newer, else one that is unpacked into the cache"
            .to_owned());
    } else {
        install()?;
    }
    Ok(ExitCode::AsExpected)
}

/// Installs the packages, then brings a QEMU that does not corrupt its guests.
pub(super) fn install() -> anyhow::Result<()> {
    machine::setup(false, &say)?;
    let cache = Cache::open()?;
    let lock = install::resolve(&Asks::default(), &Config::default(), &cache, &Mode::default(), &say)?;
    let archives = Vec::new();
    let qemu = stacks::qemu(&Workshop::new(&lock, &cache, false, &archives, &say))?;
    say(format!("QEMU {}", qemu.version));
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the installers hand their notes over")]
pub(super) fn say(text: String) {
    eprintln!("{text}");
}
