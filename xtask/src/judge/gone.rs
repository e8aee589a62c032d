//! `expect = "gone"`: nothing of the workload is left in its place, and nothing ticked since.

use super::history::{Finding, History, fails, listed};
use crate::model::Listed;

/// Checks an expectation at a step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let place = history.story.steps[step].place();
    let now = history.look(&place, step)?;
    if let Some(left) = history.processes(now, step)?.first() {
        return fails(format!("process {} ({}) still runs on the {place}", left.pid, left.name));
    }
    listed(now, |state| matches!(state, Listed::Missing | Listed::Stopped | Listed::Created), "it is gone")?;
    let before = history.look_before(&place, step)?;
    for (who, ticks) in history.ticks_after(now, Some(before))? {
        if let Some(tick) = ticks.first() {
            return fails(format!("`{who}` told tick {} although it is gone", tick.n));
        }
    }
    Ok(())
}
