//! From the times of a cell's events to spans: what an event tells of took the time since the event before it.

use crate::model::{CellId, Event, Stage};
use crate::record::{Entries, Paths, ReadError, RunRecord};

/// What time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A guest boots; and where its stack has no saved state yet, is prepared, engine's daemon and all, and saved.
    Boot,
    /// A guest is woken from a saved state.
    Wake,
    /// What is asked before the story: CRIU's version and features.
    Check,
    /// The program or its container is started.
    Start,
    /// CRIU or the engine dumps.
    Dump,
    /// What was dumped goes from one host to another.
    Transfer,
    /// CRIU or the engine restores.
    Restore,
    /// Commands of steps that verify.
    Verify,
    /// A step waits for the program to go on.
    Wait,
    /// The program is looked at.
    Look,
    /// Logs are brought home.
    Fetch,
    /// The harness itself, and the taking away of guests.
    Harness,
}

impl Part {
    /// All of them, in the order of a cell.
    pub const ALL: [Self; 12] = [
        Self::Boot,
        Self::Wake,
        Self::Check,
        Self::Start,
        Self::Dump,
        Self::Transfer,
        Self::Restore,
        Self::Verify,
        Self::Wait,
        Self::Look,
        Self::Fetch,
        Self::Harness,
    ];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Wake => "wake",
            Self::Check => "check",
            Self::Start => "start",
            Self::Dump => "dump",
            Self::Transfer => "transfer",
            Self::Restore => "restore",
            Self::Verify => "verify",
            Self::Wait => "wait",
            Self::Look => "look",
            Self::Fetch => "fetch",
            Self::Harness => "harness",
        }
    }

    fn of_stage(stage: Stage) -> Self {
        match stage {
            Stage::Check => Self::Check,
            Stage::Start => Self::Start,
            Stage::PreDump | Stage::Dump => Self::Dump,
            Stage::Transfer => Self::Transfer,
            Stage::Restore => Self::Restore,
            Stage::Verify => Self::Verify,
        }
    }
}

/// A stretch of time in one cell; milliseconds since the record was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// On what.
    pub part: Part,
    /// In words: a command, a file.
    pub what: String,
    /// When it began.
    pub from: u64,
    /// When it ended.
    pub to: u64,
}

/// All of a cell's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellProfile {
    /// Which cell.
    pub cell: CellId,
    /// Its spans in order, without gaps.
    pub spans: Vec<Span>,
}

impl CellProfile {
    /// Milliseconds in all.
    pub fn whole(&self) -> u64 {
        self.spans.iter().map(|span| span.to - span.from).sum()
    }

    /// Milliseconds on that.
    pub fn on(&self, part: Part) -> u64 {
        self.spans.iter().filter(|span| span.part == part).map(|span| span.to - span.from).sum()
    }

    /// From the events of one cell with their times.
    fn of(cell: &CellId, events: impl Iterator<Item = (u64, Event)>) -> Self {
        let mut spans: Vec<Span> = Vec::new();
        let mut stage = Stage::Check;
        let mut last = None;
        for (t, event) in events {
            let from = last.unwrap_or(t).min(t);
            last = Some(t);
            let mut add = |part, what: &str, from, to| {
                if from < to {
                    spans.push(Span { part, what: what.to_owned(), from, to });
                }
            };
            match event {
                Event::StepStarted { stage: begun, .. } => {
                    stage = begun;
                    add(Part::Harness, "between steps", from, t);
                }
                Event::HostReady { facts, role, .. } => {
                    let booted = facts.more.get("came_up").is_some_and(|way| way == "booted");
                    add(if booted { Part::Boot } else { Part::Wake }, role.name(), from, t);
                }
                Event::CommandEnded { line, finished, .. } => {
                    // The guest's own measure; the rest is the way there and back.
                    let begun = t.saturating_sub(finished.millis).max(from);
                    let waits = line.contains(WAITS);
                    add(Part::Harness, "to the guest and back", from, begun);
                    add(if waits { Part::Wait } else { Part::of_stage(stage) }, &line, begun, t);
                }
                Event::Observed { .. } => add(Part::Look, "look", from, t),
                Event::FileKept { name, .. } => add(Part::Fetch, &name, from, t),
                _ => add(Part::Harness, "other", from, t),
            }
        }
        Self { cell: cell.clone(), spans }
    }
}

/// The script by which steps wait for the program.
const WAITS: &str = "more-ticks.sh";

/// The cells that a run has played itself, in the order in which they began.
///
/// # Errors
/// When the record of one cannot be read.
pub fn profile(paths: &Paths, record: &RunRecord) -> Result<Vec<CellProfile>, ReadError> {
    let mut cells = Vec::new();
    for (id, _) in record.cells.iter().filter(|(_, cell)| !cell.taken && cell.has_ended()) {
        let Some(entries) = Entries::of_cell(paths, id)? else { continue };
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let events = entries.into_iter().filter_map(|entry| Some((entry.t?, entry.event)));
        cells.push(CellProfile::of(id, events));
    }
    cells.sort_by_key(|cell| cell.spans.first().map(|span| span.from));
    Ok(cells)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Exit, Finished, GuestFacts, HostAsk, Role};

    pub(crate) fn cell(scenario: &str, opened: u64) -> CellProfile {
        let host = HostAsk::sample();
        let cell = CellId::new(scenario, &host, 1);
        let id = || cell.clone();
        let command = |line: &str, millis| Event::CommandEnded {
            cell: id(),
            step: 1,
            role: Role::Source,
            line: line.into(),
            decisive: true,
            finished: Finished {
                exit: Exit::Status(0),
                stdout: String::new(),
                stderr: String::new(),
                millis,
            },
            hang: None,
            by: None,
        };
        let facts =
            GuestFacts { more: [("came_up".to_owned(), "woken".to_owned())].into(), ..GuestFacts::default() };
        let step = |stage| Event::StepStarted { cell: id(), step: 1, stage, text: String::new() };
        let kept = Event::FileKept { cell: id(), name: "source/dmesg.log".into(), bytes: 1, error: None };
        let events = [
            (0, Event::CellStarted { cell: id(), at: String::new() }),
            (150, Event::HostReady { cell: id(), role: Role::Source, facts, millis: 150 }),
            (150, step(Stage::Dump)),
            (700, command("criu dump -t 1", 500)),
            (700, step(Stage::Verify)),
            (900, command("sh more-ticks.sh 3", 200)),
            (1000, kept),
            (1100, Event::CellEnded { cell: id(), seconds: 1.1 }),
        ];
        CellProfile::of(&cell, events.into_iter().map(|(t, event)| (t + opened, event)))
    }

    #[test]
    fn every_moment_is_spent_on_one_thing() {
        let cell = cell("counter", 40);
        let spent: Vec<_> =
            Part::ALL.into_iter().map(|part| (part.name(), cell.on(part))).filter(|it| it.1 > 0).collect();
        assert_eq!(spent, [("wake", 150), ("dump", 500), ("wait", 200), ("fetch", 100), ("harness", 150)]);
        assert_eq!(cell.whole(), 1100);
        assert!(cell.spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{:?}", cell.spans);
    }
}
