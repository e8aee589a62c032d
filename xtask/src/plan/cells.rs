//! The plan: every cell of a run, and every one that is left out, with the reason.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Profile;
use super::to::crossed;
use crate::engine::{self, Sabotage};
use crate::known_bug::KnownBug;
use crate::model::{CellId, GuestFacts, HostAsk, Role};
use crate::record::PassingLogs;
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
    /// Whether no result of an earlier run is taken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fresh: bool,
    /// What becomes of the logs of cells that pass.
    #[serde(default, skip_serializing_if = "is_default")]
    pub passing_logs: PassingLogs,
    /// The cells, in the order of the axes. In which order they are begun is the schedule's to say.
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    /// The host; of a move, the one that it begins on.
    pub host: HostAsk,
    /// The second host of a move, where the plan crosses hosts; else a second host is like the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<HostAsk>,
}

impl PlannedCell {
    /// A cell by what it is made of.
    pub fn new(scenario: &str, host: &HostAsk, destination: Option<&HostAsk>, repeat: u32) -> Self {
        Self {
            id: match destination {
                None => CellId::new(scenario, host, repeat),
                Some(destination) => CellId::moved(scenario, host, destination, repeat),
            },
            scenario: scenario.to_owned(),
            repeat,
            host: host.clone(),
            destination: destination.cloned(),
        }
    }

    /// The same cell for another time.
    #[must_use]
    pub fn repeated(&self, repeat: u32) -> Self {
        Self::new(&self.scenario, &self.host, self.destination.as_ref(), repeat)
    }

    /// The id of its first time: all repeats of a cell share it.
    pub fn first(&self) -> CellId {
        if self.repeat == 1 { self.id.clone() } else { self.repeated(1).id }
    }

    /// What is asked for in one of its parts.
    pub fn on(&self, role: Role) -> &HostAsk {
        match (role, &self.destination) {
            (Role::Destination, Some(destination)) => destination,
            _ => &self.host,
        }
    }

    /// Every host that it names.
    pub fn hosts(&self) -> impl Iterator<Item = &HostAsk> {
        std::iter::once(&self.host).chain(&self.destination)
    }
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
            fresh: false,
            passing_logs: PassingLogs::Keep,
            cell: Vec::new(),
            skipped: Vec::new(),
            known_bug: profile.known_bugs.clone(),
            stories: stories.iter().map(|story| (story.name.clone(), (*story).clone())).collect(),
        };
        for host in hosts(profile) {
            for story in stories {
                for destination in destinations(profile, &host, story) {
                    let cell = PlannedCell::new(&story.name, &host, destination.as_ref(), 1);
                    let asked = |host: &HostAsk| {
                        let left_out = || Some(format!("the story is about {}", story.only.but_for(host)?));
                        profile.excepted(host).or_else(left_out).or_else(|| refuses(host, story))
                    };
                    let unlike = || {
                        let there = destination.as_ref()?;
                        let [from, to] = [&host, there].map(|host| engine::split(&host.engine).0);
                        (from != to).then(|| format!("a checkpoint of {from} is none of {to}"))
                    };
                    let reason = cell.hosts().find_map(asked).or_else(unlike);
                    for repeat in 1..=repeat {
                        let cell = cell.repeated(repeat);
                        match &reason {
                            Some(reason) => plan.skipped.push(SkippedCell { cell, reason: reason.clone() }),
                            None => plan.cell.push(cell),
                        }
                    }
                }
            }
        }
        plan
    }

    /// The known bugs that a cell is one of, as far as is known from what its guest reported. Under sabotage there
    /// are none: what fails there fails for another reason.
    /// A move is one of those of either of its hosts; `facts` are what each part reported.
    pub fn known_bugs(&self, cell: &PlannedCell, facts: &BTreeMap<Role, GuestFacts>) -> Vec<&KnownBug> {
        // What fails at a dump is the source's, what fails at a restore the destination's.
        let means = |bug: &KnownBug, role| {
            (cell.destination.is_none() || bug.shows_on(role))
                && bug.means(&cell.scenario, cell.on(role), facts.get(&role))
        };
        let of_story = self.story(cell).map_or(&[][..], |story| &story.known_bugs);
        of_story
            .iter()
            .chain(&self.known_bug)
            .filter(|bug| {
                self.sabotage.is_none()
                    && (means(bug, Role::Source)
                        || cell.destination.is_some() && means(bug, Role::Destination))
            })
            .collect()
    }

    /// The story of a cell.
    pub fn story(&self, cell: &PlannedCell) -> Option<&Story> {
        self.stories.get(&cell.scenario)
    }
}

/// The second hosts of a story on a host: none of its own where it does not move, or nothing is crossed.
fn destinations(profile: &Profile, host: &HostAsk, story: &Story) -> Vec<Option<HostAsk>> {
    match &profile.to {
        Some(to) if story.roles().contains(&Role::Destination) => {
            to.hosts(host).into_iter().map(Some).collect()
        }
        _ => vec![None],
    }
}

/// Every combination, each once; hosts of one kernel and userland stand together.
fn hosts(profile: &Profile) -> Vec<HostAsk> {
    let Profile { kernel, userland, criu, engine, cpu, .. } = profile;
    crossed([kernel, userland, criu, engine, cpu])
}
