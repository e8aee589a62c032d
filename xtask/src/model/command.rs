//! Commands are data: an engine makes them, a guest runs them, `show` prints them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Wait;

/// Which of a cell's guests a step is played on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The first guest, and the only one of most stories.
    #[default]
    Source,
    /// The guest that a migration goes to.
    Destination,
}

impl Role {
    /// `source` or `destination`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// One line of plain `sh`, run as root in the cell's work folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What a person would paste into a root shell.
    pub line: String,
    /// How long it may take before it counts as hung.
    pub deadline: Duration,
    /// Files, relative to the work folder, that are kept with the cell when the command has ended.
    pub keep: Vec<String>,
    /// A line that is run when the command has ended, however it did: it puts the files of `keep` into place. What
    /// becomes of it changes nothing.
    pub after: Option<String>,
    /// What the same line came to when the guest was prepared, where it is one that was run then.
    pub beforehand: Option<Beforehand>,
    /// What it waits for, where it is a wait for ticks: there is a quicker way to that.
    pub wait: Option<Wait>,
}

/// Where a command's end is kept that was run when the guest was prepared: in files of the work folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beforehand {
    /// What it printed. `FILE.err` has its standard error, `FILE.status` its exit status.
    pub file: &'static str,
    /// Whether an end with another status than 0 counts.
    pub may_fail: bool,
}

impl Command {
    /// A command with the usual deadline of 60 s.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            deadline: Duration::from_secs(60),
            keep: Vec::new(),
            after: None,
            beforehand: None,
            wait: None,
        }
    }

    /// The same, where it may have been run when the guest was prepared ([`Self::prepared`]). One that failed then is
    /// run again.
    #[must_use]
    pub fn beforehand(mut self, file: &'static str) -> Self {
        self.beforehand = Some(Beforehand { file, may_fail: false });
        self
    }

    /// The same, and a failure is as good an answer as any.
    #[must_use]
    pub fn beforehand_or_failed(mut self, file: &'static str) -> Self {
        self.beforehand = Some(Beforehand { file, may_fail: true });
        self
    }

    /// What the preparation runs so that nobody need run this line again; itself, where it is not of that kind.
    pub fn prepared(&self) -> Self {
        match self.beforehand {
            Some(Beforehand { file, .. }) => {
                let line = format!("{{ {}; }} >{file} 2>{file}.err; echo $? >{file}.status", self.line);
                Self { line, beforehand: None, ..self.clone() }
            }
            None => self.clone(),
        }
    }

    /// The same with another deadline.
    #[must_use]
    pub fn within(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// The same, with a file that is kept afterwards.
    #[must_use]
    pub fn keeping(mut self, file: impl Into<String>) -> Self {
        self.keep.push(file.into());
        self
    }

    /// The same, with a line that is run afterwards, however it ended.
    #[must_use]
    pub fn then(mut self, line: impl Into<String>) -> Self {
        self.after = Some(line.into());
        self
    }
}

/// What a step becomes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run a command in one guest.
    Run(Role, Command),
    /// Carry a file of the work folder from the source to the destination.
    Carry(String),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It exited with this status.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was still running at its deadline, and was killed with all that it had started.
    TimedOut,
}

impl Exit {
    /// Status 0.
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("still running at its deadline"),
        }
    }
}

/// A command that has ended, with all that it printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// Standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Wall time on the harness's clock, in milliseconds.
    pub millis: u64,
}
