//! Restores that are none: what a checker must catch before its `pass` is worth anything.
//!
//! A sabotaged engine is the real one with one step replaced. `matrix --sabotage KIND` plays it in real guests,
//! and every cell of such a run that it touches must fail at `verify`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::criu;
use super::lowering::{Engine, Probe, Refusal, run};
use crate::model::{Action, Command, Role, Step, Verb, Workload};

/// What goes wrong unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sabotage {
    /// Instead of a restore, the program is started afresh.
    FreshStart,
    /// Instead of a restore, an impostor with the right pid, start and nonce goes on one tick too far.
    LostTick,
    /// Instead of a restore, an impostor goes on at the right tick under another pid.
    ChangedPid,
    /// A true restore, after which a page of the program's memory is overwritten with zeros.
    ZeroedMemory,
    /// A true restore, after which a program with items is told to drop one of them silently.
    LostItem,
    /// Instead of a restore after a kill, an impostor goes on from where the killed program was.
    NotBack,
    /// The dump of a migration only stops the original, which runs on once the copy does.
    LeftRunning,
    /// No fault of a restore: the guest's kernel panics in its place. The cell must be broken, and not fail.
    Panic,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::FreshStart,
        Self::LostTick,
        Self::ChangedPid,
        Self::ZeroedMemory,
        Self::LostItem,
        Self::NotBack,
        Self::LeftRunning,
        Self::Panic,
    ];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::FreshStart => "fresh-start",
            Self::LostTick => "lost-tick",
            Self::ChangedPid => "changed-pid",
            Self::ZeroedMemory => "zeroed-memory",
            Self::LostItem => "lost-item",
            Self::NotBack => "not-back",
            Self::LeftRunning => "left-running",
            Self::Panic => "panic",
        }
    }

    /// The sabotage of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An engine with a sabotage in it.
pub(super) struct Sabotaged<E> {
    engine: E,
    kind: Sabotage,
    killed: AtomicBool,
}

impl<E: Engine> Sabotaged<E> {
    pub(super) fn new(engine: E, kind: Sabotage) -> Self {
        Self { engine, kind, killed: AtomicBool::new(false) }
    }
}

impl<E: Engine> Engine for Sabotaged<E> {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn probes(&self, features: &[String]) -> Vec<Probe> {
        self.engine.probes(features)
    }

    fn lower(&self, step: &Step, workload: &Workload) -> Result<Vec<Action>, Refusal> {
        let true_lowering = || self.engine.lower(step, workload);
        match (self.kind, &step.verb) {
            (Sabotage::FreshStart, Verb::Restore { .. }) => Ok(vec![run(step.on, criu::start(workload))]),
            (Sabotage::LostTick, Verb::Restore { .. }) => {
                Ok(vec![run(step.on, impostor(workload, 2, &Pid::Same))])
            }
            (Sabotage::ChangedPid, Verb::Restore { .. }) => {
                Ok(vec![run(step.on, impostor(workload, 1, &Pid::Other))])
            }
            (Sabotage::Panic, Verb::Restore { .. }) => {
                Ok(vec![run(step.on, Command::new("echo c >/proc/sysrq-trigger"))])
            }
            (Sabotage::ZeroedMemory, Verb::Restore { .. }) => {
                let mut actions = true_lowering()?;
                actions.push(run(step.on, zero_memory()));
                Ok(actions)
            }
            (Sabotage::LostItem, Verb::Restore { .. }) if workload.items => {
                let mut actions = true_lowering()?;
                actions.push(run(step.on, Command::new("kill -USR2 \"$(cat workload.pid)\"")));
                Ok(actions)
            }
            (Sabotage::NotBack, Verb::Kill) => {
                self.killed.store(true, Ordering::Relaxed);
                true_lowering()
            }
            (Sabotage::NotBack, Verb::Restore { .. }) if self.killed.load(Ordering::Relaxed) => {
                Ok(vec![run(step.on, impostor(workload, 1, &Pid::Same))])
            }
            (Sabotage::LeftRunning, Verb::Dump { .. }) => {
                let opts = step.opts.iter().cloned().chain(["--leave-stopped".to_owned()]).collect();
                self.engine.lower(&Step { opts, ..step.clone() }, workload)
            }
            (Sabotage::LeftRunning, Verb::Restore { .. }) => {
                let mut actions = true_lowering()?;
                actions.push(run(Role::Source, signal("CONT")));
                Ok(actions)
            }
            _ => true_lowering(),
        }
    }
}

enum Pid {
    Same,
    Other,
}

/// A loop that prints the first stream's ticks with the pid, start and nonce of its last one, `ahead` of it.
/// The pid is had by telling the kernel which one came last.
fn impostor(workload: &Workload, ahead: u32, pid: &Pid) -> Command {
    let file = workload.output;
    let (ask, told) = match pid {
        Pid::Same => ("echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid; ", "$pid"),
        Pid::Other => ("", "$$"),
    };
    Command::new(format!(
        "last=$(tail -n 1 {file}); pid=$(cat workload.pid); \
         n=${{last#* n=}}; n=${{n%% *}}; tail=${{last#* start=}}; who=${{last%% *}}; \
         export pid n tail who; {ask}setsid sh -c \
         'n=$((n + {ahead})); while :; do echo \"$who n=$n pid={told} start=$tail\"; n=$((n + 1)); sleep 0.05; done' \
         </dev/null >>{file} 2>>workload.err & echo $! >workload.pid"
    ))
}

/// `ticker.where` holds the address and the length of the ticker's buffer, in hexadecimal.
fn zero_memory() -> Command {
    Command::new(
        "read -r at length <ticker.where; \
         dd if=/dev/zero of=/proc/\"$(cat workload.pid)\"/mem bs=4096 count=1 conv=notrunc \
         oflag=seek_bytes seek=$((0x${at#0x} + 0x${length#0x} / 2))",
    )
}

fn signal(name: &str) -> Command {
    Command::new(format!("kill -{name} -\"$(cat workload.pid)\""))
}
