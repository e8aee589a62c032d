//! Restores that are none: what a checker must catch before its `pass` is worth anything.
//!
//! A sabotaged engine is the real one with one step replaced. `matrix --sabotage KIND` plays it in real guests,
//! and every cell of such a run that it touches must fail at `verify`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::form::Form;
use super::lowering::{Daemons, Engine, Look, Probe, Refusal, Scene, refuse, run};
use super::series;
use crate::model::{Action, Command, Recipe, Role, Step, Verb, View, Workload};

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
    /// The dump of a migration only stops the original, which runs on once the copy does; a container just runs on.
    LeftRunning,
    /// A true restore, after which the container's limit of processes is taken away.
    LostLimit,
    /// Instead of a pause, nothing.
    NotPaused,
    /// In place of the newest whole checkpoint of a series, the one that the power cut left half written is restored.
    HalfWritten,
    /// No fault of a restore: the guest's kernel panics in its place. The cell must be broken, and not fail.
    Panic,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::FreshStart,
        Self::LostTick,
        Self::ChangedPid,
        Self::ZeroedMemory,
        Self::LostItem,
        Self::NotBack,
        Self::LeftRunning,
        Self::LostLimit,
        Self::NotPaused,
        Self::HalfWritten,
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
            Self::LostLimit => "lost-limit",
            Self::NotPaused => "not-paused",
            Self::HalfWritten => "half-written",
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
pub(super) struct Sabotaged {
    engine: Box<dyn Engine>,
    kind: Sabotage,
    killed: AtomicBool,
}

impl Sabotaged {
    pub(super) fn new(engine: Box<dyn Engine>, kind: Sabotage) -> Self {
        Self { engine, kind, killed: AtomicBool::new(false) }
    }
}

impl Engine for Sabotaged {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn recipe(&self) -> Option<Recipe> {
        self.engine.recipe()
    }

    fn daemon(&self) -> Vec<Command> {
        self.engine.daemon()
    }

    fn image(&self) -> Vec<Command> {
        self.engine.image()
    }

    fn questions(&self) -> String {
        self.engine.questions()
    }

    fn probes(&self, features: &[String]) -> Vec<Probe> {
        self.engine.probes(features)
    }

    fn lower(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        let true_lowering = || self.engine.lower(step, scene);
        let workload = scene.workload;
        match (self.kind, &step.verb) {
            (Sabotage::FreshStart, Verb::Restore { fresh, .. }) => {
                // A container that is made for the restore is made all the same.
                let mut actions = if *fresh { true_lowering()? } else { Vec::new() };
                actions.pop();
                actions.extend(self.engine.afresh(step, scene)?);
                Ok(actions)
            }
            (Sabotage::LostTick, Verb::Restore { .. }) => {
                self.impostor(step.on, &impostor(workload, 2, &Pid::Same))
            }
            (Sabotage::ChangedPid, Verb::Restore { .. }) => {
                self.impostor(step.on, &impostor(workload, 1, &Pid::Other))
            }
            (Sabotage::Panic, Verb::Restore { .. }) => {
                Ok(vec![run(step.on, Command::new("echo c >/proc/sysrq-trigger"))])
            }
            (Sabotage::ZeroedMemory, Verb::Restore { .. }) => {
                let mut actions = true_lowering()?;
                actions.push(run(step.on, zero_memory(&self.engine.root(step.container.as_deref()))));
                Ok(actions)
            }
            (Sabotage::LostItem, Verb::Restore { .. }) if workload.items => {
                let mut actions = true_lowering()?;
                let root = self.engine.root(step.container.as_deref());
                actions.push(run(step.on, Command::new(format!("kill -USR2 {root}"))));
                Ok(actions)
            }
            (Sabotage::NotBack, Verb::Kill) => {
                self.killed.store(true, Ordering::Relaxed);
                true_lowering()
            }
            (Sabotage::NotBack, Verb::Restore { .. }) if self.killed.load(Ordering::Relaxed) => {
                self.impostor(step.on, &impostor(workload, 1, &Pid::Same))
            }
            (Sabotage::LeftRunning, Verb::Dump { to, parent, dir, carried, .. })
                if self.engine.recipe().is_some() =>
            {
                let (to, parent, dir, carried) = (to.clone(), parent.clone(), *dir, *carried);
                let verb = Verb::Dump { to, parent, leave_running: true, dir, carried };
                self.engine.lower(&Step { verb, ..step.clone() }, scene)
            }
            (Sabotage::LeftRunning, Verb::Restore { .. }) if self.engine.recipe().is_some() => {
                true_lowering()
            }
            (Sabotage::NotPaused, Verb::Pause) => Ok(Vec::new()),
            (Sabotage::LostLimit, Verb::Restore { .. }) => {
                let mut actions = true_lowering()?;
                actions.push(run(step.on, unlimit(&self.engine.root(step.container.as_deref()))));
                Ok(actions)
            }
            (Sabotage::HalfWritten, Verb::Newest(series)) => {
                true_lowering().map(|_| series::half(step.on, series))
            }
            (Sabotage::LeftRunning, Verb::Dump { .. }) => {
                let opts = step.opts.iter().cloned().chain(["--leave-stopped".to_owned()]).collect();
                self.engine.lower(&Step { opts, ..step.clone() }, scene)
            }
            (Sabotage::LeftRunning, Verb::Restore { .. }) => {
                let mut actions = true_lowering()?;
                actions.push(run(Role::Source, signal("CONT")));
                Ok(actions)
            }
            _ => true_lowering(),
        }
    }

    fn afresh(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        self.engine.afresh(step, scene)
    }

    fn root(&self, container: Option<&str>) -> String {
        self.engine.root(container)
    }

    fn look(&self, container: Option<&str>, scene: &Scene<'_>) -> Look {
        self.engine.look(container, scene)
    }

    fn daemons(&self) -> Daemons {
        self.engine.daemons()
    }

    fn form(&self) -> Form {
        self.engine.form()
    }

    fn evidence(&self) -> Vec<(&'static str, View)> {
        self.engine.evidence()
    }
}

impl Sabotaged {
    /// An impostor is a process of the host: nobody would take it for a container's.
    fn impostor(&self, on: Role, command: &Command) -> Result<Vec<Action>, Refusal> {
        if self.engine.recipe().is_some() {
            return refuse(self, format!("has no impostor for {}", self.kind));
        }
        Ok(vec![run(on, command.clone())])
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

/// `ticker.where`, in the folder that the program runs in, holds the address and the length of its buffer, in
/// hexadecimal. An init of the engine's has the program as its only child.
fn zero_memory(root: &str) -> Command {
    Command::new(format!(
        "pid={root}; while ! [ -e /proc/$pid/cwd/ticker.where ]; do pid=$(cat /proc/$pid/task/$pid/children) && \
         [ -n \"$pid\" ] || exit 1; done; read -r at length </proc/$pid/cwd/ticker.where; \
         dd if=/dev/zero of=/proc/$pid/mem bs=4096 count=1 conv=notrunc \
         oflag=seek_bytes seek=$((0x${{at#0x}} + 0x${{length#0x}} / 2))"
    ))
}

fn unlimit(root: &str) -> Command {
    Command::new(format!("echo max >\"/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/{root}/cgroup)/pids.max\""))
}

fn signal(name: &str) -> Command {
    Command::new(format!("kill -{name} -\"$(cat workload.pid)\""))
}
