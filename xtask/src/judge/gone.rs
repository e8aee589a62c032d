//! `expect = "gone"`: nothing of the workload is left on the guest, and nothing ticked since.

use super::history::{Finding, History, fails};

/// Checks an expectation at a step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let role = history.story.steps[step].on;
    let now = history.look(role, step)?;
    if let Some(left) = History::processes(now)?.first() {
        return fails(format!("process {} ({}) still runs on the {}", left.pid, left.name, role.name()));
    }
    let before = history.look_before(role, step)?;
    for (who, ticks) in history.ticks_after(now, Some(before))? {
        if let Some(tick) = ticks.first() {
            return fails(format!("`{who}` told tick {} although it is gone", tick.n));
        }
    }
    Ok(())
}
