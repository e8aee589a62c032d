//! From a plan and a record to a report: every planned cell is in it, whatever became of it.

use std::collections::BTreeMap;

use super::diagnosed::Insight;
use super::{Cell, Report, Run};
use crate::diagnose::Diagnosis;
use crate::judge::{Kind, Verdict, in_light_of, judge, of_repeats};
use crate::model::{CellId, Role};
use crate::plan::{Plan, PlannedCell};
use crate::record::{CellRecord, RunRecord};

/// Judges every cell, says why it failed, puts repeats together, and adds what was left out.
pub fn gather(plan: &Plan, record: &RunRecord, insight: &Insight<'_>) -> Report {
    let mut repeats: BTreeMap<CellId, Vec<&PlannedCell>> = BTreeMap::new();
    let mut order = Vec::new();
    for cell in &plan.cell {
        let first = cell.repeated(1).id;
        if !repeats.contains_key(&first) {
            order.push(first.clone());
        }
        repeats.entry(first).or_default().push(cell);
    }
    let mut cells: Vec<_> =
        order.iter().filter_map(|first| judged(plan, record, repeats.get(first)?, insight)).collect();
    for skipped in plan.skipped.iter().filter(|skipped| skipped.cell.repeat == 1) {
        cells.push(described(plan, &skipped.cell, &verdict(Kind::Skip, &skipped.reason)));
    }
    let RunRecord { started, ended, complete, harness, notes, .. } = record;
    let mut notes = notes.clone();
    if let Some(kind) = plan.sabotage {
        notes.push(format!("sabotaged with {kind}: every verdict here is about the checkers"));
    }
    let run = Run {
        started: started.clone(),
        ended: ended.clone(),
        complete: *complete,
        harness: harness.clone(),
        notes,
    };
    Report::new(run, cells)
}

/// The verdict on one cell of a plan, as far as it was played, in the light of the known bugs that it is one of.
pub fn verdict_of(plan: &Plan, record: &RunRecord, cell: &PlannedCell, insight: &Insight<'_>) -> Verdict {
    seen(plan, record, cell, insight).0
}

/// The verdict, and what the rules make of it where it is a failure.
fn seen(
    plan: &Plan,
    record: &RunRecord,
    cell: &PlannedCell,
    insight: &Insight<'_>,
) -> (Verdict, Option<Vec<Diagnosis>>) {
    let none = BTreeMap::new();
    let facts = record.cells.get(&cell.id).map_or(&none, |played| &played.facts);
    let verdict = plain_verdict(plan, record, cell);
    let diagnosis = (verdict.kind == Kind::Fail).then(|| {
        let failed = described(plan, cell, &verdict).observed(facts);
        let failed = if on_the_destination(plan, cell, &verdict) { failed.over_there() } else { failed };
        insight.explain(&failed, &as_asked(plan, cell, &verdict))
    });
    // Only the best: what it may also be is no proof that it is the known one.
    let rules: Vec<&str> = diagnosis.iter().flatten().take(1).map(|it| it.rule.as_str()).collect();
    (in_light_of(&plan.known_bugs(cell, facts), verdict, &rules), diagnosis)
}

/// Whether the step that failed is one of the second host's.
fn on_the_destination(plan: &Plan, cell: &PlannedCell, verdict: &Verdict) -> bool {
    let index = verdict.step.and_then(|step| step.checked_sub(1));
    let step = index.and_then(|index| plan.story(cell)?.steps.get(index));
    step.is_some_and(|step| step.on == Role::Destination)
}

/// The steps that failed because the story wants them to: their errors explain nothing.
fn as_asked(plan: &Plan, cell: &PlannedCell, verdict: &Verdict) -> Vec<usize> {
    let steps = plan.story(cell).map_or(&[][..], |story| &story.steps);
    let numbered = (1..).zip(steps);
    let asked =
        numbered.filter(|(number, step)| (step.refused || step.hangs) && verdict.step != Some(*number));
    asked.map(|(number, _)| number).collect()
}

fn plain_verdict(plan: &Plan, record: &RunRecord, cell: &PlannedCell) -> Verdict {
    match (plan.story(cell), record.cells.get(&cell.id)) {
        (Some(story), Some(played)) => judge(story, played),
        (Some(_), None) => verdict(Kind::Broken, "not played: the run ended before it"),
        (None, _) => verdict(Kind::Broken, "the plan has no such story"),
    }
}

fn judged(plan: &Plan, record: &RunRecord, repeats: &[&PlannedCell], insight: &Insight<'_>) -> Option<Cell> {
    let (verdicts, mut diagnoses): (Vec<_>, Vec<_>) =
        repeats.iter().map(|cell| seen(plan, record, cell, insight)).unzip();
    let all = of_repeats(&verdicts)?;
    // The repeat that is shown is one whose verdict tells the most.
    let shown = verdicts.iter().position(|one| one.kind == all.kind || one.reason == all.reason);
    let first = |kind| verdicts.iter().position(|one| one.kind == kind);
    let failed = first(Kind::Fail).or_else(|| first(Kind::KnownBug));
    let index = if all.kind == Kind::Flaky { failed } else { shown }.unwrap_or(0);
    let played = record.cells.get(&repeats[index].id);
    let mut cell = described(plan, repeats[0], &all);
    if let Some(played) = played {
        cell = cell.observed(&played.facts);
        cell.logs = logs(repeats[index], played, &all);
    }
    cell.diagnosis = diagnoses[index].take();
    Some(cell)
}

fn described(plan: &Plan, cell: &PlannedCell, verdict: &Verdict) -> Cell {
    Cell::new(cell, &plan.provider, verdict)
}

/// The logs of the step that failed, the story as it was played, then the others as they came.
fn logs(cell: &PlannedCell, played: &CellRecord, verdict: &Verdict) -> Vec<String> {
    let of_stage: Vec<_> = verdict.stage.map_or_else(Vec::new, |stage| {
        let steps = played.steps.iter().filter(|step| step.stage == stage);
        steps.map(|step| format!("{:02}-", step.index)).collect()
    });
    let names = played.files.iter().map(|file| file.name.as_str());
    let (failed, others): (Vec<_>, Vec<_>) =
        names.partition(|name| of_stage.iter().any(|folder| name.starts_with(folder)));
    let all = failed.into_iter().chain(["story.log"]).chain(others);
    all.map(|name| format!("cells/{}/{name}", cell.id)).collect()
}

fn verdict(kind: Kind, reason: &str) -> Verdict {
    Verdict {
        kind,
        stage: None,
        step: None,
        reason: reason.to_owned(),
        first_error: None,
        known: None,
        copies: None,
        samples: crate::judge::Samples::new(),
        seconds: None,
    }
}
