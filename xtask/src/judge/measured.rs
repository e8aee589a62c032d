//! What a story that went well has measured, in words for its verdict. Nothing of it decides.

use super::history::History;
use super::series;
use super::verdict::Samples;
use crate::model::{Place, Role, Verb};

/// Empty where there is nothing to say.
pub(super) fn measured(history: &History<'_>) -> String {
    let mut all = series::twice(history);
    all.extend(starts(history));
    all.extend(retries(history));
    all.extend(memory(history));
    all.join("; ")
}

/// Of a move, where its program tells the time with its ticks: how long no tick came, and how many KiB of images came to
/// the destination. The first holds all that the harness does in between, and is as exact as the two hosts' clocks.
pub(super) fn moved(history: &History<'_>) -> Samples {
    measured_move(history).unwrap_or_default()
}

fn measured_move(history: &History<'_>) -> Option<Samples> {
    let steps = &history.story.steps;
    let (restored, from) = steps.iter().enumerate().find_map(|(at, step)| match &step.verb {
        Verb::Restore { from, .. } if step.on == Role::Destination => Some((at, from)),
        _ => None,
    })?;
    let dumped = steps
        .iter()
        .position(|step| matches!(&step.verb, Verb::Dump { to, leave_running: false, .. } if to == from))?;
    let stream = history.workload.streams.first()?.who;
    let before = history.ticks(history.look(&Place::host(Role::Source), dumped).ok()?).ok()?;
    let last = before.get(stream)?.last()?;
    let after = (restored..steps.len()).find_map(|step| {
        let look = history.look(&Place::host(Role::Destination), step).ok()?;
        history.ticks(look).ok()?.get(stream)?.iter().find(|tick| tick.n > last.n).cloned()
    })?;
    let still = after.at?.checked_sub(last.at?)? / 1000;
    let mut samples = Samples::from([("without a tick, ms".to_owned(), vec![still])]);
    let carried = (0..restored).filter(|step| matches!(steps[*step].verb, Verb::Transfer { .. }));
    let told = |step| history.printed_lines(step).last()?.split_whitespace().next()?.parse::<u64>().ok();
    let told: Vec<u64> = carried.filter_map(told).collect();
    // Not every engine says so; and lazy pages come when everything was carried.
    if !told.is_empty() && steps[restored].by.is_none() {
        samples.insert("images, KiB".to_owned(), vec![told.iter().sum()]);
    }
    Some(samples)
}

/// From the command that starts or restores to the first tick: of the start, and of each restore after which the story
/// waits for ticks. What makes a container for it comes before, and is not counted.
fn starts(history: &History<'_>) -> Option<String> {
    let steps = &history.story.steps;
    let seconds = |millis: u64| format!("{}.{} s", millis / 1000, millis % 1000 / 100);
    let restores: Vec<String> = (1..steps.len())
        .filter(|&step| matches!(steps[step].verb, Verb::Ticks(_)))
        .filter(|&step| matches!(steps[step - 1].verb, Verb::Restore { .. }))
        .map(|step| seconds(last(history, step - 1, 1) + last(history, step, 1)))
        .collect();
    let start = steps.iter().position(|step| step.verb == Verb::Start)?;
    // The wait for the first tick is a command of the start itself.
    let cold = seconds(last(history, start, 2));
    (!restores.is_empty()).then(|| format!("cold start {cold}, restores {}", restores.join(", ")))
}

/// How often an engine wanted a restore to be tried again: the commands tell each time in a line of their own.
fn retries(history: &History<'_>) -> Option<String> {
    let restores = history.story.steps.iter().enumerate();
    let restores = restores.filter(|(_, step)| matches!(step.verb, Verb::Restore { .. }));
    let told = restores.flat_map(|(at, _)| history.printed_lines(at));
    let tries = told.filter(|line| line.starts_with("retry ")).count();
    (tries > 0).then(|| format!("the engine had to be asked again {tries} times before it restored"))
}

/// How long the last commands of a step took, in milliseconds.
fn last(history: &History<'_>, step: usize, commands: usize) -> u64 {
    let all = history.millis(step);
    all[all.len().saturating_sub(commands)..].iter().sum()
}

/// What the program held in memory while it was paused and once it was dumped, where a story does both.
fn memory(history: &History<'_>) -> Option<String> {
    let steps = &history.story.steps;
    let held = |wanted: fn(&Verb) -> bool| {
        let step = steps.iter().position(|step| wanted(&step.verb))?;
        let look = history.look(&steps[step].place(), step).ok()?;
        let pages = history
            .processes(look, step)
            .ok()?
            .iter()
            .map(|process| process.resident)
            .sum::<Option<u64>>()?;
        Some(pages * PAGE / 1024)
    };
    let paused = held(|verb| *verb == Verb::Pause)?;
    let dumped = held(|verb| matches!(verb, Verb::Dump { .. }))?;
    Some(format!("paused it held {paused} KiB of memory, checkpointed {dumped}"))
}

/// Bytes of a page on x86-64.
const PAGE: u64 = 4096;
