//! What the rest of the harness may ask of a guest.

use std::io;
use std::io::{Read, Write};
use std::time::Duration;

use super::Hello;
use crate::model::{Finished, Lost, Shortcut};

/// A machine that runs commands as root and holds files. [`super::Agent`] is a real one, [`super::Fake`] a test's.
pub trait Guest: Send {
    /// What it said of itself when it first answered.
    fn facts(&self) -> &Hello;

    /// Runs a command to its end. One that cannot be started, or that takes more input than a guest keeps waiting,
    /// ends as under a shell: status 127, with the reason on standard error. At most [`super::OUTPUT_MAX`] bytes of
    /// each stream are kept, head and tail.
    ///
    /// # Errors
    /// When the guest is gone. A command that fails, or is killed at its deadline, is a result.
    fn run(&mut self, exec: &Exec) -> Result<Finished, Lost>;

    /// What shortcuts tell, as it came: `None` where one does not tell, and its line of `sh` is the way.
    ///
    /// # Errors
    /// When the guest is gone.
    fn told(&mut self, shortcuts: &[&Shortcut]) -> Result<Vec<Option<Vec<u8>>>, Lost> {
        Ok(vec![None; shortcuts.len()])
    }

    /// Waits until each file (an absolute path) has got `more` lines that hold its text, and gives how many each got:
    /// fewer than that where the time is over. `None` where it cannot wait by itself.
    ///
    /// # Errors
    /// When the guest is gone.
    fn lines(
        &mut self,
        _awaited: &[(String, String)],
        _more: u32,
        _within: Duration,
    ) -> Result<Option<Vec<u64>>, Lost> {
        Ok(None)
    }

    /// Writes `len` bytes of `source` to an absolute path in the guest; folders above it are made. The file appears
    /// whole or not at all.
    ///
    /// # Errors
    /// See [`TransferError`].
    fn push(&mut self, source: &mut dyn Read, len: u64, path: &str, mode: u32) -> Result<(), TransferError>;

    /// Copies the file at an absolute path in the guest to `sink`, and gives its length in bytes.
    ///
    /// # Errors
    /// See [`TransferError`]; `sink` may have got a part of it then.
    fn pull(&mut self, path: &str, sink: &mut dyn Write) -> Result<u64, TransferError>;
}

/// A command for a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program, searched in PATH, and its arguments.
    pub argv: Vec<String>,
    /// Added to the agent's default environment (PATH, HOME, LANG, TERM), or overriding it.
    pub env: Vec<(String, String)>,
    /// The folder that it starts in.
    pub cwd: String,
    /// Standard input; empty: /dev/null.
    pub stdin: Vec<u8>,
    /// When it is killed, with its session and all its descendants.
    pub deadline: Duration,
    /// A line of `sh` that is run in the same folder before that, while the command still lives; its process id is
    /// `$HUNG`. What the line prints is lost. Default: none.
    pub at_deadline: Option<String>,
}

impl Exec {
    /// A line for the guest's /bin/sh.
    pub fn sh(line: impl Into<String>, cwd: impl Into<String>, deadline: Duration) -> Self {
        Self {
            argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), line.into()],
            env: Vec::new(),
            cwd: cwd.into(),
            stdin: Vec::new(),
            deadline,
            at_deadline: None,
        }
    }

    /// The same, with a line that is run at its deadline.
    #[must_use]
    pub fn looked_at_by(mut self, line: impl Into<String>) -> Self {
        self.at_deadline = Some(line.into());
        self
    }
}

/// Why a file did not get to its place.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The guest is gone.
    #[error("{0}")]
    Lost(Lost),
    /// The guest cannot read or write it; its words.
    #[error("the guest refuses: {0}")]
    Refused(String),
    /// This machine cannot read or write its end of it.
    #[error("on this machine: {0}")]
    Local(#[from] io::Error),
}

impl From<Lost> for TransferError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}
