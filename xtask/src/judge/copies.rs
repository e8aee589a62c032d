//! After a move that failed: which copies of the program are running.

use super::history::History;
use crate::model::{Place, Role, Verb};

/// Says so of a restore on the destination that failed; nothing where nobody looked.
pub(super) fn left(history: &History<'_>, step: usize) -> Option<String> {
    let moved = &history.story.steps[step];
    if !matches!(moved.verb, Verb::Restore { .. }) || moved.on != Role::Destination {
        return None;
    }
    let runs = |on: Role| {
        let look = history.look(&Place::host(on), step).ok()?;
        Some(!history.processes(look, step).ok()?.is_empty())
    };
    let words = match (runs(Role::Source)?, runs(Role::Destination)?) {
        (true, false) if goes_on(history, step) => "the one copy goes on where it came from",
        (true, false) => "the one copy stands still where it came from",
        (false, true) => "the one copy is on the destination",
        (true, true) => "two copies run",
        (false, false) => "no copy is left running",
    };
    Some(words.to_owned())
}

/// Whether the source has told ticks since the look before.
fn goes_on(history: &History<'_>, step: usize) -> bool {
    let place = Place::host(Role::Source);
    let ticks = |look| history.ticks(look).ok().map(|all| all.values().map(Vec::len).sum::<usize>());
    let now = history.look(&place, step).ok().and_then(ticks);
    let before = history.last_look_before(&place, step).and_then(ticks);
    now > before
}
