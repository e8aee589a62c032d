//! A stack to measure on: a plan of one host, installed, with a way to boot it and a way to wake it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use crate::cli::stacks::Installed;
use crate::cli::{Unanswered, single};
use crate::engine::{self, Engine};
use crate::host::{CameUp, Host, Launch, Preparation, Provider as _, Qemu, WarmStates};
use crate::install::{Cache, Config};
use crate::model::{HostAsk, Role};
use crate::plan::Plan;
use crate::run;

/// One stack, and the story that is played on it.
pub(super) struct Stage {
    pub(super) ask: HostAsk,
    pub(super) plan: Plan,
    /// Whether nothing may be fetched for it.
    pub(super) offline: bool,
    /// The files that workloads need, by name.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// Boots every guest.
    cold: Qemu,
    /// Wakes them.
    pub(super) warm: Qemu,
}

/// A guest that answers, and how long it took to come up, in seconds.
pub(super) struct Up {
    // Dropped in this order: the guest writes into the folder until its end.
    pub(super) host: Box<dyn Host>,
    pub(super) seconds: f64,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Installs what the host takes. `change` may have it come from elsewhere.
    pub(super) fn install(
        ask: HostAsk,
        scenario: &str,
        offline: bool,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        let (plan, installed) = single::install_from(&ask, &[scenario], 2, offline, change)?;
        let Installed { provider: cold, files, .. } = installed;
        let warm = Qemu {
            program: cold.program.clone(),
            accelerator: cold.accelerator,
            stacks: cold.stacks.clone(),
            warm: Some(WarmStates::new(Cache::open()?)),
            notes: Arc::default(),
        };
        Ok(Self { ask, plan, offline, files, cold, warm })
    }

    /// Who drives CRIU on it.
    pub(super) fn engine(&self) -> anyhow::Result<Box<dyn Engine>> {
        engine::named(&self.ask.engine, None)
            .with_context(|| format!("there is no engine {}", self.ask.engine))
    }

    /// What is done in a guest before any cell.
    pub(super) fn preparation(&self) -> anyhow::Result<Preparation> {
        Ok(run::preparation(self.engine()?.as_ref(), &self.ask, &self.files))
    }

    /// A guest, from the start of its QEMU until it is prepared and answers. One that came up in another way than it
    /// should would be a figure of something else.
    pub(super) fn come_up(&self, how: CameUp, prepare: &Preparation) -> anyhow::Result<Up> {
        let provider = if how == CameUp::Woken { &self.warm } else { &self.cold };
        let folder = Cache::open()?.scratch()?;
        let Plan { memory_mib, cpus, .. } = self.plan;
        let launch =
            Launch { ask: &self.ask, role: Role::Source, memory_mib, cpus, folder: folder.path(), prepare };
        let begun = Instant::now();
        let mut host = provider.launch(&launch)?;
        host.guest().map_err(|lost| Unanswered(lost.to_string()))?;
        let seconds = begun.elapsed().as_secs_f64();
        let came_up = host.came_up();
        if came_up != how {
            let notes = provider.notes().join("; ");
            return Err(Unanswered(format!("the guest was {came_up}: {notes}")).into());
        }
        Ok(Up { host, seconds, _folder: folder })
    }
}
