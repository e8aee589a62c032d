//! Cells as a run plays them: from the first event to the last, with a record on disk.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::stage::Stage;
use crate::install::Cache;
use crate::judge::{Kind, judge};
use crate::model::{Telling, Workload};
use crate::plan::PlannedCell;
use crate::record::{Recorder, RunFolder, RunRecord, Tee};
use crate::run::{self, CellRun, Images};

impl Stage {
    /// Plays the plan's first `count` cells, `jobs` at a time, and gives their wall time in seconds. Making the run
    /// folder is not in it, writing the record is. `at_end` is called while the hosts of a played cell still stand.
    pub(super) fn cells(&self, count: usize, jobs: usize, at_end: &(dyn Fn() + Sync)) -> anyhow::Result<f64> {
        let scratch = Cache::open()?.scratch()?;
        let folder = RunFolder::create(&scratch.path().join("run"))?;
        let recorder = Recorder::create(&folder)?;
        let record = Mutex::new(RunRecord::default());
        let tee = Tee(vec![&recorder, &record]);
        let cells = self.plan.cell.get(..count).context("too few cells are planned")?;
        let begun = Instant::now();
        run::play_all(count, jobs, &|index| {
            let cell = &cells[index];
            match self.play(cell, &folder.cell(&cell.id), &tee, at_end) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        let seconds = begun.elapsed().as_secs_f64();
        let record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
        for cell in cells {
            self.must_pass(cell, &record)?;
        }
        Ok(seconds)
    }

    fn play(
        &self,
        cell: &PlannedCell,
        folder: &Path,
        tell: &dyn Telling,
        at_end: &dyn Fn(),
    ) -> anyhow::Result<()> {
        let story = self.plan.story(cell).context("the plan has no such story")?;
        let workload = Workload::named(&story.workload).context("there is no such workload")?;
        let engine = self.engine()?;
        let files = &self.files;
        let (plan, provider, images) = (&self.plan, &self.warm, Images::None);
        let run = CellRun {
            plan,
            cell,
            story,
            workload,
            engine: engine.as_ref(),
            provider,
            files,
            folder,
            images,
            tell,
        };
        run.play(&|| {
            at_end();
            false
        });
        Ok(())
    }

    /// A figure of a cell that did not work would be a figure of nothing.
    fn must_pass(&self, cell: &PlannedCell, record: &RunRecord) -> anyhow::Result<()> {
        let story = self.plan.story(cell).context("the plan has no such story")?;
        let verdict = judge(story, record.cells.get(&cell.id).context("the cell was not played")?);
        if verdict.kind != Kind::Pass {
            bail!("{}: {}: {}", cell.id, verdict.kind, verdict.sentence());
        }
        Ok(())
    }
}
