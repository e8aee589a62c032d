//! Folds events to what is known of each cell. Incremental, so that a cell can be judged as soon as it ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::{CellId, Event, Finished, GuestFacts, Hang, Lost, Observation, Role, Stage, Telling};

/// All that a record tells of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRecord {
    /// When it first started, RFC 3339, UTC.
    pub started: Option<String>,
    /// The version of the harness that took it up last.
    pub harness: String,
    /// The provider's name.
    pub provider: String,
    /// How often it was taken up again after an interruption.
    pub resumed: u32,
    /// What the reader should know, each sentence once.
    pub notes: Vec<String>,
    /// When it ended; `None` while it runs, and when it was killed.
    pub ended: Option<String>,
    /// Whether every planned cell had ended by then.
    pub complete: bool,
    /// The newest attempt at each cell: of one that has a file of its own, when it began and ended.
    pub cells: BTreeMap<CellId, CellRecord>,
}

/// All that a record tells of one attempt at one cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellRecord {
    /// When, RFC 3339, UTC.
    pub started: String,
    /// What each guest reported of itself.
    pub facts: BTreeMap<Role, GuestFacts>,
    /// How long each guest took to answer, in milliseconds.
    pub boots: BTreeMap<Role, u64>,
    /// The steps in the order in which they began.
    pub steps: Vec<StepRecord>,
    /// Features that the story needs and that are not there.
    pub missing_features: Vec<String>,
    /// Why nothing could be asked of its host, where that is nobody's fault.
    pub unfit: Option<String>,
    /// Files kept in the cell's folder.
    pub files: Vec<KeptFile>,
    /// Guests that went away, or are no longer to be believed.
    pub lost: Vec<(Role, Lost)>,
    /// Why the question could not be asked: the first reason given.
    pub broken: Option<String>,
    /// Wall time of the whole cell; `Some` once it has ended.
    pub seconds: Option<f64>,
    /// Whether an earlier run played it.
    pub taken: bool,
}

/// One step as it was played.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// Its number in the cell; 0 is the check before the story.
    pub index: usize,
    /// What a failure in it is called.
    pub stage: Stage,
    /// The step as a sentence.
    pub text: String,
    /// Its commands, in order.
    pub commands: Vec<CommandRecord>,
    /// What was seen after them, in order.
    pub observations: Vec<Observation>,
}

/// One command that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRecord {
    /// In which guest.
    pub role: Role,
    /// The line of `sh`.
    pub line: String,
    /// Whether the step fails with it.
    pub decisive: bool,
    /// How it ended, with its output.
    pub finished: Finished,
    /// What was seen of it at its deadline, where it was still running then.
    pub hang: Option<Hang>,
}

/// One file in a cell's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Its path below the cell's folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The first line in it that says `Error`, where it is a CRIU log.
    pub error: Option<String>,
}

impl RunRecord {
    /// Takes the next event. A cell that starts again begins anew: the attempt before it was interrupted.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::RunStarted { at, harness, provider, resumed, .. } => {
                self.started.get_or_insert_with(|| at.clone());
                self.harness.clone_from(harness);
                self.provider.clone_from(provider);
                self.resumed += u32::from(*resumed);
                self.ended = None;
                self.complete = false;
            }
            Event::Note { text } => {
                if !self.notes.contains(text) {
                    self.notes.push(text.clone());
                }
            }
            Event::CellStarted { cell, at } => {
                self.cells.insert(cell.clone(), CellRecord { started: at.clone(), ..CellRecord::default() });
            }
            Event::CellTaken { cell, at, seconds, .. } => {
                let record = CellRecord {
                    started: at.clone(),
                    seconds: Some(*seconds),
                    taken: true,
                    ..CellRecord::default()
                };
                self.cells.insert(cell.clone(), record);
            }
            Event::RunEnded { at, complete } => {
                self.ended = Some(at.clone());
                self.complete = *complete;
            }
            Event::HostReady { cell, .. }
            | Event::StepStarted { cell, .. }
            | Event::CommandEnded { cell, .. }
            | Event::Observed { cell, .. }
            | Event::FeatureMissing { cell, .. }
            | Event::Unfit { cell, .. }
            | Event::FileKept { cell, .. }
            | Event::GuestLost { cell, .. }
            | Event::Broken { cell, .. }
            | Event::CellEnded { cell, .. } => self.cells.entry(cell.clone()).or_default().take(event),
        }
    }

    /// Keeps of a cell when it began and ended: what it came to is known. Ten thousand cells have gigabytes of outputs.
    pub fn forget(&mut self, cell: &CellId) -> Option<CellRecord> {
        let whole = self.cells.get_mut(cell)?;
        let CellRecord { started, seconds, taken, .. } = &*whole;
        let brief = CellRecord {
            started: started.clone(),
            seconds: *seconds,
            taken: *taken,
            ..CellRecord::default()
        };
        Some(std::mem::replace(whole, brief))
    }

    /// The cells that have ended, and need not be run again.
    pub fn finished_cells(&self) -> impl Iterator<Item = &CellId> {
        self.cells.iter().filter(|(_, cell)| cell.has_ended()).map(|(id, _)| id)
    }
}

/// A fold that listens: share it with whoever judges a cell as soon as it ends.
impl Telling for Mutex<RunRecord> {
    fn tell(&self, event: Event) {
        self.lock().unwrap_or_else(PoisonError::into_inner).take(&event);
    }
}

impl CellRecord {
    /// Whether its record is whole.
    pub fn has_ended(&self) -> bool {
        self.seconds.is_some()
    }

    /// Whether it says no more than that the cell began and ended.
    pub(super) fn tells_nothing(&self) -> bool {
        let Self { facts, steps, missing_features, unfit, files, lost, broken, .. } = self;
        facts.is_empty()
            && steps.is_empty()
            && missing_features.is_empty()
            && files.is_empty()
            && lost.is_empty()
            && unfit.is_none()
            && broken.is_none()
    }

    /// Takes the next event of this cell.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::HostReady { role, facts, millis, .. } => {
                self.facts.insert(*role, facts.clone());
                self.boots.insert(*role, *millis);
            }
            Event::StepStarted { step, stage, text, .. } => {
                self.steps.push(StepRecord {
                    index: *step,
                    stage: *stage,
                    text: text.clone(),
                    commands: Vec::new(),
                    observations: Vec::new(),
                });
            }
            Event::CommandEnded { step, role, line, decisive, finished, hang, .. } => {
                let command = CommandRecord {
                    role: *role,
                    line: line.clone(),
                    decisive: *decisive,
                    finished: finished.clone(),
                    hang: hang.clone(),
                };
                self.step(*step).commands.push(command);
            }
            Event::Observed { step, observation, .. } => {
                self.step(*step).observations.push(observation.clone());
            }
            Event::FeatureMissing { feature, .. } => self.missing_features.push(feature.clone()),
            Event::Unfit { reason, .. } => self.unfit = Some(reason.clone()),
            Event::FileKept { name, bytes, error, .. } => {
                self.files.retain(|file| file.name != *name);
                self.files.push(KeptFile { name: name.clone(), bytes: *bytes, error: error.clone() });
            }
            Event::GuestLost { role, how, .. } => self.lost.push((*role, how.clone())),
            Event::Broken { reason, .. } => {
                self.broken.get_or_insert_with(|| reason.clone());
            }
            Event::CellEnded { seconds, .. } => self.seconds = Some(*seconds),
            Event::CellStarted { at, .. } => self.started.clone_from(at),
            Event::RunStarted { .. }
            | Event::Note { .. }
            | Event::CellTaken { .. }
            | Event::RunEnded { .. } => {}
        }
    }

    /// The step of that number; evidence gathered before any step began counts as the check's.
    fn step(&mut self, index: usize) -> &mut StepRecord {
        let at = self.steps.iter().rposition(|step| step.index == index).unwrap_or_else(|| {
            self.steps.push(StepRecord {
                index,
                stage: Stage::Check,
                text: String::new(),
                commands: Vec::new(),
                observations: Vec::new(),
            });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    fn fold(events: &[Event]) -> RunRecord {
        let mut record = RunRecord::default();
        events.iter().for_each(|event| record.take(event));
        record
    }

    #[test]
    fn a_whole_cell() {
        let record = fold(&sample::run(&["counter"]));
        let cell = &record.cells[&sample::id("counter")];
        assert!(cell.has_ended());
        assert_eq!(cell.boots[&Role::Source], 2500);
        assert_eq!(cell.facts[&Role::Source].kernel, "6.12.117");
        let stages: Vec<_> = cell.steps.iter().map(|step| (step.index, step.stage)).collect();
        assert_eq!(stages, [(0, Stage::Check), (1, Stage::Dump), (2, Stage::Verify)]);
        assert_eq!(cell.steps[1].commands[0].finished.stderr, "criu: half\na line");
        assert_eq!(cell.steps[2].observations[0].pid, Some(321));
        assert_eq!(cell.files[0].error.as_deref(), Some("Error (criu/cr-dump.c:1): no"));
        assert!(record.complete);
    }

    #[test]
    fn a_second_attempt_replaces_the_interrupted_one() {
        let mut events = sample::run(&["counter"]);
        events.truncate(events.iter().position(|e| matches!(e, Event::Observed { .. })).unwrap());
        assert_eq!(fold(&events).finished_cells().count(), 0);
        let broken = Event::Broken { cell: sample::id("counter"), reason: "no boot".into() };
        events.push(broken);
        let interrupted = fold(&events);
        assert_eq!(interrupted.ended, None);

        events.extend(sample::run(&["counter"]));
        let resumed = fold(&events);
        assert_eq!(
            resumed.cells,
            fold(&sample::run(&["counter"])).cells,
            "nothing of the first attempt is left"
        );
        assert_eq!(resumed.finished_cells().collect::<Vec<_>>(), [&sample::id("counter")]);
    }

    #[test]
    fn cells_that_run_side_by_side_do_not_mix() {
        let (one, two) = (sample::cell("counter"), sample::cell("clone"));
        let mixed: Vec<Event> = one.iter().zip(&two).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        assert_eq!(fold(&mixed).cells, fold(&[one, two].concat()).cells);
    }

    #[test]
    fn resuming_counts_and_reopens_the_run() {
        let mut events = sample::run(&["counter"]);
        events.push(sample::started(true));
        let record = fold(&events);
        assert_eq!((record.resumed, &record.ended, record.complete), (1, &None, false));
        assert_eq!(record.finished_cells().count(), 1);
    }

    #[test]
    fn a_shared_fold_listens() {
        let shared = Mutex::new(RunRecord::default());
        sample::run(&["counter"]).into_iter().for_each(|event| shared.tell(event));
        assert_eq!(shared.into_inner().unwrap(), fold(&sample::run(&["counter"])));
    }
}
