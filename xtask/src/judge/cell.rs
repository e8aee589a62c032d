//! From the record of one cell to its verdict.

use super::history::{Finding, History, Unsound, consecutive, fails, items, memory, unasked};
use super::verdict::{Kind, Verdict};
use super::{continues, gone, running};
use crate::model::{Exit, Expectation, Stage, Verb, Workload};
use crate::record::{CellRecord, CommandRecord, StepRecord};
use crate::scenario::Story;

/// Judges a cell.
pub fn judge(story: &Story, record: &CellRecord) -> Verdict {
    let verdict = |kind, stage, reason: String| Verdict {
        kind,
        stage,
        reason,
        first_error: None,
        seconds: record.seconds,
    };
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
            let reason = in_words(failed.finished.exit);
            // Neither the workload's start nor a copy of files is CRIU's doing.
            if matches!(step.stage, Stage::Start | Stage::Transfer) {
                return broken(format!("{}: {reason}: {}", step.text, failed.finished.stderr.trim()));
            }
            return Verdict {
                first_error: first_error(record, step, failed),
                ..verdict(Kind::Fail, Some(step.stage), reason)
            };
        }
        let Some(index) = step.index.checked_sub(1) else { continue };
        if index >= story.steps.len() {
            return broken("the record and the plan do not belong together".to_owned());
        }
        if let Err(Unsound::Fails(reason) | Unsound::Unasked(reason)) = sound_so_far(&history, index) {
            return broken(reason);
        }
        match expected(&history, index).and_then(|()| goes_on(step)) {
            Ok(()) => {}
            Err(Unsound::Fails(reason)) => return verdict(Kind::Fail, Some(Stage::Verify), reason),
            Err(Unsound::Unasked(reason)) => return broken(reason),
        }
    }
    let played = record.steps.iter().filter(|step| step.index > 0).count();
    if played != story.steps.len() {
        return broken(format!("{played} of {} steps are in the record", story.steps.len()));
    }
    verdict(Kind::Pass, None, String::new())
}

fn failed_command(step: &StepRecord) -> Option<&CommandRecord> {
    step.commands.iter().find(|command| command.decisive && !command.finished.exit.is_success())
}

/// Before anything was dumped, a witness that is wrong accuses the machine, not CRIU.
fn sound_so_far(history: &History<'_>, step: usize) -> Finding {
    if !matches!(history.story.steps[step].verb, Verb::Start | Verb::Ticks(_))
        || history.step_before(step, |verb, _| !matches!(verb, Verb::Start | Verb::Ticks(_))).is_some()
    {
        return Ok(());
    }
    let look = history.look(history.story.steps[step].on, step)?;
    let identities = history.identities(step)?;
    for (who, ticks) in history.ticks(look)? {
        let identity = identities.get(&who).ok_or_else(|| unasked(format!("`{who}` never ticked")))?;
        consecutive(&ticks, 1, identity)?;
        memory(history.workload, &ticks)?;
        items(history.workload, &ticks, identity)?;
    }
    Ok(())
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
        _ => Ok(()),
    }
}

/// A shell tells of a signal with a status of 128 and more.
fn in_words(exit: Exit) -> String {
    match exit {
        Exit::Status(status @ 129..=192) => format!("killed by signal {}", status - 128),
        other => other.to_string(),
    }
}

/// The first line that says `Error` in the logs that the step left, or else the first that the command printed.
fn first_error(record: &CellRecord, step: &StepRecord, failed: &CommandRecord) -> Option<String> {
    let folder = format!("{:02}-", step.index);
    record
        .files
        .iter()
        .filter(|file| file.name.starts_with(&folder))
        .find_map(|file| file.error.clone())
        .or_else(|| {
            failed
                .finished
                .stderr
                .lines()
                .find(|line| !line.trim().is_empty())
                .map(|line| line.trim().to_owned())
        })
}
