//! What a report says of cells that an earlier run has played.

use super::Report;

/// How many cells are an earlier run's, where some are.
pub(super) fn taken(report: &Report) -> String {
    let played: Vec<&str> = report.cells.iter().filter_map(|cell| cell.taken.as_deref()).collect();
    let all = report.cells.iter().filter(|cell| cell.seconds.is_some()).count();
    let how_many = if played.len() == all { "all".to_owned() } else { played.len().to_string() };
    let day = |at: &&str| at.get(..10).unwrap_or(at).to_owned();
    match (played.iter().min().map(day), played.iter().max().map(day)) {
        (Some(first), Some(last)) if first == last => format!("; {how_many} played before, on {first}"),
        (Some(first), Some(last)) => format!("; {how_many} played before, from {first} to {last}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Run, sample};

    #[rstest::rstest]
    #[case(&[None, None], "")]
    #[case(&[Some("2026-11-03T12:00:00Z"), None], "; 1 played before, on 2026-11-03")]
    #[case(&[Some("2026-11-03T12:00:00Z"), Some("2026-11-03T13:00:00Z")], "; all played before, on 2026-11-03")]
    #[case(
        &[Some("2026-11-04T12:00:00Z"), Some("2026-11-03T13:00:00Z"), None],
        "; 2 played before, from 2026-11-03 to 2026-11-04"
    )]
    fn how_many_and_when(#[case] taken_at: &[Option<&str>], #[case] expected: &str) {
        let cell = |at: &Option<&str>| Cell { taken: at.map(str::to_owned), ..sample::any_cell() };
        let report = Report::new(Run::default(), taken_at.iter().map(cell).collect());
        assert_eq!(taken(&report), expected);
    }
}
