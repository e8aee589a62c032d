//! `matrix`: plan, resolve, then play.

mod arguments;
mod durations;
mod earlier;
mod order;
mod play;
mod stage;
pub(in crate::cli) mod vagrant;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

pub(super) use self::arguments::Arguments;
use super::{places, report, scenarios, stacks};
use crate::engine::{self, Sabotage, Scene};
use crate::exit_code::ExitCode;
use crate::host::{Local, SshError};
use crate::install::{Cache, Lock, Mode};
use crate::interrupt;
use crate::model::{HostAsk, Verb, Workload};
use crate::plan::{Plan, Profile};
use crate::record::{self, PassingLogs};
use crate::run::Images;
use crate::scenario::Story;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.keep_guests_on_failure && !std::io::stdin().is_terminal() {
        bail!("--keep-guests-on-failure opens a shell, and standard input is no terminal");
    }
    interrupt::catch().context("signals cannot be caught")?;
    let mut profile = Profile::read(&places::profiles(), &arguments.profile)?;
    let resumed = arguments.resume.as_ref().map(|folder| resumed_folder(folder.as_deref())).transpose()?;
    let plan = match &resumed {
        Some(folder) => {
            let plan = report::read_plan(&record::Paths::of(folder)?.plan())?;
            usable(&plan.provider, arguments)?;
            plan
        }
        None => {
            usable(&arguments.provider, arguments)?;
            match arguments.provider.as_str() {
                "qemu" | "vagrant" => profile.take(arguments.axes()),
                provider => as_is(provider, arguments, &mut profile)?,
            }
            new_plan(arguments, &profile)?
        }
    };
    if plan.cell.is_empty() && plan.skipped.is_empty() {
        bail!("the plan is empty: every axis needs a value");
    }
    // A wrong path is told before anything is played.
    let baseline = arguments.baseline.as_deref().map(report::load).transpose()?;
    let cache = Cache::open()?;
    let lock = lock(arguments, resumed.as_deref(), &profile, &plan, &cache)?;
    if arguments.dry_run {
        return dry_run(&plan, &lock, &cache);
    }
    play::play(arguments, resumed.as_deref(), &plan, &lock, &cache, baseline.as_ref())
}

/// Plays a plan with exactly the packages of a lock, one cell at a time, into a run folder of its own.
pub(super) fn replay(
    plan: &Plan,
    lock: &Lock,
    out: &Path,
    images: Images,
    offline: bool,
) -> anyhow::Result<ExitCode> {
    let arguments =
        Arguments { out: Some(out.to_owned()), jobs: Some(1), images, offline, ..Arguments::smoke() };
    play::play(&arguments, None, plan, lock, &Cache::open()?, None)
}

/// What a provider wants of whoever calls it, in a run that is taken up again as well.
fn usable(provider: &str, arguments: &Arguments) -> anyhow::Result<()> {
    if provider != "vagrant" && (arguments.keep || arguments.reuse.is_some()) {
        bail!(
            "--keep and --reuse are for --provider vagrant: other machines end with their cells, or are not ours"
        );
    }
    if provider == "local" && !nix::unistd::geteuid().is_root() {
        bail!("--provider local wants root, because CRIU and mounts do: {}", Local::NOTICE);
    }
    if provider == "ssh" && arguments.host.is_empty() {
        return Err(SshError::NoHost.into());
    }
    Ok(())
}

/// A machine that is taken as it is has no axes but CRIU.
fn as_is(provider: &str, arguments: &Arguments, profile: &mut Profile) -> anyhow::Result<()> {
    let axes = arguments.axes();
    if !axes.to.is_empty() || profile.to.is_some() {
        bail!(
            "--provider {provider} crosses no hosts: both ends of a move are the machines that are there, with one CRIU"
        );
    }
    let observed = [&axes.kernel, &axes.userland, &axes.cpu];
    if observed.into_iter().any(|axis| !axis.is_empty()) {
        bail!(
            "--provider {provider} takes a machine as it is: kernel, userland and CPU are observed, not asked for"
        );
    }
    profile.take(axes);
    profile.as_is();
    if let Some(engine) = profile.engine.iter().find(|engine| *engine != "criu") {
        bail!("--provider {provider} drives criu alone: {engine} would be the machine's own, in use");
    }
    Ok(())
}

fn new_plan(arguments: &Arguments, profile: &Profile) -> anyhow::Result<Plan> {
    let library = places::library()?;
    let stories = library.matching(&profile.scenario)?;
    for name in profile.engine.iter().chain(profile.to.iter().flat_map(|to| &to.engine)) {
        engine::named(name, None).with_context(|| scenarios::unknown_engine(name))?;
    }
    // A known bug of a scenario that nobody has would never be noticed.
    for bug in &profile.known_bugs {
        let named: Vec<_> = bug.scenario.iter().map(ToString::to_string).collect();
        library.matching(&named).context("a known bug of the profile")?;
    }
    let refuses = |host: &HostAsk, story: &Story| {
        let engine = engine::named(&host.engine, None)?;
        let workload = Workload::named(&story.workload)?;
        let scene = Scene { workload, settings: &story.settings };
        if host.is_as_it_is() && story.steps.iter().any(|step| matches!(step.verb, Verb::PowerCut { .. })) {
            return Some("nobody cuts the power of a machine that is in use".to_owned());
        }
        if story.needs_network() && !["vagrant", "local"].contains(&arguments.provider.as_str()) {
            let provider = &arguments.provider;
            return Some(format!(
                "the hosts of the provider {provider} have no network between them: play it with vagrant, or local"
            ));
        }
        story
            .steps
            .iter()
            .find_map(|step| engine.lower(step, &scene).err())
            .map(|refusal| refusal.to_string())
    };
    let mut plan = Plan::span(profile, &stories, &arguments.provider, arguments.repeat, &refuses);
    let mut seen = BTreeSet::new();
    if let Some(cell) = plan.cell.iter().find(|cell| !seen.insert(&cell.id)) {
        bail!("two hosts would share the cell {}: rename one of the files that the axes name", cell.id);
    }
    if let Some(image) = &arguments.image {
        plan.image = Some(image.clone());
    }
    // A plan is played again from other folders.
    plan.image = plan.image.map(std::path::absolute).transpose()?;
    plan.fresh = arguments.fresh;
    plan.passing_logs = arguments.passing_logs.as_deref().and_then(PassingLogs::named).unwrap_or_default();
    plan.sabotage = arguments.sabotage.as_deref().and_then(Sabotage::named);
    Ok(plan)
}

fn resumed_folder(folder: Option<&Path>) -> anyhow::Result<PathBuf> {
    match folder {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(record::newest(&places::runs())?),
    }
}

/// What the axes stand for: a lock that was given is obeyed, else everything is resolved anew.
fn lock(
    arguments: &Arguments,
    resumed: Option<&Path>,
    profile: &Profile,
    plan: &Plan,
    cache: &Cache,
) -> anyhow::Result<Lock> {
    let given = match (resumed, &arguments.locked) {
        (Some(folder), _) => Some(record::Paths::of(folder)?.lock()),
        (None, Some(Some(file))) => Some(file.clone()),
        (None, Some(None)) => Some(record::Paths::of(&record::newest(&places::runs())?)?.lock()),
        (None, None) => None,
    };
    let locked = given.map(|file| Lock::load(&file)).transpose()?;
    let mode = Mode { offline: arguments.offline, locked };
    let tell = |note: String| eprintln!("{note}");
    Ok(crate::install::resolve(&stacks::asks(plan), &profile.config()?, cache, &mode, &tell)?)
}

fn dry_run(plan: &Plan, lock: &Lock, cache: &Cache) -> anyhow::Result<ExitCode> {
    println!("{} cells:", plan.cell.len());
    for cell in &plan.cell {
        println!("  {}", cell.id);
    }
    println!("{} left out:", plan.skipped.len());
    for skipped in &plan.skipped {
        println!("  {}: {}", skipped.cell.id, skipped.reason);
    }
    let downloads = crate::install::downloads(lock, cache);
    let missing: u64 =
        downloads.iter().filter(|download| !download.cached()).map(|download| download.missing).sum();
    println!("{} downloads, {} MiB of them not in the cache:", downloads.len(), missing >> 20);
    for download in &downloads {
        let state = if download.cached() { "cached" } else { "to fetch" };
        println!("  {:>9} KiB  {state:8}  {}", download.bytes >> 10, download.what);
    }
    Ok(ExitCode::AsExpected)
}
