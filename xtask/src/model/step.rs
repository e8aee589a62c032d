//! One step of a story, as it is played. What a person writes is in the layer of scenarios; this is what it means.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Role;

/// A verb with where it happens and the options that only CRIU knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub verb: Verb,
    /// In which guest.
    #[serde(default)]
    pub on: Role,
    /// To which container, where it is not the one that the story began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Whether the engine must refuse it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Whether it must hang: the story ends there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hangs: bool,
    /// The deadline of each of its commands, in seconds, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
    /// How memory comes to the destination, where it is not by the files of the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Way>,
    /// Whether the destination's processor must be good enough before anything is dumped: `criu cpuinfo`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cpuinfo: bool,
    /// Options handed to the engine's dump or restore as they are (`opts` in CRIU's own `.desc` files).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opts: Vec<String>,
}

/// How memory comes to another host beside its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The dump sends it over the network while it reads it: `criu page-server`.
    PageServer,
    /// After the restore, page by page as the program touches it: `criu lazy-pages`.
    LazyPages,
}

/// The engine-neutral verbs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Start the workload.
    Start,
    /// Wait until every stream of the workload has told this many more ticks.
    Ticks(u32),
    /// Save memory while the program runs on.
    PreDump {
        /// The checkpoint's name.
        to: String,
        /// The pre-dump before it.
        parent: Option<String>,
    },
    /// Save the whole tree.
    Dump {
        /// The checkpoint's name.
        to: String,
        /// The pre-dump that it builds on.
        parent: Option<String>,
        /// Whether the program runs on afterwards.
        leave_running: bool,
        /// Whether it goes into a folder of the user's own, and not to where the engine keeps its checkpoints.
        #[serde(default)]
        dir: bool,
        /// Whether the story carries it to another host or container later on.
        #[serde(default)]
        carried: bool,
    },
    /// Bring the tree back.
    Restore {
        /// The checkpoint's name.
        from: String,
        /// Whether it is looked for in the folder of the user's own.
        #[serde(default)]
        dir: bool,
        /// Whether the container is made for it.
        #[serde(default)]
        fresh: bool,
    },
    /// End the whole tree with SIGKILL.
    Kill,
    /// Freeze the container.
    Pause,
    /// Thaw it.
    Unpause,
    /// End its program as the engine does: SIGTERM first.
    Stop,
    /// Start its program anew.
    StartAgain,
    /// Remove it from the engine's list.
    Remove {
        /// Whether although it runs.
        force: bool,
    },
    /// Connect a peer, from outside of its host, to the port that it publishes.
    Connect {
        /// Whether the peer says something while nobody answers.
        talks_on: bool,
    },
    /// Ask it, from outside of its host, at the address and the port that it publishes.
    Reach,
    /// Run a command in it.
    Exec(String),
    /// Remove a checkpoint.
    Forget(String),
    /// The engine lists exactly these checkpoints.
    Checkpoints(Vec<String>),
    /// Stop a daemon with SIGSTOP: whoever asks it for something waits for ever.
    StopDaemon(Stopped),
    /// Carry a checkpoint, and the files that it names, to the destination.
    Transfer {
        /// The checkpoint's name.
        checkpoint: String,
    },
    /// Write everything out that the guest holds back for its disk.
    Sync,
    /// Checkpoint every second from here on, the program running on, and return once two are whole.
    Periodic {
        /// The series' name.
        to: String,
    },
    /// From here on the series' name means its newest whole checkpoint.
    Newest(String),
    /// Cut the guest's power, and boot it again from the same disks. The engine's daemon is started again.
    PowerCut {
        /// The series of checkpoints that is caught in the middle of a dump.
        amid: Option<String>,
    },
    /// Look, and judge.
    Expect(Expectation),
}

/// Which daemon is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// The one that the engine's client talks to.
    Engine,
    /// The one that the engine's own daemon talks to.
    Below,
}

/// What an `expect` step holds the program to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// No process of the workload is left, no tick came since, and an engine's list does not say that it runs.
    Gone,
    /// It is there, and stands still.
    Paused,
    /// It was started anew: another program, at its first tick.
    Fresh,
    /// The engine's list has it no more.
    Removed,
    /// The restored container is what the dumped one was: namespaces, limits, rights, mounts.
    Unchanged,
    /// Its interfaces, their addresses and its routes are what they were, whatever else is not.
    SameNetwork,
    /// The original runs on and never missed a tick.
    Running,
    /// The restored program goes on from the checkpoint's point, as the same program with the same memory.
    Continues,
}

/// The part of a cell's life at which it can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// CRIU starts, says its version, and has the features that the story needs.
    Check,
    /// The workload starts and ticks.
    Start,
    /// A pre-dump.
    PreDump,
    /// The dump.
    Dump,
    /// The way to the destination.
    Transfer,
    /// The restore.
    Restore,
    /// What is seen afterwards.
    Verify,
}

/// Where a workload is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// In which guest.
    pub on: Role,
    /// In which container, where it is not the one that the story began with.
    pub container: Option<String>,
}

impl Place {
    /// The workload itself, on a host.
    pub fn host(on: Role) -> Self {
        Self { on, container: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.container {
            None => f.write_str(self.on.name()),
            Some(container) => write!(f, "{container} on the {}", self.on.name()),
        }
    }
}

impl Step {
    /// A step on the source, with nothing special about it.
    pub fn plain(verb: Verb) -> Self {
        Self {
            verb,
            on: Role::Source,
            container: None,
            refused: false,
            hangs: false,
            deadline: None,
            by: None,
            cpuinfo: false,
            opts: Vec::new(),
        }
    }

    /// Where it happens.
    pub fn place(&self) -> Place {
        Place { on: self.on, container: self.container.clone() }
    }
}

impl Verb {
    /// The stage that a failure of this verb is reported at.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Start => Stage::Start,
            Self::PreDump { .. } => Stage::PreDump,
            Self::Dump { .. } | Self::Periodic { .. } => Stage::Dump,
            Self::Transfer { .. } => Stage::Transfer,
            Self::Restore { .. } => Stage::Restore,
            _ => Stage::Verify,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::Start => "start",
            Self::PreDump => "pre-dump",
            Self::Dump => "dump",
            Self::Transfer => "transfer",
            Self::Restore => "restore",
            Self::Verify => "verify",
        })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "gone",
            Self::Running => "running",
            Self::Continues => "continues",
            Self::Paused => "paused",
            Self::Fresh => "fresh",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::SameNetwork => "same-network",
        })
    }
}

impl fmt::Display for Step {
    /// A line that can be read aloud: `dump one (leave-running)`, `restore one on destination`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verb {
            Verb::Start => f.write_str("start the workload")?,
            Verb::Ticks(more) => write!(f, "wait for {more} ticks")?,
            Verb::PreDump { to, .. } => write!(f, "pre-dump {to}")?,
            Verb::Dump { to, leave_running: false, .. } => write!(f, "dump {to}")?,
            Verb::Dump { to, leave_running: true, .. } => write!(f, "dump {to} (leave-running)")?,
            Verb::Restore { from, .. } => write!(f, "restore {from}")?,
            Verb::Kill => f.write_str("kill")?,
            Verb::Pause => f.write_str("pause")?,
            Verb::Unpause => f.write_str("unpause")?,
            Verb::Stop => f.write_str("stop")?,
            Verb::StartAgain => f.write_str("start again")?,
            Verb::Remove { force: false } => f.write_str("remove")?,
            Verb::Remove { force: true } => f.write_str("remove by force")?,
            Verb::Connect { talks_on: false } => f.write_str("connect")?,
            Verb::Connect { talks_on: true } => f.write_str("connect (talks-on)")?,
            Verb::Reach => f.write_str("reach it at its address")?,
            Verb::Exec(line) => write!(f, "exec {line}")?,
            Verb::Forget(checkpoint) => write!(f, "forget {checkpoint}")?,
            Verb::Checkpoints(names) => write!(f, "expect the checkpoints {}", names.join(", "))?,
            Verb::StopDaemon(Stopped::Engine) => f.write_str("stop the engine's daemon")?,
            Verb::StopDaemon(Stopped::Below) => f.write_str("stop the daemon below the engine's")?,
            Verb::Transfer { checkpoint } => write!(f, "transfer {checkpoint}")?,
            Verb::Sync => f.write_str("sync")?,
            Verb::Periodic { to } => write!(f, "checkpoint every second into {to}")?,
            Verb::Newest(series) => write!(f, "take the newest whole {series}")?,
            Verb::PowerCut { amid: None } => f.write_str("cut the power")?,
            Verb::PowerCut { amid: Some(series) } => write!(f, "cut the power amid a dump into {series}")?,
            Verb::Expect(expectation) => write!(f, "expect {expectation}")?,
        }
        match self.by {
            None => {}
            Some(Way::PageServer) => f.write_str(" by a page server")?,
            Some(Way::LazyPages) => f.write_str(" by lazy pages")?,
        }
        if self.cpuinfo {
            f.write_str(" where the processors match")?;
        }
        if let Some(container) = &self.container {
            write!(f, " in {container}")?;
        }
        if self.on == Role::Destination {
            f.write_str(" on the destination")?;
        }
        if self.refused {
            f.write_str(", which is refused")?;
        }
        if self.hangs { f.write_str(", which hangs") } else { Ok(()) }
    }
}
