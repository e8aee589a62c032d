//! A scenario as it is played: every name resolved, every step checked against the ones before it.

use serde::{Deserialize, Serialize};

use crate::known_bug::{Hosts, KnownBug};
use crate::model::{Role, Settings, Stage, Step, Verb};

/// A scenario that has been read and found sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The file's name without `.toml`, its folder below `scenarios/`, if it has one, and `+FLAVOR` but for the first.
    pub name: String,
    /// One sentence that is true when the scenario passes.
    pub summary: String,
    /// The workload's name.
    pub workload: String,
    /// What CRIU must have, by the names of `criu check --feature`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// What its containers are started with.
    #[serde(default, skip_serializing_if = "Settings::is_default")]
    pub settings: Settings,
    /// The hosts that it is about; on others it is skipped.
    #[serde(default, skip_serializing_if = "Hosts::is_all")]
    pub only: Hosts,
    /// The cells of it that are known to fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_bugs: Vec<KnownBug>,
    /// The steps in order.
    pub steps: Vec<Step>,
}

impl Story {
    /// The guests that it needs.
    pub fn roles(&self) -> Vec<Role> {
        let moves = self.steps.iter().any(|step| matches!(step.verb, Verb::Transfer { .. }));
        if moves { vec![Role::Source, Role::Destination] } else { vec![Role::Source] }
    }

    /// Whether its hosts must reach each other by a network.
    pub fn needs_network(&self) -> bool {
        self.steps.iter().any(|step| step.by.is_some())
    }

    /// What a failure of a step is called. What only the harness does belongs to the start until something was dumped;
    /// what the engine is asked to do never does.
    pub fn stage(&self, step: usize) -> Stage {
        let verb = &self.steps[step].verb;
        let dumps = |step: &Step| {
            matches!(step.verb, Verb::PreDump { .. } | Verb::Dump { .. } | Verb::Periodic { .. })
        };
        let ours = matches!(
            verb,
            Verb::Ticks(_) | Verb::Connect { .. } | Verb::Reach | Verb::StopDaemon(_) | Verb::Sync
        );
        if ours && !self.steps[..step].iter().any(dumps) { Stage::Start } else { verb.stage() }
    }
}
