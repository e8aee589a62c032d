//! Series of checkpoints: what the guest wrote down of each, since nobody looks while they are made.

use super::history::{History, Unsound, unasked};
use crate::model::{Step, Verb};

/// What a counter had told when the newest whole dump of a series began, and when it had ended: of the choice that was
/// made before a step.
pub(super) fn point(
    history: &History<'_>,
    series: &str,
    who: &str,
    before: usize,
) -> Result<(u64, u64), Unsound> {
    let chosen = |it: &Step| matches!(&it.verb, Verb::Newest(name) if name == series);
    let missing = || unasked(format!("nobody said when `{series}` was made"));
    let chosen = history.step_before(before, chosen).ok_or_else(missing)?;
    let told = |word| count(history.printed(chosen).unwrap_or_default(), word, who);
    Ok((told("before").ok_or_else(missing)?, told("after").ok_or_else(missing)?))
}

/// How many ticks of each counter were computed twice, because a power cut came after the checkpoint.
pub(super) fn twice(history: &History<'_>) -> Vec<String> {
    let steps = &history.story.steps;
    let cuts = (0..steps.len()).filter(|&step| matches!(steps[step].verb, Verb::PowerCut { amid: Some(_) }));
    cuts.flat_map(|cut| {
        history.workload.streams.iter().filter_map(move |stream| {
            let told = count(history.printed(cut)?, "told", stream.who)?;
            let restored = (cut..steps.len()).find(|&it| matches!(steps[it].verb, Verb::Restore { .. }))?;
            let place = steps[restored].place();
            let looked = (restored..steps.len()).find(|&it| matches!(steps[it].verb, Verb::Expect(_)))?;
            let base = history.last_look_before(&place, restored);
            let ticks = history.ticks_after(history.look(&place, looked).ok()?, base).ok()?;
            let first = ticks.get(stream.who)?.first()?.n;
            Some(format!(
                "`{}` was at tick {told} when the power went, and went on at {first}: {} ticks were computed twice",
                stream.who,
                (told + 1).saturating_sub(first)
            ))
        })
    })
    .collect()
}

/// `WORD WHO COUNT`, a line each.
fn count(text: &str, word: &str, who: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.trim().strip_prefix(who)?.trim().parse().ok())
}
