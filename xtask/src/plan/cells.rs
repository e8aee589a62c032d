//! The plan: every cell of a run, and every one that is left out, with the reason.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Profile;
use crate::engine::Sabotage;
use crate::known_bug::KnownBug;
use crate::model::{CellId, GuestFacts, HostAsk};
use crate::scenario::Story;

/// `plan.toml`: with the record it is all that a report needs, so the stories are in it as they were played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The version of this format: [`Plan::FORMAT`].
    pub format: u32,
    /// The provider's name.
    pub provider: String,
    /// A guest's memory, MiB.
    pub memory_mib: u32,
    /// A guest's processors.
    pub cpus: u32,
    /// What containers are made of, where it is not the userland's busybox: a rootfs tar, or a saved image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<PathBuf>,
    /// What goes wrong on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sabotage: Option<Sabotage>,
    /// The cells, in the order in which they are begun.
    #[serde(default)]
    pub cell: Vec<PlannedCell>,
    /// What is left out.
    #[serde(default)]
    pub skipped: Vec<SkippedCell>,
    /// Which cells are known to fail, whatever their story; a story has its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_bug: Vec<KnownBug>,
    /// The stories by name.
    pub stories: BTreeMap<String, Story>,
}

/// One scenario on one host, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// Its name.
    pub id: CellId,
    /// The scenario's name.
    pub scenario: String,
    /// From 1.
    pub repeat: u32,
    /// The host.
    pub host: HostAsk,
}

/// A cell that is not played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedCell {
    /// The cell.
    #[serde(flatten)]
    pub cell: PlannedCell,
    /// Why, in a CRIU developer's words.
    pub reason: String,
}

impl Plan {
    /// The version of the plan's format.
    pub const FORMAT: u32 = 1;

    /// Spans the axes. `refuses` gives the reason why a story cannot be played on a host.
    pub fn span(
        profile: &Profile,
        stories: &[&Story],
        provider: &str,
        repeat: u32,
        refuses: &dyn Fn(&HostAsk, &Story) -> Option<String>,
    ) -> Self {
        let mut plan = Self {
            format: Self::FORMAT,
            provider: provider.to_owned(),
            memory_mib: profile.memory_mib,
            cpus: profile.cpus,
            image: profile.image(),
            sabotage: None,
            cell: Vec::new(),
            skipped: Vec::new(),
            known_bug: profile.known_bugs.clone(),
            stories: stories.iter().map(|story| (story.name.clone(), (*story).clone())).collect(),
        };
        for host in hosts(profile) {
            for story in stories {
                for repeat in 1..=repeat {
                    let cell = PlannedCell {
                        id: CellId::new(&story.name, &host, repeat),
                        scenario: story.name.clone(),
                        repeat,
                        host: host.clone(),
                    };
                    let left_out = || Some(format!("the story is about {}", story.only.but_for(&host)?));
                    match profile.excepted(&host).or_else(left_out).or_else(|| refuses(&host, story)) {
                        Some(reason) => plan.skipped.push(SkippedCell { cell, reason }),
                        None => plan.cell.push(cell),
                    }
                }
            }
        }
        plan
    }

    /// The known bugs that a cell is one of, as far as is known from what its guest reported. Under sabotage there
    /// are none: what fails there fails for another reason.
    pub fn known_bugs(&self, cell: &PlannedCell, facts: Option<&GuestFacts>) -> Vec<&KnownBug> {
        let of_story = self.story(cell).map_or(&[][..], |story| &story.known_bugs);
        of_story
            .iter()
            .chain(&self.known_bug)
            .filter(|bug| self.sabotage.is_none() && bug.means(&cell.scenario, &cell.host, facts))
            .collect()
    }

    /// The story of a cell.
    pub fn story(&self, cell: &PlannedCell) -> Option<&Story> {
        self.stories.get(&cell.scenario)
    }
}

/// Every combination, each once; hosts of one kernel and userland stand together.
fn hosts(profile: &Profile) -> Vec<HostAsk> {
    let mut hosts = Vec::new();
    for kernel in &profile.kernel {
        for userland in &profile.userland {
            for criu in &profile.criu {
                for engine in &profile.engine {
                    for cpu in &profile.cpu {
                        let host = HostAsk {
                            kernel: kernel.clone(),
                            userland: userland.clone(),
                            criu: criu.clone(),
                            engine: engine.clone(),
                            cpu: cpu.clone(),
                        };
                        if !hosts.contains(&host) {
                            hosts.push(host);
                        }
                    }
                }
            }
        }
    }
    hosts
}
