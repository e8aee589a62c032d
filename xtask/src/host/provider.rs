//! The seam between a cell and whatever makes its hosts.

use std::path::Path;

use crate::guest::{Guest, ShellError};
use crate::model::{Exit, HostAsk, Lost, Role};

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
}

/// One host, with one guest in it.
pub trait Host {
    /// The guest, once its agent answers.
    ///
    /// # Errors
    /// When it was lost on the way up, or since.
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost>;

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
