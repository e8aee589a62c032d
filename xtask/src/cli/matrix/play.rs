//! The playing of a plan: record, progress and workers, and the reports at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::durations::{self, Durations};
use super::order::Order;
use super::{Arguments, vagrant};
use crate::cli::stacks::{self, Builder, Installed};
use crate::cli::{places, report, style_of};
use crate::diagnose::Rulebook;
use crate::engine;
use crate::exit_code::ExitCode;
use crate::host::{Host, Local, Provider, Shelf, Ssh, WarmStates};
use crate::install::{Cache, Lock};
use crate::interrupt;
use crate::judge::Verdict;
use crate::model::{Event, Role, Telling, Workload};
use crate::plan::{Plan, PlannedCell};
use crate::record::{self, Recorder, RunFolder, RunRecord, Tee};
use crate::report::{Diff, Format, Insight, Progress, Report, gather, verdict_of};
use crate::run::{self, CellRun, Played};

/// What every worker of a run shares.
struct Stage<'a> {
    arguments: &'a Arguments,
    plan: &'a Plan,
    ready: &'a Ready,
    folder: &'a RunFolder,
    rules: &'a Rulebook,
    record: &'a Mutex<RunRecord>,
    recorder: &'a Recorder,
    progress: &'a Progress,
    tell: &'a dyn Telling,
}

pub(super) fn play(
    arguments: &Arguments,
    resumed: Option<&Path>,
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    baseline: Option<&Report>,
) -> anyhow::Result<ExitCode> {
    // Rules that cannot be read are told before a cell is played, not after.
    let rules = Rulebook::read(&places::knowledge())?;
    let (folder, past, recorder) = open_folder(arguments, resumed, plan, lock)?;
    let done: BTreeSet<_> = past.finished_cells().cloned().collect();
    let left: Vec<&PlannedCell> = plan.cell.iter().filter(|cell| !done.contains(&cell.id)).collect();
    let record = Mutex::new(past);
    let durations = Durations::read(cache);
    let order = Order::new(plan, &left, arguments.jobs, &durations);
    let progress = Progress::new(left.len(), order.expected(), style_of(std::io::stderr().as_fd()));
    let tee = Tee(vec![&recorder, &record, &progress]);
    tee.tell(Event::RunStarted {
        format: Event::FORMAT,
        at: Timestamp::now().to_string(),
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        provider: plan.provider.clone(),
        resumed: resumed.is_some(),
    });
    let note = |text: String| tee.tell(Event::Note { text });
    durations.complaint.into_iter().for_each(&note);
    let (ready, builder) = make_ready(arguments, plan, lock, cache, &note, &order)?;
    let stage = Stage {
        arguments,
        plan,
        ready: &ready,
        folder: &folder,
        rules: &rules,
        record: &record,
        recorder: &recorder,
        progress: &progress,
        tell: &tee,
    };
    order.play(builder, &|index| stage.play_cell(left[index]));
    let complete = {
        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
        let ended: BTreeSet<_> = record.finished_cells().collect();
        plan.cell.iter().all(|cell| ended.contains(&cell.id))
    };
    tee.tell(Event::RunEnded { at: Timestamp::now().to_string(), complete });
    progress.finish();
    if let Some(error) = recorder.failed() {
        eprintln!("error: {error}");
        return Ok(ExitCode::Broken);
    }
    let record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = durations::remember(cache, plan, &left, &record, &|text| eprintln!("{text}")) {
        eprintln!("how long the cells took is not kept: {error}");
    }
    let report = gather(plan, &record, &Insight { rules: &rules, folder: folder.root() });
    print!("{}", Format::Text.render(&report, &style_of(std::io::stdout().as_fd()), folder.root())?);
    report::write_reports(&report, &folder)?;
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
        let read = record::read(&folder.events())?;
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

impl Stage<'_> {
    fn play_cell(&self, cell: &PlannedCell) -> ControlFlow<()> {
        if self.recorder.failed().is_some() {
            return ControlFlow::Break(());
        }
        let (Some(story), Some(engine)) =
            (self.plan.story(cell), engine::named(&cell.host.engine, self.plan.sabotage))
        else {
            return self.unknown(cell, "this harness has not the engine, or the plan not the story");
        };
        let Some(workload) = Workload::named(&story.workload) else {
            return self.unknown(cell, "this harness has not the workload");
        };
        let folder = self.folder.cell(&cell.id);
        let run = CellRun {
            plan: self.plan,
            cell,
            story,
            workload,
            engine: engine.as_ref(),
            provider: self.ready.provider.as_ref(),
            files: &self.ready.files,
            folder: &folder,
            images: self.arguments.images,
            tell: self.tell,
        };
        if let Some(reason) = cell.hosts().find_map(|host| self.ready.unfit.get(host)) {
            run.skip(&reason);
            self.progress.judged(&cell.id, &self.verdict(cell));
            return ControlFlow::Continue(());
        }
        let unexpected = || !self.verdict(cell).kind.is_expected();
        let play = || run.play(&|| self.arguments.keep_guests_on_failure && unexpected());
        // A fault of ours breaks one cell, not the run.
        match catch_unwind(AssertUnwindSafe(play)) {
            Ok(Played::Interrupted) => return ControlFlow::Break(()),
            Ok(Played::Ended) => {}
            Ok(Played::Kept(hosts)) => self.visit(cell, hosts),
            Err(_) => {
                let reason = "the harness panicked, which is a bug in it: the message is on standard error";
                run::give_up(self.tell, &cell.id, reason);
            }
        }
        // What was not recorded was not seen.
        if self.recorder.failed().is_some() {
            return ControlFlow::Break(());
        }
        let verdict = self.verdict(cell);
        self.progress.judged(&cell.id, &verdict);
        if self.arguments.fail_fast && !verdict.kind.is_expected() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// A cell of a plan that another version of the harness made.
    fn unknown(&self, cell: &PlannedCell, reason: &str) -> ControlFlow<()> {
        self.tell.tell(Event::CellStarted { cell: cell.id.clone(), at: Timestamp::now().to_string() });
        run::give_up(self.tell, &cell.id, reason);
        self.progress.judged(&cell.id, &self.verdict(cell));
        ControlFlow::Continue(())
    }

    fn verdict(&self, cell: &PlannedCell) -> Verdict {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        verdict_of(self.plan, &record, cell, &Insight { rules: self.rules, folder: self.folder.root() })
    }

    /// One guest at a time has the terminal.
    fn visit(&self, cell: &PlannedCell, hosts: BTreeMap<Role, Box<dyn Host>>) {
        static TERMINAL: Mutex<()> = Mutex::new(());
        let _mine = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        self.progress.pause(|| {
            for (role, mut host) in hosts {
                eprintln!(
                    "{}: the {} of this cell; its work folder is {}",
                    cell.id,
                    role.name(),
                    engine::WORK_FOLDER
                );
                if let Err(error) = host.shell() {
                    eprintln!("{error}");
                }
            }
        });
    }
}
