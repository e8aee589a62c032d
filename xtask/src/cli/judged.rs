//! What the cells of a run folder came to: as they were judged before, where that still holds, and else anew.

use std::collections::BTreeMap;

use super::harness;
use crate::diagnose::Rulebook;
use crate::model::CellId;
use crate::plan::Plan;
use crate::record::{self, Paths, RunRecord};
use crate::report::{Insight, JudgedBy, Outcome, outcome_of, read_outcomes};

/// What everything that was begun came to, and what is to be known of the judging.
pub(super) struct Judged {
    /// What was not begun is no outcome.
    pub(super) outcomes: BTreeMap<CellId, Outcome>,
    /// What they were judged by.
    pub(super) by: JudgedBy,
    /// Whether one was judged anew.
    pub(super) anew: bool,
    /// The cells whose records cannot be read: they are broken.
    pub(super) unreadable: Vec<CellId>,
}

/// Judges the cells of a run folder.
///
/// # Errors
/// When this program, or the rules, cannot be read.
pub(super) fn judged(
    paths: &Paths,
    plan: &Plan,
    record: &RunRecord,
    rules: &Rulebook,
) -> anyhow::Result<Judged> {
    let by = JudgedBy::new(plan, harness::identity()?, &harness::rules()?);
    let mut outcomes = read_outcomes(&paths.outcomes(), plan, &by, record);
    let insight = Insight { rules, folder: paths.root() };
    let (mut anew, mut unreadable) = (false, Vec::new());
    for cell in &plan.cell {
        if outcomes.contains_key(&cell.id) {
            continue;
        }
        let outcome = match record::read_cell(paths, record, &cell.id) {
            Ok(None) => continue,
            Ok(played) => outcome_of(plan, played.as_ref(), cell, &insight),
            Err(error) => {
                unreadable.push(cell.id.clone());
                Outcome::unreadable(plan, cell, &error.to_string())
            }
        };
        anew = true;
        outcomes.insert(cell.id.clone(), outcome);
    }
    Ok(Judged { outcomes, by, anew, unreadable })
}
