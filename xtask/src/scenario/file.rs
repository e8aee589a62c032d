//! A scenario file as it is written.

use serde::Deserialize;
use toml::Spanned;

use crate::known_bug::{Hosts, KnownBugTable};
use crate::model::{Expectation, Role, Settings, Stopped, Way};

/// `scenarios/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ScenarioFile {
    /// One sentence that is true when the scenario passes. Required.
    pub(super) summary: Spanned<String>,
    /// What CRIU must have, by the names of `criu check --feature`; a cell whose CRIU or kernel lacks one is
    /// skipped. Default: nothing.
    #[serde(default)]
    pub(super) feature: Vec<Spanned<String>>,
    /// Variants of the story: `default` is the story as it stands, `unconfined` goes without the engine's seccomp
    /// profile, `init` has an init of the engine's as process 1. Default: `["default"]`.
    #[serde(default)]
    pub(super) flavor: Vec<Spanned<Flavor>>,
    /// What the containers are started with; an engine that has none skips the story. Default: nothing.
    pub(super) container: Option<Settings>,
    /// The hosts that the story is about, axis by axis; on others it is skipped. Default: all.
    #[serde(default)]
    pub(super) only: Hosts,
    /// Cells of this story that are known to fail, and how. Default: none.
    #[serde(default)]
    pub(super) known_bug: Vec<Spanned<KnownBugTable>>,
    /// The steps, in order. Required.
    pub(super) step: Vec<Spanned<StepTable>>,
}

/// A variant of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Flavor {
    /// As it stands.
    Default,
    /// `--security-opt seccomp=unconfined`.
    Unconfined,
    /// `--init`.
    Init,
}

/// One `[[step]]`: one verb, and the words that go with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StepTable {
    /// Verb: start this workload. The first step, and only there.
    pub(super) start: Option<Spanned<String>>,
    /// Verb: wait until every counter of the workload has told so many more ticks.
    pub(super) ticks: Option<Spanned<u32>>,
    /// Verb: save memory into the checkpoint of this name while the program runs on.
    pub(super) pre_dump: Option<Spanned<String>>,
    /// Verb: dump into the checkpoint of this name.
    pub(super) dump: Option<Spanned<String>>,
    /// Verb: restore from the checkpoint of this name.
    pub(super) restore: Option<Spanned<String>>,
    /// Verb: end this workload with SIGKILL.
    pub(super) kill: Option<Spanned<String>>,
    /// Verb: freeze this workload's container.
    pub(super) pause: Option<Spanned<String>>,
    /// Verb: thaw it.
    pub(super) unpause: Option<Spanned<String>>,
    /// Verb: end this workload as the engine does, by SIGTERM first.
    pub(super) stop: Option<Spanned<String>>,
    /// Verb: start this workload anew in the container that it ended in.
    pub(super) start_again: Option<Spanned<String>>,
    /// Verb: remove this workload's container.
    pub(super) remove: Option<Spanned<String>>,
    /// Verb: connect a peer, from outside of the host, to the port that this workload's container publishes. It holds
    /// its one connection to the story's end, and each `expect` after it asks the peer as well.
    pub(super) connect: Option<Spanned<String>>,
    /// Verb: ask this workload from outside of its host, at the host's address and the port that its container
    /// publishes. It must answer with a line that holds the nonce of its ticks.
    pub(super) reach: Option<Spanned<String>>,
    /// Verb: run this line of sh in the container.
    pub(super) exec: Option<Spanned<String>>,
    /// Verb: remove the checkpoint of this name.
    pub(super) forget: Option<Spanned<String>>,
    /// Verb: hold the engine to these checkpoints in its list, and no others.
    pub(super) checkpoints: Option<Spanned<Vec<String>>>,
    /// Verb: stop a daemon with SIGSTOP, `engine` or the one `below` it. The step after it must hang.
    pub(super) stop_daemon: Option<Spanned<Stopped>>,
    /// Verb: carry the checkpoint of this name, and the files that it names, to the destination.
    pub(super) transfer: Option<Spanned<String>>,
    /// Verb: write everything out that the guest holds back for its disk; a power cut loses the rest. Always `true`.
    pub(super) sync: Option<Spanned<bool>>,
    /// Verb: checkpoint every second from here on into a series of this name; each gets its name when it is whole.
    pub(super) periodic: Option<Spanned<String>>,
    /// Verb: let the name of this series mean its newest whole checkpoint.
    pub(super) newest: Option<Spanned<String>>,
    /// Verb: cut the power of this guest, and boot it again.
    pub(super) power_cut: Option<Spanned<Role>>,
    /// Verb: look, and judge: `gone`, `running`, `continues`, `paused`, `fresh`, `removed`, `unchanged` or
    /// `same-network`.
    pub(super) expect: Option<Spanned<Expectation>>,

    /// With any verb but `start`, `transfer` and `power-cut`: the guest that it happens in. Default: `source`.
    pub(super) on: Option<Spanned<Role>>,
    /// With any verb but `start`, `transfer`, `sync` and `power-cut`: the container that it happens to, where it is not the one that the
    /// story began with. A `restore` makes a new one.
    pub(super) container: Option<Spanned<String>>,
    /// With `dump` and `restore`: the checkpoint is in a folder of the user's own. Default: false.
    pub(super) dir: Option<Spanned<bool>>,
    /// With `connect`: whether the peer goes on to say lines while nobody answers, so that packets come while the
    /// container is away. Default: false, it waits.
    pub(super) talks_on: Option<Spanned<bool>>,
    /// With `remove`: although it runs. Default: false.
    pub(super) force: Option<Spanned<bool>>,
    /// With `exec`, `dump`, `restore`, `remove` and `reach`: it must be refused. Default: false.
    pub(super) refused: Option<Spanned<bool>>,
    /// With `exec`, `dump` and `restore`: it must hang, and evidence of where must be had. The last step. Default: false.
    pub(super) hangs: Option<Spanned<bool>>,
    /// With `exec`, `dump` and `restore`: after how many seconds each of its commands counts as hung. Default: the
    /// engine's choice, 60 or 120.
    pub(super) deadline: Option<Spanned<u32>>,
    /// With `pre-dump` and `dump`: the pre-dump that this one builds on. Default: none.
    pub(super) parent: Option<Spanned<String>>,
    /// With `dump`: whether the program runs on afterwards. Default: false.
    pub(super) leave_running: Option<Spanned<bool>>,
    /// With `power-cut`: in the middle of a dump into this series. Default: none.
    pub(super) amid: Option<Spanned<String>>,
    /// With `dump`: how memory comes to the destination, where it is not by the files of the checkpoint: `page-server`, or
    /// `lazy-pages` after the restore. The hosts need a network between them. Default: by the files.
    pub(super) by: Option<Spanned<Way>>,
    /// With `dump`, of what is carried: only where the processor over there is good enough, by `criu cpuinfo`. Default: false,
    /// the restore finds out.
    pub(super) cpuinfo: Option<Spanned<bool>>,
    /// With `pre-dump`, `dump` and `restore`: further options of CRIU, as on a command line. Default: none.
    pub(super) opts: Option<Spanned<String>>,
}
