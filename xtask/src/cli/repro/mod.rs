//! `repro`: a failed cell as a bundle that anybody can play again.

mod case;
mod replay;
mod verify;
mod vm;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use self::case::Case;
use super::places;
use crate::bundle::{self, Failure, Holds, Replays, Verified};
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
    /// Put memory, deleted files and data on its way into the bundle too: whatever the program held is in them
    #[arg(long)]
    with_memory: bool,
    /// Put the virtual machine into the bundle too: kernel, initrd and disks
    #[arg(long)]
    with_vm: bool,
    /// The bundle's folder, which must not be there yet; and neither may DIR.tar.zst, which is made beside it. bundles/CELL when left out
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
    let out = arguments.out.clone().unwrap_or_else(|| places::root().join("bundles").join(&arguments.cell));
    let name = out.file_name().context("--out needs a name")?.to_string_lossy();
    let archive = out.with_file_name(format!("{name}.tar.zst"));
    if let Some(there) = [&out, &archive].into_iter().find(|path| path.exists()) {
        bail!("{} is there already: name another with --out", there.display());
    }
    let case = Case::read(&arguments.cell, arguments.run.as_deref())?;
    let engine = case.engine()?;
    let failure = case.failure(engine.as_ref())?;
    // Made elsewhere, so that nothing half-made is left where it fails or is interrupted.
    let beside = std::path::absolute(&out)?.parent().map(Path::to_owned).unwrap_or_default();
    fs::create_dir_all(&beside).with_context(|| format!("cannot make {}", beside.display()))?;
    let part = tempfile::Builder::new().prefix(&format!("{name}.part-")).tempdir_in(&beside)?;
    let (folder, packed) = (part.path().join(&*name), part.path().join("packed"));
    fs::create_dir(&folder)?;

    let made = make(arguments, &case, failure, &folder);
    if interrupt::happened() {
        return Ok(ExitCode::Interrupted);
    }
    let (replays, verified) = made?;
    bundle::pack(&folder, &packed).with_context(|| format!("cannot pack {}", archive.display()))?;
    if interrupt::happened() {
        return Ok(ExitCode::Interrupted);
    }
    fs::rename(&folder, &out)?;
    fs::rename(&packed, &archive)?;
    println!("{replays}\n{verified}\n{}\n{}", out.display(), archive.display());
    Ok(match verified {
        Verified::No(_) => ExitCode::Unexpected,
        Verified::Yes(_) | Verified::Not(_) => ExitCode::AsExpected,
    })
}

/// Plays it again, writes the bundle's files and verifies them; an interrupt ends it early.
fn make(
    arguments: &Arguments,
    case: &Case,
    failure: Failure<'_>,
    folder: &Path,
) -> anyhow::Result<(Replays, Verified)> {
    let images = if arguments.with_memory { Images::All } else { Images::Metadata };
    let replays = match arguments.repeat {
        0 => Replays::default(),
        repeat => replay::replay(case, repeat, &folder.join("replays"), images, arguments.offline)?,
    };
    let bundle = write::Bundle { folder, case, failure };
    let has_images = bundle.take_images()?;
    bundle.scripts(arguments.offline)?;
    if arguments.with_vm {
        vm::files(case, &folder.join("vm"), arguments.offline)?;
    }
    if interrupt::happened() {
        bail!("interrupted");
    }
    let verified = match (arguments.no_verify, failure.needs_more()) {
        (true, _) => Verified::Not("--no-verify was given".to_owned()),
        (false, Some(why)) => Verified::Not(why.to_owned()),
        (false, None) => verify::verify(case, folder, arguments.offline)?,
    };
    let holds = Holds {
        images: has_images,
        memory: arguments.with_memory,
        vm: arguments.with_vm,
        daemon: !failure.engine.daemon().is_empty(),
    };
    bundle.told(&replays, &verified, holds)?;
    Ok((replays, verified))
}
