//! `expect = "running"`: the original runs on, and never missed a tick.

use super::history::{Finding, History, consecutive, fails, items, memory, unasked};

/// Checks an expectation at a step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let role = history.story.steps[step].on;
    let now = history.look(role, step)?;
    let before = history.look_before(role, step)?;
    let identities = history.identities(step)?;
    let fresh = history.ticks_after(now, Some(before))?;
    for (who, ticks) in history.ticks(now)? {
        let never = || unasked(format!("`{who}` never ticked"));
        let identity = identities.get(&who).ok_or_else(never)?;
        let last = ticks.last().ok_or_else(never)?;
        consecutive(&ticks, 1, identity)?;
        memory(history.workload, &ticks)?;
        items(history.workload, &ticks, identity)?;
        if fresh.get(&who).is_none_or(Vec::is_empty) {
            return fails(format!("`{who}` stands still: it told no tick after {}", last.n));
        }
    }
    history.lives(now)
}
