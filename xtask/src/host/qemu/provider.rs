//! The provider `qemu`: a host is a stack of files that were installed before, in a machine of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::frame::Frame;
use super::host::QemuHost;
use super::warm::WarmStates;
use super::{Accelerator, QemuProgram, arguments, tsc};
use crate::host::{Host, Launch, LaunchError, Provider, Shelf};

/// The files of one host.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The kernel image.
    pub kernel: PathBuf,
    /// The agent and the modules that it loads.
    pub initrd: PathBuf,
    /// The kernel's `.config`, where it is known.
    pub config: Option<PathBuf>,
    /// The userland's ext4 image.
    pub userland: PathBuf,
    /// CRIU's ext4 image.
    pub criu: PathBuf,
    /// The engine's ext4 image, where it is not the userland's.
    pub engine: Option<PathBuf>,
    /// The ext4 image of all the modules of the kernel.
    pub modules: Option<PathBuf>,
}

/// The provider.
pub struct Qemu {
    /// The program and how it is started.
    pub program: QemuProgram,
    /// What works here.
    pub accelerator: Accelerator,
    /// What was installed so far, or why it could not be.
    pub stacks: Shelf<Result<Stack, String>>,
    /// Where guests are woken from; without it every guest boots.
    pub warm: Option<WarmStates>,
    /// What is to be told.
    pub notes: Arc<Notes>,
}

impl Provider for Qemu {
    fn name(&self) -> &str {
        "qemu"
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError> {
        let wrong = |reason: String| launch.wrong(reason);
        let stack = launch.granted(self.stacks.get(launch.ask))?;
        if let Some(config) = &stack.config {
            place(config, &launch.folder.join("kernel.config")).map_err(|error| wrong(error.to_string()))?;
        }
        let frame = Frame {
            program: self.program.clone(),
            accelerator: self.accelerator,
            cpu: launch.ask.cpu.clone(),
            memory_mib: launch.memory_mib,
            cpus: launch.cpus,
            stack,
            tsc_khz: (self.accelerator == Accelerator::Tcg).then(tsc_khz).flatten(),
        };
        let host = QemuHost::begin(frame, launch, self.warm.as_ref(), &self.notes);
        Ok(Box::new(host.map_err(|error| wrong(error.to_string()))?))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.take()
    }
}

/// Sentences that wait to be told, each once.
#[derive(Debug, Default)]
pub struct Notes(Mutex<(BTreeSet<String>, Vec<String>)>);

impl Notes {
    pub(super) fn add(&self, note: impl Into<String>) {
        let (known, waiting) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let note = note.into();
        if known.insert(note.clone()) {
            waiting.push(note);
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// The words of the kernel's command line for guests of that accelerator; more may be put behind.
pub fn command_line(accelerator: Accelerator) -> String {
    arguments::command_line((accelerator == Accelerator::Tcg).then(tsc_khz).flatten())
}

/// Measured once.
fn tsc_khz() -> Option<u64> {
    static KHZ: OnceLock<Option<u64>> = OnceLock::new();
    *KHZ.get_or_init(tsc::khz)
}

/// The same file once more, without its bytes where the file system can.
pub(super) fn place(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() || std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::Notes;

    #[test]
    fn a_note_is_told_once() {
        let notes = Notes::default();
        notes.add("one");
        notes.add("one");
        assert_eq!(notes.take(), ["one"]);
        notes.add("one");
        notes.add("two");
        assert_eq!(notes.take(), ["two"]);
    }
}
