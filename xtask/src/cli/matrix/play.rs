//! The playing of a plan: record, progress and workers, and the reports at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::durations::{self, Durations};
use super::earlier::Earlier;
use super::order::Order;
use super::stage::{Judged, Stage};
use super::{Arguments, vagrant};
use crate::cli::judged::Rules;
use crate::cli::stacks::{self, Builder, Installed};
use crate::cli::{judged, places, profile, report, style_of};
use crate::exit_code::ExitCode;
use crate::host::{Local, Provider, Shelf, Ssh, WarmStates};
use crate::install::{Cache, Lock};
use crate::interrupt;
use crate::model::{Event, Telling as _};
use crate::plan::{Plan, PlannedCell};
use crate::record::{self, Recorder, RunFolder, RunRecord, Tee};
use crate::report::{Diff, Format, OutcomesFile, Progress, Report, gather};

pub(super) fn play(
    arguments: &Arguments,
    resumed: Option<&Path>,
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    baseline: Option<&Report>,
) -> anyhow::Result<ExitCode> {
    let rules = Rules::default();
    let (folder, mut past, recorder) = open_folder(arguments, resumed, plan, lock)?;
    let mut before = judged::judged(&folder, plan, &past, &rules)?;
    for cell in &before.unreadable {
        // It is played again.
        past.cells.remove(cell);
        before.outcomes.remove(cell);
    }
    let judged = Judged {
        by: before.by,
        file: OutcomesFile::open(&folder.outcomes())?,
        outcomes: Mutex::new(before.outcomes),
    };
    let done: BTreeSet<_> = past.finished_cells().cloned().collect();
    let record = Mutex::new(past);
    let first = Tee(vec![&recorder, &record]);
    first.tell(Event::RunStarted {
        format: Event::FORMAT,
        at: Timestamp::now().to_string(),
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        provider: plan.provider.clone(),
        resumed: resumed.is_some(),
    });
    let mut left: Vec<&PlannedCell> = plan.cell.iter().filter(|cell| !done.contains(&cell.id)).collect();
    let mut earlier = Earlier::new(arguments, plan, lock, cache)?;
    if let Some(earlier) = &earlier {
        left = earlier.take(left, &folder, &rules, &judged, &first);
        let outcomes = judged.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        if arguments.fail_fast && outcomes.values().any(|outcome| !outcome.verdict.kind.is_expected()) {
            left.clear();
        }
    }
    if !left.is_empty() {
        // Rules that cannot be read are told before a cell is played, not after.
        let rules = rules.get()?;
        let durations = Durations::read(cache);
        let order = Order::new(plan, &left, arguments.jobs, &durations);
        let progress = Progress::new(left.len(), order.expected(), style_of(std::io::stderr().as_fd()));
        let tell = Tee(vec![&first, &progress]);
        let note = |text: String| tell.tell(Event::Note { text });
        durations.complaint.into_iter().for_each(&note);
        let (ready, builder) = make_ready(arguments, plan, lock, cache, &note, &order)?;
        // Which accelerator works with this QEMU is known only now.
        earlier = Earlier::new(arguments, plan, lock, cache)?;
        let stage = Stage {
            arguments,
            plan,
            ready: &ready,
            folder: &folder,
            rules,
            record: &record,
            recorder: &recorder,
            progress: &progress,
            tell: &tell,
            earlier: earlier.as_ref(),
            judged: &judged,
        };
        order.play(builder, &|index| stage.play_cell(left[index]));
        progress.finish();
        if let Some(Err(error)) = earlier.as_ref().map(Earlier::trim) {
            eprintln!("the results of earlier runs cannot be cleared up: {error}");
        }
    }
    let complete = {
        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
        let ended: BTreeSet<_> = record.finished_cells().collect();
        plan.cell.iter().all(|cell| ended.contains(&cell.id))
    };
    first.tell(Event::RunEnded { at: Timestamp::now().to_string(), complete });
    if let Some(error) = recorder.failed() {
        eprintln!("error: {error}");
        return Ok(ExitCode::Broken);
    }
    let record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
    let outcomes = judged.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = durations::remember(cache, plan, &left, &outcomes, &|text| eprintln!("{text}")) {
        eprintln!("how long the cells took is not kept: {error}");
    }
    let report = gather(plan, &record, &outcomes);
    print!("{}", Format::Text.render(&report, &style_of(std::io::stdout().as_fd()), folder.root())?);
    report::write_reports(&report, &folder)?;
    if arguments.profile_time {
        profile::tell(&folder, Some(&folder), &record)?;
    }
    let diff = baseline.map(|baseline| (baseline, Diff::of(baseline, &report)));
    if let Some((baseline, diff)) = &diff {
        print!("\n{}", Format::Text.render_diff(diff, &style_of(std::io::stdout().as_fd()))?);
        report::write_diff(diff, baseline, &report, &folder)?;
    }
    if interrupt::happened() {
        eprintln!("interrupted: `cargo xtask matrix --resume {}` goes on", folder.root().display());
        return Ok(ExitCode::Interrupted);
    }
    Ok(match diff {
        Some((_, diff)) => ExitCode::against(&diff, &report),
        None => ExitCode::from_report(&report),
    })
}

/// What the plan's provider needs.
pub(super) struct Ready {
    pub(super) provider: Box<dyn Provider>,
    pub(super) files: BTreeMap<String, PathBuf>,
    pub(super) unfit: Shelf<String>,
}

/// The builder makes the stacks of QEMU's cells while others are played; other providers want theirs at once.
fn make_ready<'a>(
    arguments: &Arguments,
    plan: &Plan,
    lock: &'a Lock,
    cache: &'a Cache,
    note: &'a (dyn Fn(String) + Sync),
    order: &Order<'_>,
) -> anyhow::Result<(Ready, Option<Builder<'a>>)> {
    if plan.provider == "vagrant" {
        return Ok((vagrant::ready(arguments, plan, lock, cache, note)?, None));
    }
    if plan.provider != "qemu" {
        let stacks::Luggage { agent, crius, files } =
            stacks::install_as_is(plan, lock, cache, arguments.offline, note)?;
        let provider: Box<dyn Provider> = if plan.provider == "ssh" {
            note(Ssh::NOTICE.to_owned());
            Box::new(Ssh::new(arguments.host.clone(), agent, crius)?)
        } else {
            note(Local::NOTICE.to_owned());
            Box::new(Local { agent, crius })
        };
        return Ok((Ready { provider, files, unfit: Shelf::default() }, None));
    }
    let (Installed { mut provider, files, unfit }, builder) =
        stacks::begin_install(plan, lock, cache, arguments.offline, note, order.hosts())?;
    provider.warm = if arguments.cold { None } else { Some(WarmStates::new(Cache::open()?)) };
    Ok((Ready { provider: Box::new(provider), files, unfit }, Some(builder)))
}

fn open_folder(
    arguments: &Arguments,
    resumed: Option<&Path>,
    plan: &Plan,
    lock: &Lock,
) -> anyhow::Result<(RunFolder, RunRecord, Recorder)> {
    if let Some(folder) = resumed {
        let folder = RunFolder::open(folder)?;
        // Killed before its first event, a run has nothing to keep.
        if !folder.events().exists() {
            let recorder = Recorder::create(&folder)?;
            return Ok((folder, RunRecord::default(), recorder));
        }
        let read = record::read(&folder)?;
        let recorder = Recorder::resume(&folder, read.whole_bytes)?;
        return Ok((folder, read.record, recorder));
    }
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => record::fresh_name(&places::runs(), Timestamp::now()),
    };
    let folder = RunFolder::create(&path)?;
    folder.put(&folder.plan(), toml::to_string(plan)?.as_bytes())?;
    folder.put(&folder.lock(), lock.to_toml()?.as_bytes())?;
    let recorder = Recorder::create(&folder)?;
    Ok((folder, RunRecord::default(), recorder))
}
