//! From the record of one cell to its verdict.

use super::history::{Finding, History, Unsound, consecutive, fails, items, memory, unasked};
use super::measured::{measured, moved};
use super::repeats::told;
use super::verdict::{Kind, Verdict};
use super::{continues, copies, fresh, gone, paused, peer, removed, running, unchanged};
use crate::model::{Exit, Expectation, Hang, Stage, Verb, Workload, criu_log};
use crate::record::{CellRecord, CommandRecord, StepRecord};
use crate::scenario::Story;

/// Judges a cell.
pub fn judge(story: &Story, record: &CellRecord) -> Verdict {
    let verdict = |kind, stage, reason: String| Verdict {
        kind,
        stage,
        step: None,
        reason,
        first_error: None,
        known: None,
        copies: None,
        samples: crate::judge::Samples::new(),
        seconds: record.seconds,
    };
    let fails_in =
        |step: usize, stage, reason| Verdict { step: Some(step), ..verdict(Kind::Fail, Some(stage), reason) };
    let broken = |reason: String| verdict(Kind::Broken, None, reason);
    if let Some(reason) = &record.broken {
        return broken(reason.clone());
    }
    if let Some((role, lost)) = record.lost.first() {
        return broken(format!("{}: {lost}", role.name()));
    }
    if !record.has_ended() {
        return broken("the cell was not played to its end".to_owned());
    }
    let Some(workload) = Workload::named(&story.workload) else {
        return broken(format!("no workload `{}`", story.workload));
    };
    if let Some(reason) = &record.unfit {
        return verdict(Kind::Skip, None, reason.clone());
    }
    if !record.missing_features.is_empty() {
        return verdict(Kind::Skip, None, format!("no {} feature", record.missing_features.join(", ")));
    }
    let history = History::new(story, workload, record);
    for step in &record.steps {
        if let Some(failed) = failed_command(step) {
            let reason = why(failed);
            // Neither the workload's start nor a copy of files nor what brings a disaster about is CRIU's doing.
            let told = step.index.checked_sub(1).and_then(|index| story.steps.get(index));
            let disaster =
                |verb: &Verb| matches!(verb, Verb::PowerCut { .. } | Verb::StopDaemon(_) | Verb::Sync);
            let cuts = told.is_some_and(|told| disaster(&told.verb));
            if matches!(step.stage, Stage::Start | Stage::Transfer) || cuts {
                return broken(format!("{}: {reason}: {}", step.text, failed.finished.stderr.trim()));
            }
            return Verdict {
                first_error: first_error(record, step, failed),
                copies: step.index.checked_sub(1).and_then(|index| copies::left(&history, index)),
                ..fails_in(step.index, step.stage, reason)
            };
        }
        let Some(index) = step.index.checked_sub(1) else { continue };
        let Some(told) = story.steps.get(index) else {
            return broken("the record and the plan do not belong together".to_owned());
        };
        if told.hangs {
            return match hung(step) {
                Ok(reason) => verdict(Kind::Pass, None, reason),
                Err(Unsound::Fails(reason)) => fails_in(step.index, Stage::Verify, reason),
                Err(Unsound::Unasked(reason)) => broken(reason),
            };
        }
        if told.refused {
            match refused(step) {
                Ok(()) => continue,
                Err(Unsound::Fails(reason)) => return fails_in(step.index, Stage::Verify, reason),
                Err(Unsound::Unasked(reason)) => return broken(reason),
            }
        }
        if let Err(Unsound::Fails(reason) | Unsound::Unasked(reason)) = sound_so_far(&history, index) {
            return broken(reason);
        }
        match expected(&history, index).and_then(|()| goes_on(step)) {
            Ok(()) => {}
            Err(Unsound::Fails(reason)) => return fails_in(step.index, Stage::Verify, reason),
            Err(Unsound::Unasked(reason)) => return broken(reason),
        }
    }
    let played = record.steps.iter().filter(|step| step.index > 0).count();
    if played != story.steps.len() {
        return broken(format!("{played} of {} steps are in the record", story.steps.len()));
    }
    let samples = moved(&history);
    let told = samples.iter().map(|(what, numbers)| told(what, numbers));
    let reason = std::iter::once(measured(&history)).chain(told).filter(|words| !words.is_empty());
    let reason = reason.collect::<Vec<_>>().join("; ");
    Verdict { samples, ..verdict(Kind::Pass, None, reason) }
}

/// Whether the engine refused what it should: by saying no, and not by hanging or dying.
fn refused(step: &StepRecord) -> Finding {
    let Some(last) = step.commands.last() else {
        return Err(unasked(format!("{}: nothing was tried", step.text)));
    };
    match last.finished.exit {
        Exit::Status(0) => fails(format!("{}: it was done", step.text)),
        // A shell tells so of what it cannot run.
        Exit::Status(status @ (126 | 127)) => {
            Err(unasked(format!("{}: nobody was there to refuse it: exit status {status}", step.text)))
        }
        // A signal's, as a shell tells it; runc says no by 255.
        Exit::Status(129..=192) | Exit::Signal(_) | Exit::TimedOut => {
            fails(format!("{}: {}", step.text, why(last)))
        }
        Exit::Status(_) => Ok(()),
    }
}

/// Whether a step hung that should, and was seen doing so: its words are those of any other hang.
fn hung(step: &StepRecord) -> Result<String, Unsound> {
    let Some(last) = step.commands.last() else {
        return Err(unasked(format!("{}: nothing was tried", step.text)));
    };
    match &last.hang {
        _ if last.finished.exit != Exit::TimedOut => {
            Err(Unsound::Fails(format!("{}: it did not hang: {}", step.text, why(last))))
        }
        Some(hang) if hang.files > 0 && !hang.clause().is_empty() => Ok(why(last)),
        _ => Err(unasked(format!("{}, and nothing was seen of where", why(last)))),
    }
}

fn failed_command(step: &StepRecord) -> Option<&CommandRecord> {
    step.commands.iter().find(|command| command.decisive && !command.finished.exit.is_success())
}

/// Before anything was dumped, a witness that is wrong accuses the machine, not CRIU.
fn sound_so_far(history: &History<'_>, step: usize) -> Finding {
    if !at_first(&history.story.steps[step].verb)
        || history.step_before(step, |it| !at_first(&it.verb)).is_some()
    {
        return Ok(());
    }
    let look = history.look(&history.story.steps[step].place(), step)?;
    let identities = history.identities(step)?;
    for (who, ticks) in history.ticks(look)? {
        let identity = identities.get(&who).ok_or_else(|| unasked(format!("`{who}` never ticked")))?;
        consecutive(&ticks, 1, identity)?;
        memory(history.workload, &ticks)?;
        items(history.workload, &ticks, identity)?;
    }
    peer::sound(history, step)
}

fn at_first(verb: &Verb) -> bool {
    matches!(verb, Verb::Start | Verb::Ticks(_) | Verb::Connect { .. } | Verb::Reach)
}

/// Within an expectation the wait for ticks decides nothing by itself: the checkers say first what is wrong with the
/// ticks that came. Too few of them are a fail all the same, which `more-ticks.sh` tells by status 1.
fn goes_on(step: &StepRecord) -> Finding {
    let late = step.commands.iter().find(|command| !command.decisive && !command.finished.exit.is_success());
    let Some(late) = late.filter(|_| step.stage == Stage::Verify) else { return Ok(()) };
    let words = late.finished.stderr.trim();
    match late.finished.exit {
        Exit::Status(1) => fails(format!("it does not go on: {words}")),
        exit => Err(unasked(format!("the wait for ticks ended oddly: {}: {words}", in_words(exit)))),
    }
}

fn expected(history: &History<'_>, step: usize) -> Finding {
    match history.story.steps[step].verb {
        Verb::Expect(Expectation::Gone) => gone::check(history, step),
        Verb::Expect(Expectation::Running) => running::check(history, step),
        Verb::Expect(Expectation::Continues) => continues::check(history, step),
        Verb::Expect(Expectation::Paused) => paused::check(history, step),
        Verb::Expect(Expectation::Fresh) => fresh::check(history, step),
        Verb::Expect(Expectation::Removed) => removed::check(history, step),
        Verb::Expect(Expectation::Unchanged) => unchanged::check(history, step, |_| true),
        Verb::Expect(Expectation::SameNetwork) => unchanged::check(history, step, unchanged::is_network),
        _ => Ok(()),
    }
}

/// Why a command did not succeed. One that was still running at its deadline hangs, and where is told if it was seen.
fn why(command: &CommandRecord) -> String {
    if command.finished.exit != Exit::TimedOut {
        return in_words(command.finished.exit);
    }
    let seconds = command.hang.as_ref().map_or(command.finished.millis / 1000, |hang| hang.seconds);
    let words = format!("hang: {} was still running after {seconds} s", shortened(&command.line));
    match command.hang.as_ref().map(Hang::clause).filter(|clause| !clause.is_empty()) {
        Some(clause) => format!("{words}: {clause}"),
        None => words,
    }
}

/// A line in a sentence: the first of it.
fn shortened(line: &str) -> String {
    const MOST: usize = 80;
    let flat = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= MOST {
        return format!("`{flat}`");
    }
    format!("`{}…`", flat.chars().take(MOST).collect::<String>())
}

/// A shell tells of a signal with a status of 128 and more.
fn in_words(exit: Exit) -> String {
    match exit {
        Exit::Status(status @ 129..=192) => format!("killed by signal {}", status - 128),
        other => other.to_string(),
    }
}

/// The first telling error in the logs that the step left, or else among what the command printed, or else the first
/// line of that. What only stood by, the server of pages, has less to say than who dumped or restored.
fn first_error(record: &CellRecord, step: &StepRecord, failed: &CommandRecord) -> Option<String> {
    let folder = format!("{:02}-", step.index);
    let of_step = record.files.iter().filter(|file| file.name.starts_with(&folder));
    let (aside, own): (Vec<_>, Vec<_>) = of_step.partition(|file| criu_log::stood_by(&file.name));
    let stderr = &failed.finished.stderr;
    criu_log::first_telling(own.into_iter().chain(aside).filter_map(|file| file.error.clone()))
        .or_else(|| criu_log::first_error(stderr.lines()))
        .or_else(|| stderr.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
}
