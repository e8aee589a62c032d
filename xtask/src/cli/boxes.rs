//! `box build`: a Vagrant box out of a userland and a kernel, from the packages' mirror alone.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{places, setup};
use crate::exit_code::ExitCode;
use crate::install::{self, Asks, Cache, Config, Mode, Workshop};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a box for libvirt that boots by itself, and say how Vagrant takes it
    Build(BuildArguments),
}

#[derive(Debug, Args)]
struct BuildArguments {
    /// The suite that it is made of
    #[arg(long, default_value = "bookworm")]
    userland: String,
    /// The kernel in it: a series (6.12), or an exact package
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// The file; criu-matrix-USERLAND-KERNEL.box when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fetch nothing: what is not in the cache is an error
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Build(BuildArguments { userland, kernel, out, offline }) = &arguments.command;
    let cache = Cache::open()?;
    let asks = Asks { kernels: vec![kernel.clone()], boxes: vec![userland.clone()], ..Asks::default() };
    let mode = Mode { offline: *offline, locked: None };
    let lock = install::resolve(&asks, &Config::default(), &cache, &mode, &setup::say)?;
    let archives = Vec::new();
    let workshop = Workshop::new(&lock, &cache, *offline, &archives, &setup::say);
    let (locked, recipe) = (&lock.boxes[userland], places::box_recipe());
    let built = workshop.kernel(&lock.kernels[kernel])?;
    let initrd = workshop.box_initrd(&built, locked, &recipe)?;
    let made = workshop.vagrant_box(locked, &recipe, Some((&built, &initrd)))?;
    let out = out.clone().unwrap_or_else(|| format!("criu-matrix-{userland}-{kernel}.box").into());
    std::fs::copy(&made.file, &out).with_context(|| format!("cannot write {}", out.display()))?;
    let name = format!("criu-matrix/{userland}");
    println!("{}: {userland} on {}", out.display(), built.release);
    println!("vagrant box add --provider libvirt --name {name} {}; vagrant init {name}", out.display());
    Ok(ExitCode::AsExpected)
}
