//! One cell of a run on its worker: played, judged as soon as it has ended, and taken down.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::Arguments;
use super::earlier::Earlier;
use super::play::Ready;
use crate::diagnose::Rulebook;
use crate::engine;
use crate::host::Host;
use crate::judge::{Kind, Verdict};
use crate::model::{CellId, Event, Role, Telling, Workload};
use crate::plan::{Plan, PlannedCell};
use crate::record::{Recorder, RunFolder, RunRecord};
use crate::report::{Insight, JudgedBy, Outcome, OutcomesFile, Progress, outcome_of};
use crate::run::{self, CellRun, Played};

/// What every worker of a run shares.
pub(super) struct Stage<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) plan: &'a Plan,
    pub(super) ready: &'a Ready,
    pub(super) folder: &'a RunFolder,
    pub(super) rules: &'a Rulebook,
    pub(super) record: &'a Mutex<RunRecord>,
    pub(super) recorder: &'a Recorder,
    pub(super) progress: &'a Progress,
    pub(super) tell: &'a dyn Telling,
    pub(super) earlier: Option<&'a Earlier<'a>>,
    pub(super) judged: &'a Judged,
}

/// What cells came to so far.
pub(super) struct Judged {
    pub(super) by: JudgedBy,
    pub(super) file: OutcomesFile,
    pub(super) outcomes: Mutex<BTreeMap<CellId, Outcome>>,
}

impl Judged {
    /// Takes down what a cell came to that was begun then.
    pub(super) fn put(&self, cell: &PlannedCell, started: &str, outcome: Outcome) {
        self.file.put(self.by.of(cell), started, &outcome);
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(cell.id.clone(), outcome);
    }
}

impl Stage<'_> {
    pub(super) fn play_cell(&self, cell: &PlannedCell) -> ControlFlow<()> {
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
            self.conclude(cell);
            return ControlFlow::Continue(());
        }
        let unexpected = || !self.so_far(cell).kind.is_expected();
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
        let verdict = self.conclude(cell);
        if self.arguments.fail_fast && !verdict.kind.is_expected() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// A cell of a plan that another version of the harness made.
    fn unknown(&self, cell: &PlannedCell, reason: &str) -> ControlFlow<()> {
        self.tell.tell(Event::CellStarted { cell: cell.id.clone(), at: Timestamp::now().to_string() });
        run::give_up(self.tell, &cell.id, reason);
        self.conclude(cell);
        ControlFlow::Continue(())
    }

    /// The verdict on a cell whose guests still stand.
    fn so_far(&self, cell: &PlannedCell) -> Verdict {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        outcome_of(self.plan, record.cells.get(&cell.id), cell, &self.insight()).verdict
    }

    /// Judges a cell that has ended, and keeps of it what is needed from here on.
    fn conclude(&self, cell: &PlannedCell) -> Verdict {
        let played = self.record.lock().unwrap_or_else(PoisonError::into_inner).forget(&cell.id);
        let outcome = outcome_of(self.plan, played.as_ref(), cell, &self.insight());
        let verdict = outcome.verdict.clone();
        self.progress.judged(&cell.id, &verdict);
        let Some(played) = played else { return verdict };
        if let Some(earlier) = self.earlier {
            earlier.keep(self.folder, self.judged.by.of(cell), cell, &played, &outcome, self.tell);
        }
        if verdict.kind == Kind::Pass
            && let Err(error) = self.plan.passing_logs.settle(self.folder, &cell.id)
        {
            let text = format!("the logs of {} stay as they are: {error}", cell.id);
            self.tell.tell(Event::Note { text });
        }
        self.judged.put(cell, &played.started, outcome);
        verdict
    }

    fn insight(&self) -> Insight<'_> {
        Insight { rules: self.rules, folder: self.folder.root() }
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
