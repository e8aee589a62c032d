//! `expect = "removed"`: the engine's list has the container no more, and none of its processes is left.

use super::history::{Finding, History, fails, listed, unasked};
use crate::model::Listed;

/// Checks an expectation at a step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let place = history.story.steps[step].place();
    let now = history.look(&place, step)?;
    if now.listed.is_none() {
        return Err(unasked("there is no list that it could be removed from"));
    }
    listed(now, |state| state == Listed::Missing, "it was removed")?;
    match history.processes(now, step)?.first() {
        Some(left) => fails(format!("process {} ({}) still runs on the {place}", left.pid, left.name)),
        None => Ok(()),
    }
}
