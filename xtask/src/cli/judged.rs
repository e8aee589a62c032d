//! What the cells of a run folder came to: as they were judged before, where that still holds, and else anew.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{harness, places};
use crate::diagnose::{Rulebook, RulebookError};
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

/// The rules, which are read when the first cell is judged: that takes as long as printing hundreds of cells does.
#[derive(Default)]
pub(super) struct Rules(OnceLock<Rulebook>);

impl Rules {
    /// All of them.
    ///
    /// # Errors
    /// At the first file that is wrong.
    pub(super) fn get(&self) -> Result<&Rulebook, RulebookError> {
        if let Some(rules) = self.0.get() {
            return Ok(rules);
        }
        let rules = Rulebook::read(&places::knowledge())?;
        Ok(self.0.get_or_init(|| rules))
    }
}

/// Judges the cells of a run folder.
///
/// # Errors
/// When this program, or the rules, cannot be read.
pub(super) fn judged(
    paths: &Paths,
    plan: &Plan,
    record: &RunRecord,
    rules: &Rules,
) -> anyhow::Result<Judged> {
    let by = JudgedBy::new(plan, harness::identity()?, &harness::rules()?);
    let mut outcomes = read_outcomes(&paths.outcomes(), plan, &by, record);
    let (mut anew, mut unreadable) = (false, Vec::new());
    for cell in &plan.cell {
        if outcomes.contains_key(&cell.id) {
            continue;
        }
        let outcome = match record::read_cell(paths, record, &cell.id) {
            Ok(None) => continue,
            Ok(played) => {
                let insight = Insight { rules: rules.get()?, folder: paths.root() };
                outcome_of(plan, played.as_ref(), cell, &insight)
            }
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
