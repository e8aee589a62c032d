//! Earlier runs: which cells need not be played because one has played them, and what is kept for later ones.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;

use super::Arguments;
use super::stage::Judged;
use crate::cli::judged::Rules;
use crate::cli::{harness, places, stacks};
use crate::host::{self, Accelerator};
use crate::install::{self, Cache, Lock};
use crate::judge::Kind;
use crate::model::{Event, Telling};
use crate::plan::{Plan, PlannedCell};
use crate::record::{self, CellRecord, PassingLogs, Paths, RunFolder, RunRecord};
use crate::report::{Insight, Outcome, outcome_of};
use crate::results::{Common, Found, Inputs, Store};
use crate::run::Images;

/// The results of earlier runs, as far as they may stand for cells of this one.
pub(super) struct Earlier<'a> {
    plan: &'a Plan,
    store: Store<'a>,
    inputs: Inputs<'a>,
    /// Which verdicts are taken.
    takes: Takes,
    /// Whether cells are played several times.
    several: bool,
}

/// This machine's QEMU, which is used where it is new enough.
const QEMU: &str = "qemu-system-x86_64";

/// Which earlier results are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    All,
    /// The user wants to look at what fails, and that takes a guest.
    Expected,
    None,
}

impl<'a> Earlier<'a> {
    /// `None` where no result of this run could stand for another's, nor the other way round: machines that are not
    /// made of files that we know, faults on purpose, and replays, which want images and are to prove something.
    pub(super) fn new(
        arguments: &Arguments,
        plan: &'a Plan,
        lock: &'a Lock,
        cache: &'a Cache,
    ) -> anyhow::Result<Option<Self>> {
        if plan.provider != "qemu" || plan.sabotage.is_some() || arguments.images != Images::None {
            return Ok(None);
        }
        // Whoever has never booted a guest has no results either.
        let Some(accelerator) = host::remembered(&cache.root().join(stacks::ACCELERATOR)) else {
            return Ok(None);
        };
        let hashed = |path: &str| {
            let path = places::root().join(path);
            let hash = if path.is_dir() { install::hash_tree(&path) } else { Ok(install::hash_file(&path)?) };
            hash.with_context(|| format!("cannot read {}", path.display()))
        };
        let hash_image = |image: &Path| {
            install::hash_file(image).with_context(|| format!("cannot read {}", image.display()))
        };
        let common = Common {
            harness: harness::identity()?.to_owned(),
            agent: hashed("guest/src")?
                + &hashed("guest/Cargo.toml")?
                + &hashed("Cargo.toml")?
                + &hashed("Cargo.lock")?,
            workloads: hashed("guest/workloads")? + &program("cc"),
            image: plan.image.as_deref().map(hash_image).transpose()?,
            emulator: std::env::var("CRIU_MATRIX_QEMU")
                .into_iter()
                .chain([QEMU.to_owned()])
                .map(|name| program(&name))
                .collect(),
            accelerator,
            processor: (accelerator == Accelerator::Kvm).then(host::processor),
            cold: arguments.cold,
        };
        // Whoever asks several times wants to know whether the answer stays the same.
        let several = plan.cell.iter().any(|cell| cell.repeat > 1);
        let takes = match (plan.fresh || arguments.fresh || several, arguments.keep_guests_on_failure) {
            (true, _) => Takes::None,
            (false, true) => Takes::Expected,
            (false, false) => Takes::All,
        };
        Ok(Some(Self { plan, store: Store(cache), inputs: Inputs::new(plan, lock, &common), takes, several }))
    }

    /// Takes what an earlier run has played, and returns the cells that are left.
    pub(super) fn take<'p>(
        &self,
        cells: Vec<&'p PlannedCell>,
        folder: &RunFolder,
        rules: &Rules,
        judged: &Judged,
        tell: &dyn Telling,
    ) -> Vec<&'p PlannedCell> {
        if self.takes == Takes::None {
            return cells;
        }
        let mut left = Vec::new();
        let all = cells.len();
        for cell in cells {
            let found = self.inputs.key(cell).and_then(|key| Some((self.store.find(&key)?, key)));
            let Some((found, key)) = found else {
                left.push(cell);
                continue;
            };
            let Some(outcome) = self.taken(cell, &found, folder, rules, judged.by.of(cell)) else {
                left.push(cell);
                continue;
            };
            let (at, seconds) = (found.started().to_owned(), found.seconds());
            tell.tell(Event::CellTaken { cell: cell.id.clone(), at: at.clone(), seconds, key });
            judged.put(cell, &at, outcome);
        }
        if left.len() < all {
            eprintln!(
                "{} of {all} cells were played before, with the same inputs: --fresh plays them again",
                all - left.len()
            );
        }
        left
    }

    /// Lays a result into the run folder. `None`: it is not to be taken, or cannot be.
    fn taken(
        &self,
        cell: &PlannedCell,
        found: &Found,
        folder: &Paths,
        rules: &Rules,
        by: &str,
    ) -> Option<Outcome> {
        let known = found.outcome(by).map(|outcome| outcome.clone().taken(self.plan, found.started()));
        let unwanted =
            |outcome: &Outcome| self.takes == Takes::Expected && !outcome.verdict.kind.is_expected();
        if known.as_ref().is_some_and(unwanted) {
            return None;
        }
        let drop_logs = self.plan.passing_logs == PassingLogs::Drop;
        let laid = found.lay(folder, &cell.id).ok().and_then(|()| {
            let outcome = self.as_laid(cell, found, folder, rules, known, by)?;
            if drop_logs && outcome.verdict.kind == Kind::Pass {
                std::fs::remove_file(folder.cell_logs(&cell.id)).ok()?;
            }
            (!unwanted(&outcome)).then_some(outcome)
        });
        if laid.is_none() {
            // It is played instead.
            let _set_aside_then = std::fs::remove_dir_all(folder.cell(&cell.id));
        }
        laid
    }

    /// What a result comes to that lies in the run folder.
    fn as_laid(
        &self,
        cell: &PlannedCell,
        found: &Found,
        folder: &Paths,
        rules: &Rules,
        known: Option<Outcome>,
        by: &str,
    ) -> Option<Outcome> {
        let logs = folder.cell_logs(&cell.id);
        // What is not as expected is looked at; that of other cells stays in one file.
        let lay_logs = || -> std::io::Result<()> {
            record::unpack(&logs, &folder.cell(&cell.id))?;
            std::fs::remove_file(&logs)
        };
        let Some(outcome) = known else {
            let outcome = self.judged_anew(cell, found, folder, rules, &lay_logs)?;
            // Else it is judged again the next time, too.
            let _judged_again = self.store.judged_anew(found, by, &outcome);
            return Some(outcome);
        };
        if !outcome.verdict.kind.is_expected() {
            lay_logs().ok()?;
        }
        Some(outcome)
    }

    /// What a result comes to that was judged by other rules, or by another harness.
    fn judged_anew(
        &self,
        cell: &PlannedCell,
        found: &Found,
        folder: &Paths,
        rules: &Rules,
        lay_logs: &dyn Fn() -> std::io::Result<()>,
    ) -> Option<Outcome> {
        let mut told = RunRecord::default();
        let (at, seconds) = (found.started().to_owned(), found.seconds());
        told.take(&Event::CellTaken { cell: cell.id.clone(), at, seconds, key: String::new() });
        let played = record::read_cell(folder, &told, &cell.id).ok()??;
        // Rules that cannot be read are told when it is played instead.
        let insight = Insight { rules: rules.get().ok()?, folder: folder.root() };
        let judge = || outcome_of(self.plan, Some(&played), cell, &insight);
        let outcome = judge();
        if outcome.verdict.kind == Kind::Pass {
            return Some(outcome);
        }
        // Why it failed is in its logs.
        lay_logs().ok()?;
        Some(judge())
    }

    /// Keeps a result for later runs, where it says something of the cell and not of this machine's hour.
    pub(super) fn keep(
        &self,
        paths: &Paths,
        by: &str,
        cell: &PlannedCell,
        played: &CellRecord,
        outcome: &Outcome,
        tell: &dyn Telling,
    ) {
        let Some(key) = self.inputs.key(cell) else { return };
        let kept =
            if !self.stands(cell, played, outcome) || self.several && outcome.verdict.kind != Kind::Pass {
                // What was kept of an earlier run is in doubt now; that of a single play too, where one of many fails.
                let of_first = self.inputs.key(&cell.repeated(1));
                self.store.forget(&key).and_then(|()| of_first.map_or(Ok(()), |key| self.store.forget(&key)))
            } else if self.several {
                // Whether the others come to the same is not known yet.
                Ok(())
            } else {
                self.store.put(&key, paths, &played.started, by, outcome)
            };
        if let Err(error) = kept {
            tell.tell(Event::Note { text: format!("results cannot be kept for later runs: {error}") });
        }
    }

    /// Removes results that were not used for the longest time, where there are too many.
    pub(super) fn trim(&self) -> std::io::Result<()> {
        self.store.trim()
    }

    /// Whether the same inputs would come to the same. A failure that no rule explains is asked again, one that comes
    /// and goes is, and so is whatever ran into a deadline, unless the story wants it to.
    fn stands(&self, cell: &PlannedCell, played: &CellRecord, outcome: &Outcome) -> bool {
        let best = outcome.cell.diagnosis.as_ref().and_then(|known| known.first());
        let explained = best.is_some_and(|best| !best.sporadic);
        let says_something = match outcome.verdict.kind {
            Kind::Pass | Kind::Fixed | Kind::KnownBug => true,
            Kind::Fail => explained,
            Kind::Skip => played.unfit.is_none(),
            Kind::Flaky | Kind::Broken => false,
        };
        let steps = self.plan.story(cell).map_or(&[][..], |story| &story.steps);
        let wanted: BTreeSet<usize> =
            (1..).zip(steps).filter(|(_, step)| step.hangs).map(|(number, _)| number).collect();
        let hung = played
            .steps
            .iter()
            .any(|step| !wanted.contains(&step.index) && step.commands.iter().any(|it| it.hang.is_some()));
        says_something && !hung
    }
}

/// A program of this machine as its file system knows it: enough to notice another one.
fn program(name: &str) -> String {
    let file = which::which(name).map(|path| path.canonicalize().unwrap_or(path));
    let Ok(path) = file else { return format!("no {name}") };
    let facts = std::fs::metadata(&path).map(|facts| (facts.len(), facts.modified().ok())).ok();
    format!("{} {facts:?}", path.display())
}
