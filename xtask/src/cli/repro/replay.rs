//! The cell, played again as `matrix` plays it.

use std::path::Path;

use super::case::Case;
use crate::bundle::Replays;
use crate::cli::judged::{self, Rules};
use crate::cli::matrix;
use crate::interrupt;
use crate::judge::Kind;
use crate::plan::Plan;
use crate::record::{self, Paths};
use crate::report::Outcome;
use crate::run::Images;

/// Plays it so many times into a run folder of its own, and counts what became of it.
pub(super) fn replay(
    case: &Case,
    times: u32,
    out: &Path,
    images: Images,
    offline: bool,
) -> anyhow::Result<Replays> {
    let again = (1..=times).map(|repeat| case.planned.repeated(repeat));
    let plan = Plan { cell: again.collect(), ..case.plan.clone() };
    matrix::replay(&plan, &case.lock, out, images, offline)?;
    if interrupt::happened() {
        anyhow::bail!("interrupted");
    }
    let paths = Paths::of(out)?;
    let record = record::read(&paths)?.record;
    let outcomes = judged::judged(&paths, &plan, &record, &Rules::default())?.outcomes;
    let mut replays = Replays::default();
    for cell in &plan.cell {
        // Of an interrupted run a cell may be missing.
        let Some(Outcome { verdict, .. }) = outcomes.get(&cell.id) else {
            replays.broken += 1;
            continue;
        };
        let count = match verdict.kind {
            Kind::Fail | Kind::KnownBug if verdict.step == case.verdict.step => &mut replays.alike,
            Kind::Fail | Kind::KnownBug => &mut replays.otherwise,
            Kind::Pass | Kind::Fixed => &mut replays.passed,
            _ => &mut replays.broken,
        };
        *count += 1;
    }
    Ok(replays)
}
