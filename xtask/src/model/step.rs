//! One step of a story, as it is played. What a person writes is in the layer of scenarios; this is what it means.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Role;

/// A verb with where it happens and the options that only CRIU knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub verb: Verb,
    /// In which guest.
    #[serde(default)]
    pub on: Role,
    /// Options handed to the engine's dump or restore as they are (`opts` in CRIU's own `.desc` files).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opts: Vec<String>,
}

/// The engine-neutral verbs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Start the workload.
    Start,
    /// Wait until every stream of the workload has told this many more ticks.
    Ticks(u32),
    /// Save memory while the program runs on.
    PreDump {
        /// The checkpoint's name.
        to: String,
        /// The pre-dump before it.
        parent: Option<String>,
    },
    /// Save the whole tree.
    Dump {
        /// The checkpoint's name.
        to: String,
        /// The pre-dump that it builds on.
        parent: Option<String>,
        /// Whether the program runs on afterwards.
        leave_running: bool,
    },
    /// Bring the tree back.
    Restore {
        /// The checkpoint's name.
        from: String,
    },
    /// End the whole tree with SIGKILL.
    Kill,
    /// Carry a checkpoint, and the files that it names, to the destination.
    Transfer {
        /// The checkpoint's name.
        checkpoint: String,
    },
    /// Look, and judge.
    Expect(Expectation),
}

/// What an `expect` step holds the program to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// No process of the workload is left, and no tick came since.
    Gone,
    /// The original runs on and never missed a tick.
    Running,
    /// The restored program goes on from the checkpoint's point, as the same program with the same memory.
    Continues,
}

/// The part of a cell's life at which it can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// CRIU starts, says its version, and has the features that the story needs.
    Check,
    /// The workload starts and ticks.
    Start,
    /// A pre-dump.
    PreDump,
    /// The dump.
    Dump,
    /// The way to the destination.
    Transfer,
    /// The restore.
    Restore,
    /// What is seen afterwards.
    Verify,
}

impl Verb {
    /// The stage that a failure of this verb is reported at.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Start => Stage::Start,
            Self::PreDump { .. } => Stage::PreDump,
            Self::Dump { .. } => Stage::Dump,
            Self::Transfer { .. } => Stage::Transfer,
            Self::Restore { .. } => Stage::Restore,
            Self::Ticks(_) | Self::Kill | Self::Expect(_) => Stage::Verify,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::Start => "start",
            Self::PreDump => "pre-dump",
            Self::Dump => "dump",
            Self::Transfer => "transfer",
            Self::Restore => "restore",
            Self::Verify => "verify",
        })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "gone",
            Self::Running => "running",
            Self::Continues => "continues",
        })
    }
}

impl fmt::Display for Step {
    /// A line that can be read aloud: `dump one (leave-running)`, `restore one on destination`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verb {
            Verb::Start => f.write_str("start the workload")?,
            Verb::Ticks(more) => write!(f, "wait for {more} ticks")?,
            Verb::PreDump { to, .. } => write!(f, "pre-dump {to}")?,
            Verb::Dump { to, leave_running: false, .. } => write!(f, "dump {to}")?,
            Verb::Dump { to, leave_running: true, .. } => write!(f, "dump {to} (leave-running)")?,
            Verb::Restore { from } => write!(f, "restore {from}")?,
            Verb::Kill => f.write_str("kill")?,
            Verb::Transfer { checkpoint } => write!(f, "transfer {checkpoint}")?,
            Verb::Expect(expectation) => write!(f, "expect {expectation}")?,
        }
        match self.on {
            Role::Source => Ok(()),
            Role::Destination => f.write_str(" on the destination"),
        }
    }
}
