//! The provider: which machine a cell's host is, and what every cell of a stack finds there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fleet::{Fleet, VagrantError};
use super::host::{MOUNT, VagrantHost};
use crate::host::{Host, Launch, LaunchError, Preparation, Provider, Stack};
use crate::install::{hash_file, key};
use crate::model::{HostAsk, Role};

/// Where the harness's files lie on a machine.
pub(super) const PLACE: &str = "/var/lib/criu-matrix";

/// The provider.
pub struct Vagrant {
    pub(super) yard: Arc<Yard>,
    /// The machine of a host in a part.
    names: BTreeMap<(HostAsk, Role), String>,
}

/// What hosts share.
pub(super) struct Yard {
    pub(super) fleet: Fleet,
    pub(super) agent: PathBuf,
    stacks: BTreeMap<HostAsk, Result<Stack, String>>,
    states: Mutex<BTreeMap<String, State>>,
    machine: String,
}

/// A machine's snapshots.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Those that exist, beside the pristine one.
    pub(super) ready: BTreeSet<String>,
    /// Whether the machine is at the pristine one, and nothing was done in it since.
    pub(super) pristine: bool,
}

impl Vagrant {
    /// With machines that are up. `keep` says whether they stay when the run ends, `names` which machine a host is in a
    /// part, `stacks` what it is made of, `agent` is the agent's program, `machine` says in the record what runs them.
    ///
    /// # Errors
    /// When Vagrant does not say which snapshots there are.
    pub fn new(
        mut fleet: Fleet,
        keep: bool,
        names: BTreeMap<(HostAsk, Role), String>,
        stacks: BTreeMap<HostAsk, Result<Stack, String>>,
        agent: PathBuf,
        machine: String,
    ) -> Result<Self, VagrantError> {
        let mut states = BTreeMap::new();
        for name in names.values() {
            let mut state = State { pristine: fleet.is_new, ..State::default() };
            if !fleet.is_new {
                let listed = fleet.tool.run(&["snapshot", "list", name])?;
                let words = listed.lines().map(str::trim).filter(|name| name.starts_with("ready-"));
                state.ready = words.map(str::to_owned).collect();
            }
            states.insert(name.clone(), state);
        }
        fleet.stays = keep;
        let yard = Yard { fleet, agent, stacks, states: Mutex::new(states), machine };
        Ok(Self { yard: Arc::new(yard), names })
    }

    /// How to get at machines that stay, for whoever asked for that.
    pub fn farewell(&self) -> Vec<String> {
        if !self.yard.fleet.stays {
            return Vec::new();
        }
        let names: BTreeSet<_> = self.names.values().cloned().collect();
        self.yard.fleet.how_to_reach(&names.into_iter().collect::<Vec<_>>())
    }
}

impl Provider for Vagrant {
    fn name(&self) -> &str {
        "vagrant"
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError> {
        let stack = launch.installed(&self.yard.stacks)?;
        let name = self.names.get(&(launch.ask.clone(), launch.role));
        let name = name.ok_or_else(|| launch.wrong("no machine was brought up for it"))?;
        let snapshot = snapshot(stack, launch.prepare, &self.yard.agent)
            .map_err(|error| launch.wrong(error.to_string()))?;
        let machine = format!("Vagrant's {name}, {}", self.yard.machine);
        let host = VagrantHost::begin(&self.yard, name, stack, snapshot, launch, machine);
        Ok(Box::new(host.map_err(|error| launch.wrong(error.to_string()))?))
    }
}

impl Yard {
    pub(super) fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a machine back to a snapshot.
    pub(super) fn restore(&self, name: &str, snapshot: &str) -> Result<(), VagrantError> {
        self.fleet.connections.close(name);
        self.fleet.tool.run(&["snapshot", "restore", "--no-provision", name, snapshot])?;
        Ok(())
    }
}

/// The name of the snapshot of a machine that is ready for the cells of a stack. The images' paths hold the keys of their
/// contents.
fn snapshot(stack: &Stack, preparation: &Preparation, agent: &Path) -> std::io::Result<String> {
    let images = [Some(&stack.criu), stack.engine.as_ref(), stack.modules.as_ref()];
    let mut parts: Vec<String> = images
        .into_iter()
        .map(|image| image.map_or_else(String::new, |it| it.display().to_string()))
        .collect();
    parts.extend([hash_file(agent)?, MOUNT.to_owned(), preparation.folder.clone()]);
    for file in &preparation.files {
        parts.extend([hash_file(&file.source)?, file.path.clone(), format!("{:o}", file.mode)]);
    }
    let commands = preparation.commands.iter().chain(&preparation.asks);
    parts.extend(commands.map(|command| command.line.clone()));
    Ok(format!("ready-{}", key(parts)))
}
