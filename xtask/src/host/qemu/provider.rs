//! The provider `qemu`: a host is a stack of files that were installed before, in a machine of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use super::Accelerator;
use super::arguments::{Access, Machine};
use super::machine::Running;
use super::tsc;
use crate::guest::{Guest, ShellError, shell};
use crate::host::{Host, Launch, LaunchError, Provider};
use crate::model::{Exit, HostAsk, Lost};

/// How long a guest may take to answer. A generic kernel under emulation takes 5 s, on a machine with nothing else
/// to do.
const BOOT: Duration = Duration::from_secs(120);

/// QEMU, and how it is started.
#[derive(Clone, Debug)]
pub struct QemuProgram {
    /// The program with the words that come first: a private build is started by its own loader.
    pub argv: Vec<OsString>,
    /// What is put into its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its version.
    pub version: String,
}

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
}

/// The provider.
pub struct Qemu {
    /// The program and how it is started.
    pub program: QemuProgram,
    /// What works here.
    pub accelerator: Accelerator,
    /// What was installed, or why it could not be.
    pub stacks: BTreeMap<HostAsk, Result<Stack, String>>,
}

impl Provider for Qemu {
    fn name(&self) -> &str {
        "qemu"
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError> {
        let wrong = |reason: String| LaunchError { ask: launch.ask.to_string(), reason };
        let stack = match self.stacks.get(launch.ask) {
            Some(Ok(stack)) => stack,
            Some(Err(reason)) => return Err(wrong(reason.clone())),
            None => return Err(wrong("nothing was installed for it".to_owned())),
        };
        if let Some(config) = &stack.config {
            place(config, &launch.folder.join("kernel.config")).map_err(|error| wrong(error.to_string()))?;
        }
        let console = launch.folder.join(format!("console-{}.log", launch.role.name()));
        let machine = Machine {
            accelerator: self.accelerator,
            cpu: &launch.ask.cpu,
            memory_mib: launch.memory_mib,
            cpus: launch.cpus,
            kernel: &stack.kernel,
            initrd: &stack.initrd,
            disks: &[("root", &stack.userland, Access::Copy), ("criu", &stack.criu, Access::Read)],
            console: &console,
            tsc_khz: (self.accelerator == Accelerator::Tcg).then(tsc_khz).flatten(),
            channel: 0,
        };
        let running =
            Running::start(&self.program, machine, BOOT).map_err(|error| wrong(error.to_string()))?;
        let machine = format!("QEMU {}, {}", self.program.version, self.accelerator);
        Ok(Box::new(QemuHost { running, machine }))
    }
}

/// Measured once.
fn tsc_khz() -> Option<u64> {
    static KHZ: OnceLock<Option<u64>> = OnceLock::new();
    *KHZ.get_or_init(tsc::khz)
}

/// The same file once more, without its bytes where the file system can.
fn place(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    if to.exists() || std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(|_| ())
}

struct QemuHost {
    running: Running,
    machine: String,
}

impl Host for QemuHost {
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost> {
        self.running.agent().map(|agent| agent as &mut dyn Guest)
    }

    fn machine(&self) -> String {
        self.machine.clone()
    }

    fn fault(&mut self) -> Option<Lost> {
        self.running.fault()
    }

    fn shell(&mut self) -> Result<Exit, ShellError> {
        let agent = self.running.agent().map_err(ShellError::Lost)?;
        let argv = ["/bin/sh", "-c", "exec $(command -v bash || echo sh) -i"].map(str::to_owned);
        shell(agent, &argv, "/root", std::io::stdin().as_fd(), std::io::stdout().as_fd())
    }

    fn traces(&self) -> Vec<String> {
        let console = self.running.console();
        let mut names: Vec<_> =
            console.file_name().into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
        names.push("kernel.config".to_owned());
        names
    }
}
