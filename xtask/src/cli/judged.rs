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
    let by = JudgedBy::new(plan, harness::identity()?, &harness::rules()?);
    let mut outcomes = read_outcomes(&paths.outcomes(), plan, &by, record);
    let insight = Insight { rules, folder: paths.root() };
    for cell in &plan.cell {
        if outcomes.contains_key(&cell.id) {
            continue;
        }
        if let Some(played) = record::read_cell(paths, record, &cell.id)? {
            outcomes.insert(cell.id.clone(), outcome_of(plan, Some(&played), cell, &insight));
        }
    }
    Ok(outcomes)
}
