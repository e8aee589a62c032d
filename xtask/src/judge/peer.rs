//! The peer of a service, which nobody checkpoints: it holds one connection, and misses no answer.

use super::history::{Finding, History, Identity, Unsound, consecutive, fails, items, unasked};
use crate::model::{Observation, PEER, Tick, Verb, parse_ticks};

/// Checks the peer at an expectation, where one has connected: its connection lives, and answers came since the look
/// before the step.
pub(super) fn check(history: &History<'_>, step: usize) -> Finding {
    if !connected(history, step) {
        return Ok(());
    }
    sound(history, step)?;
    let place = history.story.steps[step].place();
    let before = ticks(history.look_before(&place, step)?)?.len();
    if ticks(history.look(&place, step)?)?.len() <= before {
        return fails(format!("the connection stands still: the peer got no answer after {before}"));
    }
    Ok(())
}

/// Whether all of the peer's ticks are one program's, count on by one, and say that the connection lives.
pub(super) fn sound(history: &History<'_>, step: usize) -> Finding {
    if !connected(history, step) {
        return Ok(());
    }
    let ticks = ticks(history.look(&history.story.steps[step].place(), step)?)?;
    let first = ticks.first().ok_or_else(|| unasked("the peer never ticked"))?;
    let identity = Identity::of(first);
    consecutive(&ticks, 1, &identity)?;
    items(history.workload, &ticks, &identity)
}

fn connected(history: &History<'_>, step: usize) -> bool {
    history.step_before(step + 1, |it| matches!(it.verb, Verb::Connect { .. })).is_some()
}

fn ticks(look: &Observation) -> Result<Vec<Tick>, Unsound> {
    let text = look.outputs.get(PEER.file).ok_or_else(|| unasked("the peer was not looked at"))?;
    parse_ticks(text).or_else(|line| fails(format!("a line in {} is no tick: {line:?}", PEER.file)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::past::{CONTINUES, Past, Program, dump, restore};
    use super::super::{Kind, judge};
    use super::*;
    use crate::model::Role;

    fn answers(from: u64, to: u64, lost: &str) -> String {
        (from..=to)
            .map(|n| format!("who=peer n={n} pid=9 start=1 nonce=00000000000000aa items=connection{lost}\n"))
            .collect()
    }

    /// A service that is restored soundly, and what its peer had told at each of the five looks.
    fn past(told: [String; 5]) -> Past {
        let mut program = Program::with_items();
        let here = Role::Source;
        let mut past = Past::of(&program)
            .step(Verb::Start, here, &program.tick(2), &[321])
            .step(Verb::Connect { talks_on: false }, here, &program.tick(2), &[321])
            .step(dump(false), here, &program.tick(2), &[])
            .step(restore(), here, "", &[321])
            .step(CONTINUES, here, &program.tick(5), &[321]);
        for (step, text) in past.record.steps.iter_mut().zip(told) {
            step.observations[0].outputs.insert(PEER.file.to_owned(), text);
        }
        past
    }

    #[rstest]
    #[case::lives(answers(1, 9, ""), Kind::Pass, "")]
    #[case::silent(
        answers(1, 5, ""),
        Kind::Fail,
        "the connection stands still: the peer got no answer after 5"
    )]
    #[case::reset(answers(1, 5, "") + &answers(6, 9, " lost=connection"), Kind::Fail,
        "`peer` lost items: at tick 6 it no longer holds connection")]
    #[case::missed(answers(1, 5, "") + &answers(7, 9, ""), Kind::Fail, "`peer` lost ticks: 6 was due, 7 came")]
    #[case::garbage(answers(1, 5, "") + "hello\n", Kind::Fail, "a line in peer.ticks is no tick: \"hello\"")]
    fn after_a_restore(#[case] last: String, #[case] kind: Kind, #[case] reason: &str) {
        let past = past([String::new(), answers(1, 3, ""), answers(1, 5, ""), answers(1, 5, ""), last]);
        let verdict = judge(&past.story, &past.record);
        assert_eq!((verdict.kind, verdict.reason.as_str()), (kind, reason));
    }

    /// What goes wrong before anything was dumped is not CRIU's doing.
    #[test]
    fn a_connection_that_never_lived_is_broken() {
        let lost = answers(1, 3, " lost=connection");
        let past = past([String::new(), lost.clone(), lost.clone(), lost.clone(), lost]);
        assert_eq!(judge(&past.story, &past.record).kind, Kind::Broken);
    }
}
