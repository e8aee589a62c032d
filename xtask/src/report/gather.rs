//! From a plan and a record to a report: each cell is judged by itself, and every planned one is in the report,
//! whatever became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::diagnosed::Insight;
use super::{Cell, Report, Run};
use crate::diagnose::Diagnosis;
use crate::judge::{Kind, Verdict, in_light_of, judge, of_repeats};
use crate::model::{CellId, Role};
use crate::plan::{Plan, PlannedCell};
use crate::record::{CellRecord, LOGS, PassingLogs, RunRecord};

/// What one planned cell came to, and how a report shows it by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The verdict, in the light of the known bugs that it is one of.
    pub verdict: Verdict,
    /// The cell with its logs, and with what the rules make of it where it is a failure.
    pub cell: Cell,
}

impl Outcome {
    /// Of a cell whose record cannot be read.
    pub fn unreadable(plan: &Plan, cell: &PlannedCell, why: &str) -> Self {
        let verdict = Verdict::new(Kind::Broken, why);
        Self { cell: described(plan, cell, &verdict), verdict }
    }

    /// The same of a run that took the cell from an earlier one, which began it then.
    #[must_use]
    pub fn taken(mut self, plan: &Plan, at: &str) -> Self {
        self.cell.taken = Some(at.to_owned());
        if self.verdict.kind == Kind::Pass {
            self.cell.logs = packed_logs(plan, &self.cell.id);
        }
        self
    }
}

/// The logs of a cell that passes, where they are not kept one by one.
fn packed_logs(plan: &Plan, cell: &CellId) -> Vec<String> {
    match plan.passing_logs {
        PassingLogs::Drop => Vec::new(),
        PassingLogs::Keep | PassingLogs::Pack => vec![format!("cells/{cell}/{LOGS}")],
    }
}

/// Puts the repeats of each cell together, and adds what was not played and what was left out.
pub fn gather(plan: &Plan, record: &RunRecord, outcomes: &BTreeMap<CellId, Outcome>) -> Report {
    let mut repeats: BTreeMap<CellId, Vec<&PlannedCell>> = BTreeMap::new();
    let mut order = Vec::new();
    for cell in &plan.cell {
        let first = cell.first();
        let all = repeats.entry(first.clone()).or_default();
        if all.is_empty() {
            order.push(first);
        }
        all.push(cell);
    }
    let mut cells: Vec<_> =
        order.iter().filter_map(|first| of_all(plan, repeats.get(first)?, outcomes)).collect();
    for skipped in plan.skipped.iter().filter(|skipped| skipped.cell.repeat == 1) {
        cells.push(described(plan, &skipped.cell, &Verdict::new(Kind::Skip, &skipped.reason)));
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

/// Judges one cell as far as it was played, and says why it failed.
pub fn outcome_of(
    plan: &Plan,
    played: Option<&CellRecord>,
    cell: &PlannedCell,
    insight: &Insight<'_>,
) -> Outcome {
    let none = BTreeMap::new();
    let facts = played.map_or(&none, |played| &played.facts);
    let verdict = match (plan.story(cell), played) {
        (Some(story), Some(played)) => judge(story, played),
        (Some(_), None) => not_played(),
        (None, _) => Verdict::new(Kind::Broken, "the plan has no such story"),
    };
    let diagnosis = (verdict.kind == Kind::Fail).then(|| {
        let failed = described(plan, cell, &verdict).observed(facts);
        let failed = if on_the_destination(plan, cell, &verdict) { failed.over_there() } else { failed };
        let machine = facts.values().next().map_or("", |facts| &facts.machine);
        insight.explain(&failed, machine, &as_asked(plan, cell, &verdict))
    });
    let verdict = in_light_of_diagnosis(verdict, diagnosis.iter().flatten().next());
    // Only the best: what it may also be is no proof that it is the known one.
    let rules: Vec<&str> = diagnosis.iter().flatten().take(1).map(|it| it.rule.as_str()).collect();
    let verdict = in_light_of(&plan.known_bugs(cell, facts), verdict, &rules);
    let mut shown = described(plan, cell, &verdict).observed(facts);
    if let Some(played) = played {
        let one_by_one = plan.passing_logs == PassingLogs::Keep && !played.taken;
        shown.logs = if verdict.kind == Kind::Pass && !one_by_one {
            packed_logs(plan, &cell.id)
        } else {
            logs(cell, played, &verdict)
        };
        shown.taken = played.taken.then(|| played.started.clone());
    }
    shown.diagnosis = diagnosis;
    Outcome { verdict, cell: shown }
}

/// What the machine did says nothing of what runs on it.
fn in_light_of_diagnosis(verdict: Verdict, best: Option<&Diagnosis>) -> Verdict {
    match best {
        Some(best) if best.machine && best.assuming.is_empty() => Verdict {
            kind: Kind::Broken,
            reason: format!("{}: {}", best.headline, verdict.reason),
            ..verdict
        },
        _ => verdict,
    }
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

fn of_all(plan: &Plan, repeats: &[&PlannedCell], outcomes: &BTreeMap<CellId, Outcome>) -> Option<Cell> {
    let outcomes: Vec<_> = repeats.iter().map(|cell| outcomes.get(&cell.id)).collect();
    let verdicts: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.map_or_else(not_played, |outcome| outcome.verdict.clone()))
        .collect();
    let all = of_repeats(&verdicts)?;
    // The repeat that is shown is one whose verdict tells the most.
    let shown = verdicts.iter().position(|one| one.kind == all.kind || one.reason == all.reason);
    let first = |kind| verdicts.iter().position(|one| one.kind == kind);
    let failed = first(Kind::Fail).or_else(|| first(Kind::KnownBug));
    let index = if all.kind == Kind::Flaky { failed } else { shown }.unwrap_or(0);
    let cell = described(plan, repeats[0], &all);
    let Some(shown) = outcomes[index].map(|outcome| outcome.cell.clone()) else { return Some(cell) };
    // Together they are an earlier run's only where each of them is.
    let taken = outcomes.iter().all(|one| one.is_some_and(|one| one.cell.taken.is_some()));
    let Cell { verdict, stage, reason, copies, samples, known_bug, seconds, id, .. } = cell;
    let taken = shown.taken.clone().filter(|_| taken);
    Some(Cell { verdict, stage, reason, copies, samples, known_bug, seconds, id, taken, ..shown })
}

fn not_played() -> Verdict {
    Verdict::new(Kind::Broken, "not played: the run ended before it")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_is_the_machines_is_broken_and_no_other() {
        let diagnosis = |machine: bool, assuming: &[&str]| -> Diagnosis {
            serde_json::from_value(serde_json::json!({
                "rule": "r", "class": "ptrace", "confidence": "high", "headline": "h", "machine": machine,
                "evidence": [], "assuming": assuming, "cause": "c", "advice": [], "references": [],
            }))
            .unwrap()
        };
        let of = |best: Option<&Diagnosis>| {
            let verdict = in_light_of_diagnosis(Verdict::new(Kind::Fail, "exit status 1"), best);
            (verdict.kind, verdict.reason)
        };
        assert_eq!(of(Some(&diagnosis(true, &[]))), (Kind::Broken, "h: exit status 1".to_owned()));
        for best in [None, Some(&diagnosis(false, &[])), Some(&diagnosis(true, &["accelerator tcg"]))] {
            assert_eq!(of(best), (Kind::Fail, "exit status 1".to_owned()));
        }
    }
}
