//! A scenario file as it is written.

use serde::Deserialize;
use toml::Spanned;

use crate::model::{Expectation, Role};

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
    /// The steps, in order. Required.
    pub(super) step: Vec<Spanned<StepTable>>,
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
    /// Verb: carry the checkpoint of this name, and the files that it names, to the destination.
    pub(super) transfer: Option<Spanned<String>>,
    /// Verb: look, and judge: `gone`, `running` or `continues`.
    pub(super) expect: Option<Spanned<Expectation>>,

    /// With any verb but `start` and `transfer`: the guest that it happens in. Default: `source`.
    pub(super) on: Option<Spanned<Role>>,
    /// With `pre-dump` and `dump`: the pre-dump that this one builds on. Default: none.
    pub(super) parent: Option<Spanned<String>>,
    /// With `dump`: whether the program runs on afterwards. Default: false.
    pub(super) leave_running: Option<Spanned<bool>>,
    /// With `pre-dump`, `dump` and `restore`: further options of CRIU, as on a command line. Default: none.
    pub(super) opts: Option<Spanned<String>>,
}
