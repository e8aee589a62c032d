//! `expect = "paused"`: the program is there, and stands still.

use super::history::{Finding, History, fails, listed};
use crate::model::Listed;

/// Checks an expectation at a step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let place = history.story.steps[step].place();
    let now = history.look(&place, step)?;
    listed(now, |state| state == Listed::Paused, "it is paused")?;
    if history.processes(now, step)?.is_empty() {
        return fails("it was paused, and none of its processes is left".to_owned());
    }
    // The look that ended the step of the pause came after it.
    let before = history.look_before(&place, step)?;
    for (who, ticks) in history.ticks_after(now, Some(before))? {
        if let Some(tick) = ticks.first() {
            return fails(format!("`{who}` told tick {} although it is paused", tick.n));
        }
    }
    Ok(())
}
