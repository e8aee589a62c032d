//! The one seam between doing and telling.
//!
//! Everything that a log, a progress bar, a verdict or a report knows of a run came through an [`Event`].
//! When a report wants something new, it is added here, not to a back door.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CellId, Finished, Hang, Observation, Role, Stage};

/// Takes events. The writer of the record is one, the progress bar another, a test's list a third.
pub trait Telling: Sync {
    /// Takes one event; when it returns, a recording taker has it on disk.
    fn tell(&self, event: Event);
}

/// How the end of a command is known whose line was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// It was run when the stack's guest was prepared.
    Preparation,
    /// The agent did what it would do.
    Agent,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first event of a run, and again when it is taken up after an interruption.
    RunStarted {
        /// The version of this format: [`Event::FORMAT`].
        format: u32,
        /// When, RFC 3339, UTC.
        at: String,
        /// The harness's own version.
        harness: String,
        /// The provider's name.
        provider: String,
        /// Whether an earlier part of this run is in the same file.
        resumed: bool,
    },
    /// Something that the reader should know: a download, a switched-off check, a slow accelerator.
    Note {
        /// One sentence.
        text: String,
    },
    /// A cell's folder exists from here on.
    CellStarted {
        /// Which cell.
        cell: CellId,
        /// When, RFC 3339, UTC.
        at: String,
    },
    /// A guest answered, and said what it is.
    HostReady {
        /// Which cell.
        cell: CellId,
        /// Which of its guests.
        role: Role,
        /// What it reported.
        facts: GuestFacts,
        /// From starting the virtual machine to the agent's answer, in milliseconds.
        millis: u64,
    },
    /// A step begins; 0 is the check before the first step of the story.
    StepStarted {
        /// Which cell.
        cell: CellId,
        /// Its number in the cell.
        step: usize,
        /// What a failure in it is called.
        stage: Stage,
        /// The step as a sentence.
        text: String,
    },
    /// A command ended.
    CommandEnded {
        /// Which cell.
        cell: CellId,
        /// In which step.
        step: usize,
        /// In which guest.
        role: Role,
        /// The line of `sh` that was run.
        line: String,
        /// Whether the step fails with it. What is only evidence may fail.
        decisive: bool,
        /// How it ended, with its output.
        finished: Finished,
        /// What was seen of it at its deadline, where it was still running then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hang: Option<Hang>,
        /// Where its end is known from, if it is one whose line was not run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<By>,
    },
    /// The workload was looked at.
    Observed {
        /// Which cell.
        cell: CellId,
        /// In which step; the step's own commands came before.
        step: usize,
        /// What was seen.
        observation: Observation,
    },
    /// A feature that the story needs is not there.
    FeatureMissing {
        /// Which cell.
        cell: CellId,
        /// The name that `criu check --feature` knows it by, or an engine's words.
        feature: String,
    },
    /// Nothing can be asked of this host, and that is no fault of anything under test.
    Unfit {
        /// Which cell.
        cell: CellId,
        /// Why, in a CRIU developer's words.
        reason: String,
    },
    /// A file was kept with the cell.
    FileKept {
        /// Which cell.
        cell: CellId,
        /// Its path below the cell's folder.
        name: String,
        /// Its length in bytes.
        bytes: u64,
        /// The first line in it that says `Error`, where it is a CRIU log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A guest went away, or is no longer to be believed.
    GuestLost {
        /// Which cell.
        cell: CellId,
        /// Which of its guests.
        role: Role,
        /// How.
        how: Lost,
    },
    /// The question could not be asked: provisioning failed, or the harness did.
    Broken {
        /// Which cell.
        cell: CellId,
        /// Why, with what to do about it.
        reason: String,
    },
    /// A cell has ended: its record is whole.
    CellEnded {
        /// Which cell.
        cell: CellId,
        /// Wall time of the whole cell, in seconds.
        seconds: f64,
    },
    /// A cell was not played, because an earlier run has played it with the same inputs: its record is that run's.
    CellTaken {
        /// Which cell.
        cell: CellId,
        /// When it was played, RFC 3339, UTC.
        at: String,
        /// Wall time of the whole cell then, in seconds.
        seconds: f64,
        /// What its inputs come to: 16 hex digits.
        key: String,
    },
    /// The last event.
    RunEnded {
        /// When, RFC 3339, UTC.
        at: String,
        /// Whether every planned cell has ended.
        complete: bool,
    },
}

impl Event {
    /// The version of the record's format that this build writes, and the newest that it reads. In 1 a cell's events
    /// stood among the run's; since 2 they are in a file of their own.
    pub const FORMAT: u32 = 2;

    /// The cell that the event belongs to.
    pub fn cell(&self) -> Option<&CellId> {
        match self {
            Self::CellStarted { cell, .. }
            | Self::HostReady { cell, .. }
            | Self::StepStarted { cell, .. }
            | Self::CommandEnded { cell, .. }
            | Self::Observed { cell, .. }
            | Self::FeatureMissing { cell, .. }
            | Self::Unfit { cell, .. }
            | Self::FileKept { cell, .. }
            | Self::GuestLost { cell, .. }
            | Self::Broken { cell, .. }
            | Self::CellEnded { cell, .. }
            | Self::CellTaken { cell, .. } => Some(cell),
            Self::RunStarted { .. } | Self::Note { .. } | Self::RunEnded { .. } => None,
        }
    }
}

/// What a guest reported of itself: never what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFacts {
    /// `uname -r`.
    pub kernel: String,
    /// `uname -v`.
    pub kernel_build: String,
    /// `PRETTY_NAME` of os-release.
    pub userland: String,
    /// The userland's glibc version, empty where it has another libc.
    pub glibc: String,
    /// The version that `criu --version` prints; empty where it does not start.
    pub criu: String,
    /// The libc that CRIU runs on: `own 2.41`, `userland 2.36`.
    pub criu_libc: String,
    /// The version that the engine says of itself; empty where it is CRIU.
    #[serde(default)]
    pub engine: String,
    /// What the engine says of what it stands on, by name: containerd, runc, storage driver, cgroup version, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stack: BTreeMap<String, String>,
    /// `model name` of /proc/cpuinfo.
    pub cpu: String,
    /// The virtual machine's program and accelerator: `QEMU 10.0.2, tcg`.
    pub machine: String,
    /// Anything else worth a line, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}

/// How a guest was lost. None of these is a verdict on CRIU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// The kernel panicked; the line of the console that says so.
    Panicked(String),
    /// The kernel reported an oops, a lockup or a list corruption; the line of the console that says so.
    Oopsed(String),
    /// The agent did not answer within the deadline; what was awaited.
    Silent(String),
    /// The virtual machine's process ended.
    Ended(String),
    /// The agent and the harness do not understand each other.
    Protocol(String),
    /// It came up, and what was to be done in it before the cell could not be done: which command, how it ended, and
    /// the last that it said.
    Unprepared(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(line) => write!(f, "the guest's kernel panicked: {line}"),
            Self::Oopsed(line) => write!(f, "the guest's kernel reported a fault: {line}"),
            Self::Silent(awaited) => write!(f, "the guest fell silent: {awaited}"),
            Self::Ended(how) => write!(f, "the virtual machine ended: {how}"),
            Self::Protocol(what) => write!(f, "the agent cannot be understood: {what}"),
            Self::Unprepared(why) => write!(f, "the guest could not be prepared: {why}"),
        }
    }
}
