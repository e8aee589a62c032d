//! Which accelerator works here: found out by booting, never by looking for a device.
//!
//! A `/dev/kvm` can exist, open, make a machine, and spin for ever on every stock kernel.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::QemuProgram;
use super::arguments::{Machine, Memory, Sockets};
use super::machine::Running;

/// How long a tiny guest may take under KVM. It takes about a second where KVM works.
const DEADLINE: Duration = Duration::from_secs(15);

/// Where KVM is, if it is.
const KVM: &str = "/dev/kvm";

/// How a guest's instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// By software emulation.
    Tcg,
}

impl Accelerator {
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

/// An answer, with what it depends on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    qemu: String,
    machine: String,
    kvm: String,
    accelerator: Accelerator,
    reason: String,
}

/// Which accelerator to use, and how that was found out. The answer is kept in `memory`, and asked for again when
/// QEMU, the machine's kernel or its `/dev/kvm` is another.
pub fn probe(
    program: &QemuProgram,
    kernel: &Path,
    initrd: &Path,
    scratch: &Path,
    memory: &Path,
) -> (Accelerator, String) {
    if let Some(why_not) = no_kvm() {
        return (Accelerator::Tcg, why_not);
    }
    let mut answer = Remembered::unanswered(&program.version);
    if let Some(Remembered { accelerator, reason, .. }) =
        Remembered::read(memory).filter(|earlier| earlier.same_machine(&answer))
    {
        return (accelerator, format!("{reason} (remembered)"));
    }
    (answer.accelerator, answer.reason) = boot(program, kernel, initrd, scratch);
    if let Ok(bytes) = serde_json::to_vec(&answer) {
        // What cannot be remembered is asked again.
        let _lost = std::fs::write(memory, bytes);
    }
    (answer.accelerator, answer.reason)
}

/// Why KVM need not even be tried.
fn no_kvm() -> Option<String> {
    if !Path::new(KVM).exists() {
        return Some(format!("there is no {KVM}"));
    }
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(KVM);
    opened.err().map(|error| format!("{KVM} cannot be opened: {error}"))
}

/// The accelerator that was found out the last time on this very machine, whichever QEMU that was with.
pub fn remembered(memory: &Path) -> Option<Accelerator> {
    if no_kvm().is_some() {
        return Some(Accelerator::Tcg);
    }
    let earlier = Remembered::read(memory)?;
    earlier.same_machine(&Remembered::unanswered(&earlier.qemu)).then_some(earlier.accelerator)
}

impl Remembered {
    /// The question, as it is asked on this machine.
    fn unanswered(qemu: &str) -> Self {
        let machine = nix::sys::utsname::uname().map(|it| it.version().to_string_lossy().into_owned());
        Self {
            qemu: qemu.to_owned(),
            machine: machine.unwrap_or_default(),
            kvm: std::fs::metadata(KVM).map(|it| format!("{:?}", it.modified().ok())).unwrap_or_default(),
            accelerator: Accelerator::Tcg,
            reason: String::new(),
        }
    }

    fn read(memory: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(memory).ok()?).ok()
    }

    fn same_machine(&self, other: &Self) -> bool {
        (&self.qemu, &self.machine, &self.kvm) == (&other.qemu, &other.machine, &other.kvm)
    }
}

/// Boots a guest of nothing but a kernel and the agent.
fn boot(program: &QemuProgram, kernel: &Path, initrd: &Path, scratch: &Path) -> (Accelerator, String) {
    let console = scratch.join("accelerator-console.log");
    let machine = Machine {
        release: program.release(),
        accelerator: Accelerator::Kvm,
        cpu: "max",
        memory_mib: 256,
        memory: Memory::Own,
        cpus: 1,
        kernel,
        initrd,
        disks: &[],
        console: &console,
        tsc_khz: None,
        sockets: Sockets::default(),
    };
    let answer = Running::start(program, machine, DEADLINE, Duration::ZERO)
        .map_err(|error| error.to_string())
        .and_then(|mut running| running.agent().map(|_| ()).map_err(|lost| lost.to_string()));
    match answer {
        Ok(()) => (Accelerator::Kvm, "a guest booted under KVM".to_owned()),
        Err(reason) => (Accelerator::Tcg, format!("/dev/kvm is there, and no guest boots on it: {reason}")),
    }
}
