//! `hosts`: what can be had now.

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::places;
use crate::engine;
use crate::exit_code::ExitCode;
use crate::install::{self, Asks, Available, Cache, Config, Lock, LockedUserland, Mode, available};
use crate::plan::Profile;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The profile whose suites are looked into
    #[arg(default_value = "smoke")]
    profile: String,
    /// Every kernel, not only the newest of each series
    #[arg(long)]
    all: bool,
    /// Ask nobody: what was known the last time
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let profile = Profile::read(&places::profiles(), &arguments.profile)?;
    let cache = Cache::open()?;
    let tell = |note: String| eprintln!("{note}");
    let config = profile.config()?;
    let recipes: Vec<_> = engine::recipes().collect();
    let found = available(&config, &cache, arguments.offline, &recipes, &tell)?;
    kernels(&found, arguments.all);
    userlands(&found, &config, &cache);
    crius(&found);
    engines(&found);
    Ok(ExitCode::AsExpected)
}

fn kernels(found: &Available, all: bool) {
    let mut table = table(&["--kernel", "exactly", "package", "suite", "MiB", ""]);
    for kernel in found.kernels.iter().filter(|kernel| all || kernel.newest) {
        table.add_row([
            kernel.series.clone(),
            kernel.name.clone(),
            kernel.version.clone(),
            kernel.suite.clone(),
            mib(kernel.bytes),
            cached(kernel.cached),
        ]);
    }
    println!("{table}");
    for incomplete in &found.incomplete {
        println!("cannot be had: {} ({}): {}", incomplete.name, incomplete.suite, incomplete.reason);
    }
}

/// A userland is as large as its packages, which only resolving it tells: all at once, or, where one cannot be had,
/// each by itself.
fn userlands(found: &Available, config: &Config, cache: &Cache) {
    let names: Vec<_> = found.userlands.iter().map(|userland| userland.name.clone()).collect();
    let resolve = |userlands: Vec<String>| {
        let asks = Asks { userlands, ..Asks::default() };
        // The lists are fresh: they were looked into just now.
        install::resolve(&asks, config, cache, &Mode { offline: true, locked: None }, &|_| {})
    };
    let all = resolve(names).ok();
    let mut table = table(&["--userland", "with", "glibc", "packages", "MiB", ""]);
    for userland in &found.userlands {
        let name = &userland.name;
        let mut row = vec![name.clone(), userland.with.join(", ")];
        match all.clone().map_or_else(|| resolve(vec![name.clone()]), Ok) {
            Ok(lock) => row.extend(packages(&lock, name, cache)),
            Err(error) => row.push(format!("cannot be had: {error}")),
        }
        table.add_row(row);
    }
    println!("\n{table}");
}

/// The version of its glibc, how many packages it has, their size, whether they are in the cache.
fn packages(lock: &Lock, name: &str, cache: &Cache) -> Vec<String> {
    let packages = lock.userlands.get(name).map_or(&[][..], LockedUserland::packages);
    let glibc = packages.iter().find(|package| package.name == "libc6");
    let all_cached = packages.iter().all(|package| cache.blob(&package.sha256).is_some());
    vec![
        glibc.map(|package| package.version.clone()).unwrap_or_default(),
        packages.len().to_string(),
        mib(packages.iter().map(|package| package.size).sum()),
        cached(all_cached),
    ]
}

fn crius(found: &Available) {
    let mut table = table(&["--criu", "package", "suite", "MiB", ""]);
    for criu in &found.crius {
        table.add_row([
            criu.name.clone(),
            criu.version.clone(),
            criu.suite.clone(),
            mib(criu.bytes),
            cached(criu.cached),
        ]);
    }
    println!("\n{table}");
}

fn engines(found: &Available) {
    let mut table = table(&["--engine", "package", "suite", "MiB", ""]);
    for engine in &found.engines {
        table.add_row([
            engine.name.clone(),
            engine.version.clone(),
            engine.suite.clone(),
            mib(engine.bytes),
            cached(engine.cached),
        ]);
    }
    println!("\n{table}");
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    if let Some(column) = head.iter().position(|name| *name == "MiB").and_then(|at| table.column_mut(at)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

fn cached(yes: bool) -> String {
    if yes { "cached" } else { "" }.to_owned()
}
