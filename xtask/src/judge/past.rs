//! Made-up pasts for the checkers' tests: a ticker, or a program with items, whose every tick is written down by hand.

use std::collections::BTreeMap;

use ::guest::witness::Expected;

use crate::model::{Exit, Expectation, Finished, Hang, Observation, Role, Settings, Step, Verb, Workload};
use crate::record::{CellRecord, CommandRecord, StepRecord};
use crate::scenario::Story;

/// A program that ticks, as its output would show it.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) pid: i32,
    pub(super) nonce: u64,
    pub(super) n: u64,
    pub(super) sum_offset: u64,
    /// What a program with items tells of them; empty for a ticker.
    pub(super) items: String,
}

impl Program {
    pub(super) fn new() -> Self {
        Self { pid: 321, nonce: 0xC0FFEE, n: 0, sum_offset: 0, items: String::new() }
    }

    /// One with items, of the workload `files`.
    pub(super) fn with_items() -> Self {
        Self { items: " items=pipe,tty".to_owned(), ..Self::new() }
    }

    fn workload(&self) -> &'static str {
        if self.items.is_empty() { "ticker" } else { "files" }
    }

    /// The lines of the next ticks.
    pub(super) fn tick(&mut self, more: u64) -> String {
        let mut lines = String::new();
        for _ in 0..more {
            self.n += 1;
            let sum = Expected::new(self.nonce).advance_to(self.n).wrapping_add(self.sum_offset);
            lines.push_str(&format!(
                "who={} n={} pid={} start=77 nonce={:016x} sum={sum:016x}{}\n",
                self.workload(),
                self.n,
                self.pid,
                self.nonce,
                self.items
            ));
        }
        lines
    }
}

/// A past that is written step by step, in step with a story.
pub(super) struct Past {
    pub(super) story: Story,
    pub(super) record: CellRecord,
    output: BTreeMap<Role, String>,
}

impl Past {
    pub(super) fn new() -> Self {
        Self::of(&Program::new())
    }

    /// One of the workload that ticks so.
    pub(super) fn of(program: &Program) -> Self {
        let story = Story {
            name: "made-up".to_owned(),
            summary: "A made-up story.".to_owned(),
            workload: program.workload().to_owned(),
            features: Vec::new(),
            settings: Settings::default(),
            only: crate::known_bug::Hosts::default(),
            known_bugs: Vec::new(),
            steps: Vec::new(),
        };
        let record = CellRecord { seconds: Some(1.0), ..CellRecord::default() };
        Self { story, record, output: BTreeMap::new() }
    }

    /// A step in which `lines` came, after which the processes of `alive` live.
    pub(super) fn step(mut self, verb: Verb, on: Role, lines: &str, alive: &[i32]) -> Self {
        self.story.steps.push(Step { on, ..Step::plain(verb) });
        let index = self.story.steps.len();
        let output = self.output.entry(on).or_default();
        output.push_str(lines);
        let mut stat = "1 (init) S 0 1 1 0 -1 4194560\n".to_owned();
        stat.extend(alive.iter().map(|pid| format!("{pid} (ticker) S 1 {pid} 321 0 -1 4194560\n")));
        let workload = Workload::named(&self.story.workload).unwrap();
        let observation = Observation {
            role: on,
            outputs: BTreeMap::from([(workload.output.to_owned(), output.clone())]),
            stat,
            pid: Some(321),
            ..Observation::default()
        };
        self.record.steps.push(StepRecord {
            index,
            stage: self.story.stage(index - 1),
            text: self.story.steps[index - 1].to_string(),
            commands: Vec::new(),
            observations: vec![observation],
        });
        self
    }

    /// The newest look was another one.
    pub(super) fn saw(mut self, change: impl FnOnce(&mut Observation)) -> Self {
        change(self.record.steps.last_mut().unwrap().observations.last_mut().unwrap());
        self
    }

    /// The newest step is one that the engine must refuse.
    pub(super) fn refused(mut self) -> Self {
        self.story.steps.last_mut().unwrap().refused = true;
        self
    }

    /// The newest step must hang, and nobody looked after it.
    pub(super) fn hanging(mut self) -> Self {
        let step = self.story.steps.last_mut().unwrap();
        step.hangs = true;
        let record = self.record.steps.last_mut().unwrap();
        record.text = step.to_string();
        record.observations.clear();
        self
    }

    /// The power is cut, and that much of the output stays on the disk, to the byte.
    pub(super) fn power_cut(mut self, bytes: usize, amid: Option<&str>) -> Self {
        self.output.entry(Role::Source).or_default().truncate(bytes);
        self.step(Verb::PowerCut { amid: amid.map(str::to_owned) }, Role::Source, "", &[])
    }

    /// The newest step's command printed this.
    pub(super) fn printed(mut self, stdout: &str) -> Self {
        self = self.ended(true, Exit::Status(0), "");
        let command = self.record.steps.last_mut().and_then(|step| step.commands.last_mut());
        command.unwrap().finished.stdout = stdout.to_owned();
        self
    }

    /// The newest step's command ended so.
    pub(super) fn command(self, exit: Exit, stderr: &str) -> Self {
        self.ended(true, exit, stderr)
    }

    /// The newest step's wait for ticks ended so.
    pub(super) fn wait(self, exit: Exit, stderr: &str) -> Self {
        self.ended(false, exit, stderr)
    }

    fn ended(mut self, decisive: bool, exit: Exit, stderr: &str) -> Self {
        let finished = Finished { exit, stdout: String::new(), stderr: stderr.to_owned(), millis: 1 };
        self.record.steps.last_mut().unwrap().commands.push(CommandRecord {
            role: Role::Source,
            line: "criu".to_owned(),
            decisive,
            finished,
            hang: None,
        });
        self
    }

    /// The newest step's newest command was seen hanging so: what `hang.sh` found, and how many files were kept.
    pub(super) fn seen_hanging(mut self, found: &str, files: usize) -> Self {
        let command = self.record.steps.last_mut().and_then(|step| step.commands.last_mut()).unwrap();
        command.hang = Some(Hang::parse(15, files, found));
        self
    }

    /// What runs carries over to the destination with a transfer.
    pub(super) fn transfer(mut self, alive: &[i32]) -> Self {
        let carried = self.output[&Role::Source].clone();
        self.output.insert(Role::Destination, carried);
        self = self.step(Verb::Transfer { checkpoint: "one".to_owned() }, Role::Source, "", alive);
        let carried = Observation {
            role: Role::Destination,
            outputs: BTreeMap::from([("ticker.ticks".to_owned(), self.output[&Role::Destination].clone())]),
            stat: String::new(),
            pid: Some(321),
            ..Observation::default()
        };
        self.record.steps.last_mut().unwrap().observations.push(carried);
        self
    }
}

pub(super) fn dump(leave_running: bool) -> Verb {
    Verb::Dump { to: "one".to_owned(), parent: None, leave_running, dir: false, carried: false }
}

pub(super) fn restore() -> Verb {
    Verb::Restore { from: "one".to_owned(), dir: false, fresh: false }
}

pub(super) const CONTINUES: Verb = Verb::Expect(Expectation::Continues);
pub(super) const GONE: Verb = Verb::Expect(Expectation::Gone);
pub(super) const RUNNING: Verb = Verb::Expect(Expectation::Running);
