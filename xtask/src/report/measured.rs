//! What stories that went well have measured, a line a cell: no two are put together, as the numbers are what it is
//! about.

use super::Report;
use crate::judge::Kind;

/// The heading of them.
pub(super) const TITLE: &str = "Measured";

/// Which cell, and what it says.
pub(super) fn measured(report: &Report) -> Vec<(String, &str)> {
    let passed = report.cells.iter().filter(|cell| cell.verdict == Kind::Pass);
    passed.filter_map(|cell| Some((cell.id.to_string(), cell.reason.as_deref()?))).collect()
}
