//! The cell that was asked for, as its run folder tells it.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::bundle::Failure;
use crate::cli::judged::{self, Rules};
use crate::cli::{places, report};
use crate::engine::{self, Engine};
use crate::install::{Lock, engine_key};
use crate::judge::{Kind, Verdict};
use crate::model::Workload;
use crate::plan::{Plan, PlannedCell};
use crate::record::{self, CellRecord, Paths};
use crate::report::{Cell, Report, beside, gather};
use crate::scenario::Story;

/// A failed cell with its run.
pub(super) struct Case {
    pub(super) paths: Paths,
    /// The plan of this cell alone.
    pub(super) plan: Plan,
    pub(super) planned: PlannedCell,
    /// What of the run's lock the cell stands on.
    pub(super) lock: Lock,
    pub(super) played: CellRecord,
    pub(super) cell: Cell,
    pub(super) verdict: Verdict,
    /// Where else the story was played.
    pub(super) neighbours: Vec<String>,
}

impl Case {
    /// Reads it. Only what failed can be reproduced.
    pub(super) fn read(cell: &str, run: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match run {
            Some(folder) => folder.to_owned(),
            None => record::newest(&places::runs())?,
        };
        let paths = Paths::of(&folder)?;
        let whole = report::read_plan(&paths.plan())?;
        if whole.provider != "qemu" {
            bail!(
                "{}: its hosts are of the provider {}, and a bundle is made and proven with QEMU's: play the cell \
                 there, or take the script that `show` prints",
                folder.display(),
                whole.provider
            );
        }
        let Some(planned) = whole.cell.iter().find(|planned| planned.id.as_str() == cell).cloned() else {
            bail!("{} has no cell {cell}: its report names those that failed", folder.display());
        };
        let record = record::read(&paths)?.record;
        let outcomes = judged::judged(&paths, &whole, &record, &Rules::default())?.outcomes;
        let verdict = outcomes.get(&planned.id).map(|outcome| outcome.verdict.clone());
        let verdict = verdict.with_context(|| format!("{cell} was not played"))?;
        if !matches!(verdict.kind, Kind::Fail | Kind::KnownBug) {
            let sentence = verdict.sentence();
            bail!("{cell}: {}: {sentence}: only what failed can be reproduced", verdict.kind);
        }
        let all = gather(&whole, &record, &outcomes);
        let plan = Plan { cell: vec![planned.clone()], skipped: Vec::new(), ..whole };
        let Report { cells, .. } = gather(&plan, &record, &outcomes);
        let cell = cells.into_iter().next().context("the report has not the cell")?;
        let neighbours = beside(&all, &cell);
        let played = record::read_cell(&paths, &record, &planned.id)?.context("the cell was not played")?;
        let lock = narrowed(Lock::load(&paths.lock())?, &planned);
        Ok(Self { paths, plan, planned, lock, played, cell, verdict, neighbours })
    }

    pub(super) fn engine(&self) -> anyhow::Result<Box<dyn Engine>> {
        let ask = &self.planned.host.engine;
        engine::named(ask, self.plan.sabotage).with_context(|| format!("this harness has no engine {ask}"))
    }

    pub(super) fn failure<'a>(&'a self, engine: &'a dyn Engine) -> anyhow::Result<Failure<'a>> {
        let story = self.story()?;
        let workload = Workload::named(&story.workload).context("the story's workload is not known")?;
        Ok(Failure {
            cell: &self.cell,
            story,
            workload,
            engine,
            record: &self.played,
            verdict: &self.verdict,
        })
    }

    fn story(&self) -> anyhow::Result<&Story> {
        self.plan.story(&self.planned).context("the plan has not the cell's story")
    }
}

/// Without what other cells stand on.
fn narrowed(mut lock: Lock, cell: &PlannedCell) -> Lock {
    let hosts: Vec<_> = cell.hosts().collect();
    lock.kernels.retain(|name, _| hosts.iter().any(|host| *name == host.kernel));
    lock.userlands.retain(|name, _| hosts.iter().any(|host| *name == host.userland));
    lock.crius.retain(|name, _| hosts.iter().any(|host| *name == host.criu));
    lock.engines.retain(|name, _| hosts.iter().any(|host| *name == engine_key(&host.engine, &host.userland)));
    lock
}
