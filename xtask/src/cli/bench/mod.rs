//! `bench`: what the harness costs, all of it measured in one run on one machine, and held to bars.

mod by_hand;
mod cells;
mod figure;
mod group;
mod guests;
mod memory;
mod peers;
mod played;
mod stage;
mod stages;
mod tell;
mod vagrant;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::Timestamp;

use self::figure::{Figure, Measured};
use self::group::Group;
use self::stages::Stages;
use self::tell::Subject;
use super::{places, print};
use crate::exit_code::ExitCode;
use crate::interrupt;
use crate::model::HostAsk;

/// All figures, in the order of the table. The one that may take minutes comes last.
const GROUPS: &[Group] = &[
    guests::WAKE,
    guests::DOCKER_WAKE,
    played::CELL,
    played::DOCKER_CELL,
    played::TWO_CELLS,
    guests::MEMORY,
    guests::PEAKS,
    peers::UNAME,
    vagrant::VAGRANT,
    played::SMOKE_AGAIN,
];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How often each figure is measured, after one time that is not counted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Only the figures of these names or globs; a ratio is measured by way of what it is a ratio of
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    only: Vec<String>,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where all samples are kept, as JSON; a new file below target/bench when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fetch nothing: what is not in the cache is not measured
    #[arg(long)]
    offline: bool,
    /// The kernel
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// The userland
    #[arg(long, default_value = "bookworm")]
    userland: String,
    /// The CRIU
    #[arg(long, default_value = "4.1.1")]
    criu: String,
    /// The docker of the figures that have containers
    #[arg(long, default_value = "docker@26.1.5")]
    engine: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { runs, only, format, out, offline, kernel, userland, criu, engine } = arguments;
    let wanted = globs(only)?;
    let wanted = |figure: &Figure| only.is_empty() || wanted.is_match(figure.name);
    let groups: Vec<_> = GROUPS.iter().filter(|group| group.figures.iter().any(wanted)).collect();
    if groups.is_empty() {
        let all: Vec<_> = GROUPS.iter().flat_map(|group| group.figures).map(|figure| figure.name).collect();
        bail!("no figure has a name like {}: there are {}", only.join(" or "), all.join(", "));
    }
    interrupt::catch().context("signals cannot be caught")?;
    let host = HostAsk {
        kernel: kernel.clone(),
        userland: userland.clone(),
        criu: criu.clone(),
        engine: "criu".to_owned(),
        cpu: "max".to_owned(),
    };
    let begun = Timestamp::now();
    let subject = Subject {
        at: begun.to_string(),
        host: host.to_string(),
        engine: engine.clone(),
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        runs: *runs,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let out = out.clone().unwrap_or_else(|| kept_at(begun));
    let stages = Stages::new(host, engine.clone(), *offline);
    let mut all: Vec<Measured> = Vec::new();
    for group in groups {
        let names: Vec<_> = group.figures.iter().map(|figure| figure.name).collect();
        eprintln!("measuring {}", names.join(", "));
        all.extend(group.measured(&stages, *runs, &wanted)?);
        // After each group: what was measured is not lost with what comes after it.
        keep(&out, &tell::raw(&subject, &all)?)?;
    }
    match format {
        Format::Text => {
            let Subject { host, engine, processors, .. } = &subject;
            print(&format!("{host}; containers by {engine}; {processors} processors\n"))?;
            print(&format!("medians of {runs} samples, after one that is not counted\n\n"))?;
            print(&tell::text(&all))?;
        }
        Format::Json => print(&tell::json(&all)?)?,
    }
    eprintln!("all samples: {}", out.display());
    Ok(ExitCode::AsExpected)
}

fn globs(patterns: &[String]) -> anyhow::Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).with_context(|| format!("--only {pattern}"))?);
    }
    Ok(set.build()?)
}

/// `target/bench/2026-11-28T06-50-44Z.json`.
fn kept_at(now: Timestamp) -> PathBuf {
    let name = now.strftime("%Y-%m-%dT%H-%M-%SZ");
    places::root().join("target/bench").join(format!("{name}.json"))
}

fn keep(file: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent
        .map_or(Ok(()), std::fs::create_dir_all)
        .with_context(|| format!("cannot make the folder of {}", file.display()))?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
