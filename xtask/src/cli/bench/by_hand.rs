//! The same story as somebody plays it who types its commands, one after another, into a guest that is there.

use std::time::Instant;

use anyhow::{Context as _, bail};

use super::stage::Stage;
use crate::cli::Unanswered;
use crate::engine::{Scene, WORK_FOLDER};
use crate::guest::Exec;
use crate::host::Host;
use crate::model::{Action, Lost, Verb, Workload};

impl Stage {
    /// Plays the plan's story in a guest that is prepared, and gives the time of its commands in seconds: those that the
    /// engine makes of it, waits and all. There is no look, no record, no question before it and no log brought home.
    pub(super) fn by_hand(&self, host: &mut dyn Host) -> anyhow::Result<f64> {
        let cell = self.plan.cell.first().context("no cell is planned")?;
        let story = self.plan.story(cell).context("the plan has no such story")?;
        let workload = Workload::named(&story.workload).context("there is no such workload")?;
        let engine = self.engine()?;
        let guest = host.guest().map_err(gone)?;
        let scene = Scene { workload, settings: &story.settings };
        let begun = Instant::now();
        for step in &story.steps {
            for action in engine.lower(step, &scene)? {
                let Action::Run(_, command) = action else { bail!("{step}: carries to another host") };
                let finished =
                    guest.run(&Exec::sh(&command.line, WORK_FOLDER, command.deadline)).map_err(gone)?;
                // Whether an expectation's wait came to its end is for a checker to say, and here is none.
                if !finished.exit.is_success() && !matches!(step.verb, Verb::Expect(_)) {
                    bail!("by hand: {}: {}: {}", command.line, finished.exit, finished.stderr.trim());
                }
            }
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an error is handed over")]
fn gone(lost: Lost) -> Unanswered {
    Unanswered(format!("by hand: {lost}"))
}
