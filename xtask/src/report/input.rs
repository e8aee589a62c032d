//! What a report is made of, and what `report.json` holds: the one is the serialized twin of the other.
//! Other tools read it. A field is added, never renamed, without a new format number.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::diagnose::Diagnosis;
use crate::engine;
use crate::judge::{Kind, Samples, Verdict};
use crate::known_bug::KnownAs;
use crate::model::{CellId, GuestFacts, HostAsk, Role, Stage};
use crate::plan::PlannedCell;

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this format: [`Report::FORMAT`].
    pub format: u32,
    /// The run that it tells of.
    #[serde(default)]
    pub run: Run,
    /// Its cells in the order of the plan: rows, columns and scenarios are shown in the order of their first cell.
    pub cells: Vec<Cell>,
}

impl Report {
    /// The format that this build writes.
    pub const FORMAT: u32 = 1;

    /// A report of these cells.
    pub fn new(run: Run, cells: Vec<Cell>) -> Self {
        Self { format: Self::FORMAT, run, cells }
    }

    /// With the cells of another run, whose logs are below `folder`. What only one of them was is not said of both.
    #[must_use]
    pub fn beside(mut self, other: Self, folder: &Path) -> Self {
        self.cells.extend(other.cells.into_iter().map(|mut cell| {
            for log in &mut cell.logs {
                *log = folder.join(&*log).display().to_string();
            }
            cell
        }));
        for note in other.run.notes {
            if !self.run.notes.contains(&note) {
                self.run.notes.push(note);
            }
        }
        self.run.complete &= other.run.complete;
        self.run.ended = self.run.ended.filter(|_| other.run.ended.is_some());
        self
    }

    /// How many cells have that verdict.
    pub fn count(&self, kind: Kind) -> usize {
        self.cells.iter().filter(|cell| cell.verdict == kind).count()
    }
}

/// What is known of the run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it started, RFC 3339, UTC.
    pub started: Option<String>,
    /// When it ended; `null` for one that was killed.
    pub ended: Option<String>,
    /// Whether every planned cell has ended.
    pub complete: bool,
    /// The harness's version.
    pub harness: String,
    /// What the reader should know: a switched-off check, a slow accelerator.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Its id, and the name of its folder.
    pub id: CellId,
    /// The scenario's name.
    pub scenario: String,
    /// The kernel.
    pub kernel: Kernel,
    /// The root file system.
    pub userland: Userland,
    /// The CRIU.
    pub criu: Criu,
    /// Who drives CRIU.
    pub engine: Engine,
    /// The CPU model that was asked for.
    pub cpu: String,
    /// The second host of a move whose plan crosses hosts; left out where there is none, or it is like the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// The provider's name.
    pub provider: String,
    /// The outcome.
    pub verdict: Kind,
    /// Where it failed; `null` where it did not.
    pub stage: Option<Stage>,
    /// Why, with the first error of the log; `null` where there is nothing to say.
    pub reason: Option<String>,
    /// Which copies of the program run after a move that failed; left out where none failed to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<String>,
    /// What passes have measured, a number for each time that the cell was played; left out where nothing was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub samples: Samples,
    /// What the rules say of it, best first; empty where nobody knows, `null` where nothing failed.
    #[serde(default)]
    pub diagnosis: Option<Vec<Diagnosis>>,
    /// Where the bug is told that it is known as, or was; `null` where it is none.
    #[serde(default)]
    pub known_bug: Option<KnownAs>,
    /// Wall time; `null` where it was not played.
    pub seconds: Option<f64>,
    /// When an earlier run played it, with the same inputs, RFC 3339, UTC; left out where this run did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
    /// Paths below the run folder, the most telling first.
    pub logs: Vec<String>,
}

impl Cell {
    /// A cell as it was asked for, with its verdict; what its guests reported and its logs are added to it.
    pub fn new(cell: &PlannedCell, provider: &str, verdict: &Verdict) -> Self {
        let Destination { kernel, userland, criu, engine, cpu } = Destination::asked(&cell.host);
        Self {
            id: cell.id.clone(),
            scenario: cell.scenario.clone(),
            kernel,
            userland,
            criu,
            engine,
            cpu,
            destination: cell.destination.as_ref().map(Destination::asked),
            provider: provider.to_owned(),
            verdict: verdict.kind,
            stage: verdict.stage,
            reason: said(&verdict.sentence()),
            copies: verdict.copies.clone(),
            samples: verdict.samples.clone(),
            known_bug: verdict.known.clone(),
            diagnosis: None,
            seconds: verdict.seconds,
            taken: None,
            logs: Vec::new(),
        }
    }

    /// The same with what its guests reported, by their parts.
    #[must_use]
    pub fn observed(mut self, facts: &BTreeMap<Role, GuestFacts>) -> Self {
        if let Some(facts) = facts.get(&Role::Source) {
            let Self { kernel, userland, criu, engine, .. } = &mut self;
            observe(facts, kernel, userland, criu, engine);
        }
        if let (Some(there), Some(facts)) = (&mut self.destination, facts.get(&Role::Destination)) {
            let Destination { kernel, userland, criu, engine, .. } = there;
            observe(facts, kernel, userland, criu, engine);
        }
        self
    }

    /// The same as it is for whoever looks at a failure on the destination: versions there are what counts.
    #[must_use]
    pub(super) fn over_there(mut self) -> Self {
        if let Some(Destination { kernel, userland, criu, engine, cpu }) = self.destination.clone() {
            (self.kernel, self.userland, self.criu, self.engine, self.cpu) =
                (kernel, userland, criu, engine, cpu);
        }
        self
    }
}

fn observe(
    facts: &GuestFacts,
    kernel: &mut Kernel,
    userland: &mut Userland,
    criu: &mut Criu,
    engine: &mut Engine,
) {
    kernel.observed = said(&facts.kernel);
    userland.observed = said(&facts.userland);
    userland.glibc = said(&facts.glibc);
    criu.observed = said(&facts.criu);
    criu.libc = said(&facts.criu_libc);
    if engine.name == "criu" {
        engine.observed.clone_from(&criu.observed);
    } else {
        engine.observed = said(&facts.engine);
        engine.stack.clone_from(&facts.stack);
    }
}

/// Where a program is moved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The kernel.
    pub kernel: Kernel,
    /// The root file system.
    pub userland: Userland,
    /// The CRIU.
    pub criu: Criu,
    /// Who drives CRIU.
    pub engine: Engine,
    /// The CPU model that was asked for.
    pub cpu: String,
}

impl Destination {
    fn asked(host: &HostAsk) -> Self {
        let HostAsk { kernel, userland, criu, engine, cpu } = host;
        Self {
            kernel: Kernel { asked: kernel.clone(), ..Kernel::default() },
            userland: Userland { asked: userland.clone(), ..Userland::default() },
            criu: Criu { asked: criu.clone(), ..Criu::default() },
            engine: Engine::asked(engine),
            cpu: cpu.clone(),
        }
    }
}

/// What is empty was not said.
fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// A kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// As it was asked for.
    pub asked: String,
    /// `uname -r`; `null` where no guest answered.
    pub observed: Option<String>,
}

/// A root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Userland {
    /// As it was asked for.
    pub asked: String,
    /// `PRETTY_NAME`; `null` where no guest answered.
    pub observed: Option<String>,
    /// The version of its glibc; `null` where it has another libc or no guest answered.
    pub glibc: Option<String>,
}

/// A CRIU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criu {
    /// As it was asked for.
    pub asked: String,
    /// What `criu --version` printed; `null` where it did not start.
    pub observed: Option<String>,
    /// The libc that it runs on: `own 2.41`, `userland 2.36`.
    pub libc: Option<String>,
}

/// Who drives CRIU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// As it was asked for: `docker@28`.
    #[serde(default)]
    pub ask: String,
    /// `criu`, `runc`, …
    pub name: String,
    /// The version that was asked for; `null` for CRIU itself, and for the userland's own.
    pub asked: Option<String>,
    /// The version that it reported.
    pub observed: Option<String>,
    /// What it said that it stands on: containerd, runc, storage driver, cgroup version, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stack: BTreeMap<String, String>,
}

impl Engine {
    /// An engine as it was asked for.
    pub fn asked(ask: &str) -> Self {
        let (name, version) = engine::split(ask);
        Self {
            ask: ask.to_owned(),
            name: name.to_owned(),
            asked: version.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The version with what it stands on, in a line.
    pub(super) fn whole(&self) -> Option<String> {
        let stack = self.stack.iter().map(|(name, value)| format!("{} {value}", name.replace('_', " ")));
        Some([self.observed.clone()?].into_iter().chain(stack).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_no_guest_said_is_null() {
        let host = HostAsk::sample();
        let verdict = Verdict { seconds: Some(6.5), ..Verdict::new(Kind::Pass, "") };
        let asked = Cell::new(&PlannedCell::new("counter", &host, None, 1), "qemu", &verdict);
        assert_eq!((&asked.kernel.observed, &asked.criu.libc, &asked.reason), (&None, &None, &None));
        let facts = GuestFacts {
            kernel: "6.12.117+deb13-cloud-amd64".into(),
            userland: "Debian GNU/Linux 13 (trixie)".into(),
            glibc: "2.41".into(),
            criu: "4.1.1".into(),
            criu_libc: "own 2.41".into(),
            ..GuestFacts::default()
        };
        let sample = sample::any_cell();
        assert_eq!(
            asked.observed(&BTreeMap::from([(Role::Source, facts)])),
            Cell { logs: Vec::new(), ..sample }
        );
    }
}
