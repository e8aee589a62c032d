//! `expect = "fresh"`: it was started anew: another program than before, from its first tick on.

use super::history::{Finding, History, Identity, consecutive, fails, listed, memory, unasked};
use crate::model::{Listed, Verb};

/// Checks an expectation at a step, against the nearest `start-again` before it in the same place.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let place = history.story.steps[step].place();
    let again = history
        .step_before(step, |it| it.place() == place && it.verb == Verb::StartAgain)
        .ok_or_else(|| unasked("nothing was started again before this step"))?;
    let now = history.look(&place, step)?;
    listed(now, |state| state == Listed::Running, "it was started again")?;
    let before = history.look_before(&place, again)?;
    let past = history.ticks(before)?;
    for (who, ticks) in history.ticks_after(now, Some(before))? {
        let Some(first) = ticks.first() else {
            return fails(format!("`{who}` told no tick after it was started again"));
        };
        if past.get(&who).and_then(|past| past.last()).is_some_and(|last| Identity::of(last).is_of(first)) {
            return fails(format!("`{who}` is the same program as before it was started again"));
        }
        consecutive(&ticks, 1, &Identity::of(first))?;
        memory(history.workload, &ticks)?;
    }
    history.lives(now, step)
}
