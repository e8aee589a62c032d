//! What the cells of a run folder came to: as they were judged before, where that still holds, and else anew.

use std::collections::BTreeMap;

use super::harness;
use crate::diagnose::Rulebook;
use crate::model::CellId;
use crate::plan::Plan;
use crate::record::{self, Paths, RunRecord};
use crate::report::{Insight, JudgedBy, Outcome, outcome_of, read_outcomes};

/// What everything that was begun came to. What was not is no outcome.
///
/// # Errors
/// When the record of a cell cannot be read.
pub(super) fn outcomes(
    paths: &Paths,
    plan: &Plan,
    record: &RunRecord,
    rules: &Rulebook,
) -> anyhow::Result<BTreeMap<CellId, Outcome>> {
    Ok(judged(paths, plan, record, rules)?.outcomes)
}

/// Outcomes with what they were judged by.
pub(super) struct Judged {
    pub(super) outcomes: BTreeMap<CellId, Outcome>,
    pub(super) by: JudgedBy,
    /// Whether one was judged anew.
    pub(super) anew: bool,
}

/// The same, with what they were judged by.
///
/// # Errors
/// As [`outcomes`].
pub(super) fn judged(
    paths: &Paths,
    plan: &Plan,
    record: &RunRecord,
    rules: &Rulebook,
) -> anyhow::Result<Judged> {
    let by = JudgedBy::new(plan, harness::identity()?, &harness::rules()?);
    let mut outcomes = read_outcomes(&paths.outcomes(), plan, &by, record);
    let before = outcomes.len();
    let insight = Insight { rules, folder: paths.root() };
    for cell in &plan.cell {
        if outcomes.contains_key(&cell.id) {
            continue;
        }
        if let Some(played) = record::read_cell(paths, record, &cell.id)? {
            outcomes.insert(cell.id.clone(), outcome_of(plan, Some(&played), cell, &insight));
        }
    }
    let anew = outcomes.len() > before;
    Ok(Judged { outcomes, by, anew })
}
