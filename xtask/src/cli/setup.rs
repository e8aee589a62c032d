//! `setup`: the only command that changes the machine: by installing packages, and by setting libvirt up for Vagrant.

use clap::Args;

use super::stacks;
use crate::exit_code::ExitCode;
use crate::install::{self, Asks, Cache, Config, Mode, Workshop, libvirt, machine};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Say what would be installed or changed, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// What else is wanted: `vagrant` wants Vagrant and libvirt
    #[arg(long, default_value = "qemu", value_parser = ["qemu", "vagrant", "local", "ssh"])]
    provider: String,
    /// Undo what `setup --provider vagrant` has done to this machine; machines that stayed go too
    #[arg(long)]
    undo: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let vagrant = arguments.provider == "vagrant";
    if arguments.undo {
        if !vagrant {
            anyhow::bail!(
                "--undo is for --provider vagrant: without it only packages were installed, and they stay"
            );
        }
        libvirt::undo(arguments.dry_run, &say)?;
        return Ok(ExitCode::AsExpected);
    }
    if arguments.dry_run {
        machine::setup(machine::NEEDED, true, &say)?;
        say("QEMU: the machine's own where it is 10.0 or newer, else one that is unpacked into the cache"
            .to_owned());
    } else {
        install()?;
    }
    if vagrant {
        libvirt::setup(arguments.dry_run, &say)?;
    }
    Ok(ExitCode::AsExpected)
}

/// Installs the packages, then brings a QEMU that does not corrupt its guests.
pub(super) fn install() -> anyhow::Result<()> {
    machine::setup(machine::NEEDED, false, &say)?;
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
