//! `expect = "running"`: the program runs on, and never missed a tick.

use super::history::{Finding, History, consecutive, fails, items, listed, memory, unasked};
use super::peer;
use crate::model::{Listed, Place, Role};

/// Checks an expectation at a step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let place = history.story.steps[step].place();
    let now = history.look(&place, step)?;
    let before = history.look_before(&place, step)?;
    listed(now, |state| state == Listed::Running, "it should run")?;
    let identities = history.identities(step)?;
    let fresh = history.ticks_after(now, Some(before))?;
    for (who, ticks) in history.life(&place, step)? {
        let never = || unasked(format!("`{who}` never ticked"));
        let identity = identities.get(&who).ok_or_else(never)?;
        let (first, last) = (ticks.first().ok_or_else(never)?, ticks.last().ok_or_else(never)?);
        // What was made by a restore may begin at the checkpoint's point.
        let begin = if place == Place::host(Role::Source) { 1 } else { first.n };
        consecutive(&ticks, begin, identity)?;
        memory(history.workload, &ticks)?;
        items(history.workload, &ticks, identity)?;
        if fresh.get(&who).is_none_or(Vec::is_empty) {
            return fails(format!("`{who}` stands still: it told no tick after {}", last.n));
        }
    }
    history.lives(now, step)?;
    peer::check(history, step)
}
