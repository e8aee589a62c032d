//! The seam between a cell and whatever makes its hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::guest::{Guest, ShellError};
use crate::model::{Command, Exit, HostAsk, Lost, Role};

/// Makes hosts.
pub trait Provider: Sync {
    /// Its name on the command line.
    fn name(&self) -> &str;

    /// Begins to make a host; [`Host::guest`] waits for it. The host ends when it is dropped, or when the thread
    /// that launched it does.
    ///
    /// # Errors
    /// When it cannot even be begun.
    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError>;

    /// What a reader of the record should know of how hosts are made, a sentence each; each is given once.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a host is to be, and where its traces go.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The axes.
    pub ask: &'a HostAsk,
    /// Its part in the cell.
    pub role: Role,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Processors.
    pub cpus: u32,
    /// The cell's folder: consoles are kept there.
    pub folder: &'a Path,
    /// What is done in the guest before it is given out.
    pub prepare: &'a Preparation,
}

impl Launch<'_> {
    /// Why the host cannot be begun.
    pub fn wrong(&self, reason: impl Into<String>) -> LaunchError {
        LaunchError { ask: self.ask.to_string(), reason: reason.into() }
    }

    /// What was installed for it.
    ///
    /// # Errors
    /// Why nothing was.
    pub fn installed<'a, T>(
        &self,
        all: &'a BTreeMap<HostAsk, Result<T, String>>,
    ) -> Result<&'a T, LaunchError> {
        self.granted(all.get(self.ask).map(|it| it.as_ref().map_err(Clone::clone)))
    }

    /// The same, of what was looked up already.
    ///
    /// # Errors
    /// Why nothing was.
    pub fn granted<T>(&self, found: Option<Result<T, String>>) -> Result<T, LaunchError> {
        match found {
            Some(it) => it.map_err(|reason| self.wrong(reason)),
            None => Err(self.wrong("nothing was installed for it")),
        }
    }
}

/// Something for each host, put there while others take what is there already. Clones are the same shelf.
#[derive(Debug)]
pub struct Shelf<T>(Arc<Mutex<BTreeMap<HostAsk, T>>>);

impl<T: Clone> Shelf<T> {
    /// Puts it there.
    pub fn put(&self, host: &HostAsk, it: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), it);
    }

    /// What is there for a host.
    pub fn get(&self, host: &HostAsk) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// All that is there now.
    pub fn all(&self) -> BTreeMap<HostAsk, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        BTreeMap::new().into()
    }
}

impl<T> From<BTreeMap<HostAsk, T>> for Shelf<T> {
    fn from(all: BTreeMap<HostAsk, T>) -> Self {
        Self(Arc::new(Mutex::new(all)))
    }
}

/// What is done in a guest of a stack once, before any cell: the same for every cell of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preparation {
    /// Files that are put into the guest first.
    pub files: Vec<Put>,
    /// Lines of sh, run in order in `folder` as root; each must succeed. What a command asks to keep is not kept.
    pub commands: Vec<Command>,
    /// What is asked after that: whether it is answered, and how, is for a cell to judge.
    pub asks: Vec<Command>,
    /// The folder in the guest, made first, in which the commands run: `/root/cell`. Empty: none is made, and they
    /// run in `/`.
    pub folder: String,
}

/// A file for a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The file on this machine.
    pub source: PathBuf,
    /// Its absolute path in the guest; folders above it are made.
    pub path: String,
    /// Its permission bits there.
    pub mode: u32,
}

/// How a host came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameUp {
    /// From its kernel's first instruction.
    Booted,
    /// From a state that was saved when a guest like it had booted and was prepared.
    Woken,
    /// It was up before anybody asked for it.
    There,
}

impl fmt::Display for CameUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Booted => "booted",
            Self::Woken => "woken",
            Self::There => "there",
        })
    }
}

/// One host, with one guest in it.
pub trait Host {
    /// The guest, once its agent answers and it is prepared.
    ///
    /// # Errors
    /// When it was lost on the way up, or since, or could not be prepared.
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost>;

    /// How it came up; settled when [`Host::guest`] has answered.
    fn came_up(&self) -> CameUp;

    /// Cuts the power and boots again from the same disks, without a chance for the guest to write anything out.
    /// [`Host::guest`] then waits for the new boot.
    ///
    /// # Errors
    /// When the guest was lost before, or its machine cannot be made to start again.
    fn power_cut(&mut self) -> Result<(), Lost>;

    /// Where the cell's other host reaches it by a network; `None` where there is no network.
    fn address(&self) -> Option<String> {
        None
    }

    /// What made it, for the record: `QEMU 10.0.2, tcg`.
    fn machine(&self) -> String;

    /// Whether its kernel has reported a fault since it came up; such a guest's words count for nothing.
    fn fault(&mut self) -> Option<Lost>;

    /// Gives the terminal to a shell in the guest, until that ends.
    ///
    /// # Errors
    /// When the guest is gone, or the terminal is none.
    fn shell(&mut self) -> Result<Exit, ShellError>;

    /// The files that it keeps in the cell's folder, by name.
    fn traces(&self) -> Vec<String>;
}

/// Why a host could not be begun.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a host with {ask}: {reason}")]
pub struct LaunchError {
    /// What was asked for.
    pub ask: String,
    /// Why not, and what to do.
    pub reason: String,
}
