//! What a host is made of, and the three ways to start it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::{Access, Disk, Machine, Memory};
use super::machine::Running;
use super::{Accelerator, QemuProgram, Stack};

/// How long a guest may take to answer. A generic kernel under emulation takes 5 s, on a machine with nothing else
/// to do.
pub(super) const BOOT: Duration = Duration::from_secs(120);

/// How long a guest that is woken may take to answer: it takes a tenth of a second, on such a machine.
const WAKE: Duration = Duration::from_secs(30);

/// A machine that can be started more than once.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) program: QemuProgram,
    pub(super) accelerator: Accelerator,
    pub(super) cpu: String,
    pub(super) memory_mib: u32,
    pub(super) cpus: u32,
    pub(super) stack: Stack,
    pub(super) tsc_khz: Option<u64>,
}

/// The files of a saved state, in the folder that holds it.
pub(super) struct StateFiles {
    /// The guest's memory, as large as that, with holes where it is zero.
    pub(super) memory: PathBuf,
    /// What it has written to its disk, over the userland's image.
    pub(super) disk: PathBuf,
    /// The rest of the machine.
    pub(super) devices: PathBuf,
}

impl StateFiles {
    pub(super) fn below(folder: &Path) -> Self {
        let file = |name| folder.join(name);
        Self { memory: file("memory"), disk: file("disk.qcow2"), devices: file("devices") }
    }
}

impl Frame {
    /// From the kernel's first instruction.
    pub(super) fn boot(&self, console: &Path) -> io::Result<Running> {
        self.start(console, Memory::Own, &self.stack.userland, Access::Copy, BOOT, Duration::ZERO)
    }

    /// The same, and all that it becomes is in the state's files.
    pub(super) fn boot_into(&self, files: &StateFiles, console: &Path) -> io::Result<Running> {
        let memory = Memory::Kept(&files.memory);
        self.start(console, memory, &files.disk, Access::Keep, BOOT, Duration::ZERO)
    }

    /// A guest that waits for the rest of its state. `slept` is how long it had been up when it was saved.
    pub(super) fn wake(&self, files: &StateFiles, console: &Path, slept: Duration) -> io::Result<Running> {
        let memory = Memory::Woken(&files.memory);
        self.start(console, memory, &files.disk, Access::CopyOfOverlay, WAKE, slept)
    }

    fn start(
        &self,
        console: &Path,
        memory: Memory<'_>,
        root: &Path,
        access: Access,
        deadline: Duration,
        slept: Duration,
    ) -> io::Result<Running> {
        let mut disks = vec![
            Disk { serial: "root", image: root, access },
            Disk { serial: "criu", image: &self.stack.criu, access: Access::Read },
        ];
        for (serial, image) in [("engine", &self.stack.engine), ("modules", &self.stack.modules)] {
            disks.extend(image.iter().map(|image| Disk { serial, image, access: Access::Read }));
        }
        let machine = Machine {
            release: self.program.release(),
            accelerator: self.accelerator,
            cpu: &self.cpu,
            memory_mib: self.memory_mib,
            memory,
            cpus: self.cpus,
            kernel: &self.stack.kernel,
            initrd: &self.stack.initrd,
            disks: &disks,
            console,
            tsc_khz: self.tsc_khz,
            sockets: super::arguments::Sockets::default(),
        };
        Running::start(&self.program, machine, deadline, slept)
    }
}
