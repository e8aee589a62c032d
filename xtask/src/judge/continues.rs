//! `expect = "continues"`: what was restored is what was dumped, and goes on from where it was.

use super::history::{Finding, History, Unsound, consecutive, fails, items, listed, memory, unasked};
use super::{peer, series};
use crate::model::{Listed, Observation, Place, Step, Tick, Verb};

/// The range that the first tick after a restore must lie in. One number, where the program was stopped by the dump:
/// the tick after its last. Where it ran on, its last ticks before and after the dump are the bounds.
struct Due {
    from: u64,
    to: u64,
}

/// The restore that a step looks at, and the dump that it was restored from.
pub(super) fn restored_and_dumped(history: &History<'_>, step: usize) -> Result<(usize, usize), Unsound> {
    let place = history.story.steps[step].place();
    let restored = history
        .step_before(step, |it| it.place() == place && !it.refused && matches!(it.verb, Verb::Restore { .. }))
        .ok_or_else(|| unasked("nothing was restored before this step"))?;
    let Verb::Restore { from, .. } = &history.story.steps[restored].verb else {
        return Err(unasked("nothing was restored before this step"));
    };
    let dumps = |it: &Step| {
        !it.refused && matches!(&it.verb, Verb::Dump { to, .. } | Verb::Periodic { to } if to == from)
    };
    let dumped =
        history.step_before(restored, dumps).ok_or_else(|| unasked(format!("no dump made `{from}`")))?;
    Ok((restored, dumped))
}

/// Checks an expectation at a step, against the nearest restore before it in the same place.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    let place = history.story.steps[step].place();
    let (restored, dumped) = restored_and_dumped(history, step)?;

    let now = history.look(&place, step)?;
    let (base, carried) = past(history, &place, restored, dumped, now)?;
    listed(now, |state| state == Listed::Running, "it was restored")?;
    let identities = history.identities(dumped)?;
    let originals = history.ticks(history.look(&history.story.steps[dumped].place(), dumped)?)?;
    for (who, mut ticks) in history.ticks_after(now, base)? {
        if carried {
            ticks = without_the_originals(ticks, originals.get(&who).map_or(&[], Vec::as_slice));
        }
        let identity = identities.get(&who).ok_or_else(|| never_ticked(&who))?;
        let due = due(history, &who, dumped, restored)?;
        let Some(first) = ticks.first() else {
            return fails(format!("`{who}` told no tick after the restore"));
        };
        identity.check(first)?;
        starts_when_due(first, &due)?;
        consecutive(&ticks, first.n, identity)?;
        memory(history.workload, &ticks)?;
        items(history.workload, &ticks, identity)?;
    }
    history.lives(now, step)?;
    peer::check(history, step)
}

/// What the outputs held before the restore, and whether it is the original's. What is made by the restore has no past,
/// but for a log that an engine carries with the checkpoint.
fn past<'a>(
    history: &History<'a>,
    place: &Place,
    restored: usize,
    dumped: usize,
    now: &Observation,
) -> Result<(Option<&'a Observation>, bool), Unsound> {
    let before = history.last_look_before(place, restored);
    if before.is_some_and(|look| look.outputs.values().any(|output| !output.is_empty())) {
        return Ok((before, false));
    }
    let source = history.story.steps[dumped].place();
    let runs_on = matches!(history.story.steps[dumped].verb, Verb::Dump { leave_running: true, .. });
    let original =
        if runs_on { history.look_before(&source, dumped)? } else { history.look(&source, dumped)? };
    // A peer's ticks are no output of the program's.
    let carried = |file: &str| {
        let (output, now) = (original.outputs.get(file)?, now.outputs.get(file)?);
        Some(!output.is_empty() && now.starts_with(output.as_str()))
    };
    let carried = history.workload.outputs().into_iter().all(|file| carried(file) == Some(true));
    Ok((if carried { Some(original) } else { before }, carried))
}

/// Without what a carried log has of the original, which ran on while its log was packed: that ends where the count
/// drops back, and holds nothing that the original did not tell.
fn without_the_originals(ticks: Vec<Tick>, originals: &[Tick]) -> Vec<Tick> {
    let drop = ticks.windows(2).position(|pair| pair[1].n <= pair[0].n);
    match drop {
        Some(at) if ticks[..=at].iter().all(|tick| originals.contains(tick)) => ticks[at + 1..].to_vec(),
        _ => ticks,
    }
}

fn due(history: &History<'_>, who: &str, dumped: usize, restored: usize) -> Result<Due, Unsound> {
    let leave_running = match &history.story.steps[dumped].verb {
        Verb::Dump { leave_running, .. } => leave_running,
        Verb::Periodic { to } => {
            let (before, after) = series::point(history, to, who, restored)?;
            return Ok(Due { from: before.saturating_add(1), to: after.saturating_add(1) });
        }
        _ => return Err(unasked("the checkpoint is no dump")),
    };
    let source = history.story.steps[dumped].place();
    let last = |look: &Observation| -> Result<u64, Unsound> {
        let ticks = history.ticks(look)?;
        let last = ticks.get(who).and_then(|ticks| ticks.last()).map(|tick| tick.n);
        last.ok_or_else(|| never_ticked(who))
    };
    let after = last(history.look(&source, dumped)?)?;
    let from = if *leave_running { last(history.look_before(&source, dumped)?)? } else { after };
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

#[cfg(test)]
mod tests {
    use super::super::past::{CONTINUES, Past, Program, dump, restore};
    use super::super::{Kind, judge};
    use super::*;
    use crate::model::{PEER, Role};

    /// podman carries a container's log with its checkpoint; that nobody has connected to its port changes nothing.
    #[test]
    fn a_carried_log_of_a_service_that_has_no_peer() {
        let mut program = Program::new();
        let (here, there) = (Role::Source, Role::Destination);
        let mut past = Past::new()
            .step(Verb::Start, here, &program.tick(5), &[321])
            .step(dump(false), here, &program.tick(1), &[])
            .transfer(&[])
            .step(restore(), there, "", &[321])
            .step(CONTINUES, there, &program.tick(5), &[321]);
        past.record.steps[2].observations[1].outputs.clear();
        for look in past.record.steps.iter_mut().flat_map(|step| &mut step.observations) {
            look.outputs.insert(PEER.file.to_owned(), String::new());
        }
        let verdict = judge(&past.story, &past.record);
        assert_eq!((verdict.kind, verdict.reason.as_str()), (Kind::Pass, ""));
    }
}
