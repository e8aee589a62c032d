//! After a move that failed: which copies of the program are running.

use super::history::History;
use crate::model::{Place, Role, Verb};

/// Says so of a restore on the destination that failed; nothing where nobody looked.
pub(super) fn left(history: &History<'_>, step: usize) -> Option<String> {
    let moved = &history.story.steps[step];
    if !matches!(moved.verb, Verb::Restore { .. })
        || moved.on != Role::Destination
        || moved.container.is_some()
    {
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
    matches!((now, before), (Some(now), Some(before)) if now > before)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::past::{Past, Program, dump, restore};
    use super::super::{Kind, judge};
    use super::*;
    use crate::model::{Exit, Observation};

    /// A move whose restore failed, and what was seen of both hosts when it had been brought back.
    fn moved(told: u64, here: &[i32], there: &[i32]) -> Past {
        let mut program = Program::new();
        let source = Role::Source;
        let mut past = Past::new()
            .step(Verb::Start, source, &program.tick(2), &[321])
            .step(Verb::Ticks(5), source, &program.tick(5), &[321])
            .step(dump(false), source, &program.tick(1), &[])
            .transfer(&[])
            .step(restore(), Role::Destination, "", there)
            .command(Exit::Status(1), "cannot");
        let stat = |alive: &[i32]| {
            let line = |pid: &i32| format!("{pid} (ticker) S 1 {pid} 321 0 -1 4194560\n");
            "1 (init) S 0 1 1 0 -1 4194560\n".to_owned() + &alive.iter().map(line).collect::<String>()
        };
        let mut output = past.record.steps[3].observations[0].outputs.clone();
        output.values_mut().for_each(|text| text.push_str(&program.tick(told)));
        let look =
            Observation { outputs: output, stat: stat(here), pid: Some(321), ..Observation::default() };
        past.record.steps.last_mut().unwrap().observations.push(look);
        past
    }

    #[rstest]
    #[case::back(5, &[321], &[], "the one copy goes on where it came from")]
    #[case::stuck(0, &[321], &[], "the one copy stands still where it came from")]
    #[case::there(0, &[], &[321], "the one copy is on the destination")]
    #[case::both(5, &[321], &[321], "two copies run")]
    #[case::none(0, &[], &[], "no copy is left running")]
    fn the_verdict_says_which_copy_runs(
        #[case] told: u64,
        #[case] here: &[i32],
        #[case] there: &[i32],
        #[case] reason: &str,
    ) {
        let past = moved(told, here, there);
        let verdict = judge(&past.story, &past.record);
        assert_eq!((verdict.kind, verdict.copies.as_deref()), (Kind::Fail, Some(reason)));
        assert_eq!(verdict.sentence(), format!("exit status 1; {reason}: cannot"));
    }
}
