//! One host outside a run: what `shell` opens and `bench` measures.

use super::places;
use super::stacks::{self, Installed};
use crate::install::{self, Cache, Config, Mode};
use crate::model::HostAsk;
use crate::plan::{Axes, Plan, Profile};

/// A plan of one host and the stories asked for, and all that it needs, installed.
pub(super) fn install(
    host: &HostAsk,
    scenarios: &[&str],
    repeat: u32,
    offline: bool,
) -> anyhow::Result<(Plan, Installed)> {
    install_from(host, scenarios, repeat, offline, |_| {})
}

/// The same from other sources than those that the project has.
pub(super) fn install_from(
    host: &HostAsk,
    scenarios: &[&str],
    repeat: u32,
    offline: bool,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(Plan, Installed)> {
    let mut profile = Profile::read(&places::profiles(), "smoke")?;
    profile.take(Axes {
        kernel: vec![host.kernel.clone()],
        userland: vec![host.userland.clone()],
        criu: vec![host.criu.clone()],
        engine: vec![host.engine.clone()],
        cpu: vec![host.cpu.clone()],
        scenario: scenarios.iter().map(|&name| name.to_owned()).collect(),
        ..Axes::default()
    });
    let library = places::library()?;
    let stories = library.matching(&profile.scenario)?;
    let plan = Plan::span(&profile, &stories, "qemu", repeat, &|_, _| None);
    let mut config = profile.config()?;
    change(&mut config);
    let cache = Cache::open()?;
    let mode = Mode { offline, locked: None };
    let tell = |note: String| eprintln!("{note}");
    let lock = install::resolve(&stacks::asks(&plan), &config, &cache, &mode, &tell)?;
    let installed = stacks::install(&plan, &lock, &cache, offline, &tell)?;
    Ok((plan, installed))
}
