//! What the script checks where the harness judges: lines that hand the workload's output to `same-ticks.sh`.

use crate::engine::{Engine, Scene};
use crate::model::{Expectation, Place, Role, Step, Verb, View};
use crate::scenario::Story;

/// The lines that come before a step's commands: how much there was before a restore.
pub(super) fn before(story: &Story, index: usize, engine: &dyn Engine, scene: &Scene<'_>) -> Vec<String> {
    let step = &story.steps[index];
    match &step.verb {
        Verb::Restore { from, .. } if !step.refused && !is_series(story, from) => {
            lines("past", "-", &step.place(), engine, scene)
        }
        _ => Vec::new(),
    }
}

/// The lines that come after them: what was dumped, or whether what is expected is so.
pub(super) fn after(story: &Story, index: usize, engine: &dyn Engine, scene: &Scene<'_>) -> Vec<String> {
    let step = &story.steps[index];
    let place = step.place();
    match &step.verb {
        Verb::Dump { to, .. } if !step.refused && !step.hangs => lines("dumped", to, &place, engine, scene),
        Verb::Expect(Expectation::Continues) => match restored(story, index) {
            Some((from, verb)) => lines(verb, from, &place, engine, scene),
            None => Vec::new(),
        },
        Verb::Expect(Expectation::Running) => {
            let dumped = dumped(story, index).unwrap_or("-");
            lines("running", dumped, &place, engine, scene)
        }
        _ => Vec::new(),
    }
}

fn lines(verb: &str, checkpoint: &str, place: &Place, engine: &dyn Engine, scene: &Scene<'_>) -> Vec<String> {
    let name = match (&place.container, place.on) {
        (Some(container), Role::Source) => container.clone(),
        (Some(container), Role::Destination) => format!("destination-{container}"),
        (None, on) => on.name().to_owned(),
    };
    let look = engine.look(place.container.as_deref(), scene);
    let line = |(file, View { command, .. }): &(String, View)| {
        let streams = scene.workload.streams.iter().filter(|stream| stream.file == file);
        let whos: Vec<&str> = streams.map(|stream| stream.who).collect();
        let check = format!("sh ./same-ticks.sh {verb} {checkpoint} {name} {}", whos.join(" "));
        match command.line.strip_prefix("cat ") {
            Some(file) if place.on == Role::Source => format!("{check} <{file}"),
            Some(_) => format!("{} | {check}", super::placed(place.on, &command.line)),
            // In a group of its own: the line may hold more than one command.
            None => format!("{} | {check}", super::placed(place.on, &format!("{{ {}; }}", command.line))),
        }
    };
    look.outputs.iter().map(line).collect()
}

/// The checkpoint that the nearest restore took, with the word for what may follow. None for one of a series: the
/// script does not know at which number it was made.
fn restored(story: &Story, index: usize) -> Option<(&str, &'static str)> {
    let place = story.steps[index].place();
    let from = story.steps[..index].iter().rev().find_map(|step| match &step.verb {
        Verb::Restore { from, .. } if step.place() == place && !step.refused => Some(from),
        _ => None,
    })?;
    let ran_on = story.steps[..index].iter().rev().find_map(|step| match &step.verb {
        Verb::Dump { to, leave_running, .. } if to == from && !step.refused => Some(*leave_running),
        _ => None,
    })?;
    Some((from, if ran_on { "goes-back" } else { "continues" }))
}

/// The checkpoint that was made of the program that runs, where it was not started again since.
fn dumped(story: &Story, index: usize) -> Option<&str> {
    let place = story.steps[index].place();
    let told = |step: &&Step| {
        matches!(step.verb, Verb::Dump { .. } | Verb::StartAgain) && step.place() == place && !step.refused
    };
    match &story.steps[..index].iter().rev().find(told)?.verb {
        Verb::Dump { to, .. } => Some(to),
        _ => None,
    }
}

fn is_series(story: &Story, name: &str) -> bool {
    story.steps.iter().any(|step| matches!(&step.verb, Verb::Periodic { to } if to == name))
}
