//! `expect = "continues"`: what was restored is what was dumped, and goes on from where it was.

use super::history::{Finding, History, Unsound, consecutive, fails, items, memory, unasked};
use crate::model::{Observation, Tick, Verb};

/// The range that the first tick after a restore must lie in. One number, where the program was stopped by the dump:
/// the tick after its last. Where it ran on, its last ticks before and after the dump are the bounds.
struct Due {
    from: u64,
    to: u64,
}

/// Checks an expectation at a step, against the nearest restore before it on the same guest.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let role = history.story.steps[step].on;
    let restored = history
        .step_before(step, |verb, on| on == role && matches!(verb, Verb::Restore { .. }))
        .ok_or_else(|| unasked("nothing was restored before this step"))?;
    let Verb::Restore { from } = &history.story.steps[restored].verb else {
        return Err(unasked("nothing was restored before this step"));
    };
    let dumped = history
        .step_before(restored, |verb, _| matches!(verb, Verb::Dump { to, .. } if to == from))
        .ok_or_else(|| unasked(format!("no dump made `{from}`")))?;

    let now = history.look(role, step)?;
    let base = history.look_before(role, restored)?;
    let identities = history.identities(dumped)?;
    for (who, ticks) in history.ticks_after(now, Some(base))? {
        let identity = identities.get(&who).ok_or_else(|| never_ticked(&who))?;
        let due = due(history, &who, dumped)?;
        let Some(first) = ticks.first() else {
            return fails(format!("`{who}` told no tick after the restore"));
        };
        identity.check(first)?;
        starts_when_due(first, &due)?;
        consecutive(&ticks, first.n, identity)?;
        memory(history.workload, &ticks)?;
        items(history.workload, &ticks, identity)?;
    }
    history.lives(now)
}

fn due(history: &History<'_>, who: &str, dumped: usize) -> Result<Due, Unsound> {
    let Verb::Dump { leave_running, .. } = &history.story.steps[dumped].verb else {
        return Err(unasked("the checkpoint is no dump"));
    };
    let source = history.story.steps[dumped].on;
    let last = |look: &Observation| -> Result<u64, Unsound> {
        let ticks = history.ticks(look)?;
        let last = ticks.get(who).and_then(|ticks| ticks.last()).map(|tick| tick.n);
        last.ok_or_else(|| never_ticked(who))
    };
    let after = last(history.look(source, dumped)?)?;
    let from = if *leave_running { last(history.look_before(source, dumped)?)? } else { after };
    Ok(Due { from: from.saturating_add(1), to: after.saturating_add(1) })
}

fn never_ticked(who: &str) -> Unsound {
    unasked(format!("`{who}` never ticked before the dump"))
}

fn starts_when_due(first: &Tick, due: &Due) -> Finding {
    let Tick { who, n, .. } = first;
    let Due { from, to } = due;
    let wanted = if from == to { format!("{to}") } else { format!("one of {from} to {to}") };
    if n > to {
        return fails(format!("`{who}` went on too far: {wanted} was due first after the restore, {n} came"));
    }
    if n < from {
        return fails(format!(
            "`{who}` went back too far: {wanted} was due first after the restore, {n} came"
        ));
    }
    Ok(())
}
