//! `repro`: a failed cell as a bundle that anybody can play again.

mod case;
mod replay;
mod verify;
mod vm;
mod write;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use self::case::Case;
use super::places;
use crate::bundle::{self, Holds, Replays, Verified};
use crate::exit_code::ExitCode;
use crate::interrupt;
use crate::run::Images;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The cell, as the report names it: counter@k7.2@bookworm@c3.17.1@criu@max
    cell: String,
    /// The run folder; the newest one below `runs/` when left out
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Play it again so many times; 0: not at all
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1000))]
    repeat: u32,
    /// Put the pages of memory into the bundle too: whatever the program held is in them
    #[arg(long)]
    with_memory: bool,
    /// Put the virtual machine into the bundle too: kernel, initrd and disks
    #[arg(long)]
    with_vm: bool,
    /// The bundle's folder, which must not be there yet; DIR.tar.zst is made beside it. bundles/CELL when left out
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Do not run reproduce.sh in a fresh guest first
    #[arg(long)]
    no_verify: bool,
    /// Fetch nothing
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    interrupt::catch().context("signals cannot be caught")?;
    let case = Case::read(&arguments.cell, arguments.run.as_deref())?;
    let engine = case.engine()?;
    let failure = case.failure(engine.as_ref())?;
    let out = arguments.out.clone().unwrap_or_else(|| places::root().join("bundles").join(&arguments.cell));
    if out.exists() {
        bail!("{} is there already: name another with --out", out.display());
    }
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;

    let images = if arguments.with_memory { Images::All } else { Images::Metadata };
    let replays = match arguments.repeat {
        0 => Replays::default(),
        repeat => replay::replay(&case, repeat, &out.join("replays"), images, arguments.offline)?,
    };
    let bundle = write::Bundle { folder: &out, case: &case, failure };
    let has_images = bundle.take_images()?;
    bundle.scripts(arguments.offline)?;
    if arguments.with_vm {
        vm::files(&case, &out.join("vm"), arguments.offline)?;
    }
    let verified = match (arguments.no_verify, failure.needs_more()) {
        (true, _) => Verified::Not("--no-verify was given".to_owned()),
        (false, Some(why)) => Verified::Not(why.to_owned()),
        (false, None) => verify::verify(&case, &out, arguments.offline)?,
    };
    let holds = Holds {
        images: has_images,
        memory: arguments.with_memory,
        vm: arguments.with_vm,
        daemon: !failure.engine.daemon().is_empty(),
    };
    bundle.told(&replays, &verified, holds)?;
    let archive =
        out.with_file_name(format!("{}.tar.zst", out.file_name().unwrap_or_default().to_string_lossy()));
    bundle::pack(&out, &archive).with_context(|| format!("cannot pack {}", archive.display()))?;
    println!("{replays}\n{verified}\n{}\n{}", out.display(), archive.display());
    Ok(match verified {
        Verified::No(_) => ExitCode::Unexpected,
        Verified::Yes(_) | Verified::Not(_) => ExitCode::AsExpected,
    })
}
