//! How long a run will still take, from what its cells took in earlier runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::CellId;

/// What is expected of a run when it begins.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Seconds of those of its cells whose duration was recorded.
    pub seconds: BTreeMap<CellId, f64>,
    /// How many cells are played at a time.
    pub at_a_time: usize,
}

/// The same while the run goes on.
#[derive(Debug)]
pub(super) struct Estimate {
    /// Of cells without a verdict.
    known: BTreeMap<CellId, f64>,
    /// How many cells have no verdict yet, known or not.
    left: usize,
    at_a_time: usize,
    running: BTreeMap<CellId, Instant>,
}

impl Estimate {
    /// For a run of `total` cells.
    pub(super) fn new(total: usize, expected: Expected) -> Self {
        let Expected { seconds: known, at_a_time } = expected;
        Self { known, left: total, at_a_time, running: BTreeMap::new() }
    }

    pub(super) fn started(&mut self, cell: CellId, now: Instant) {
        self.running.insert(cell, now);
    }

    /// A cell has its verdict.
    pub(super) fn ended(&mut self, cell: &CellId) {
        self.known.remove(cell);
        self.running.remove(cell);
        self.left = self.left.saturating_sub(1);
    }

    /// The time left, where at least half of the cells that are left have a recorded duration; the others count as
    /// their mean. Never less than the longest of them: nobody divides a cell.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        if self.left == 0 || self.known.is_empty() || self.known.len() * 2 < self.left {
            return None;
        }
        let mean = self.known.values().sum::<f64>() / self.known.len() as f64;
        // Of a cell that runs, what it has run counts no more.
        let rest = |cell: &CellId, seconds: f64| {
            let so_far = self.running.get(cell).map_or(Duration::ZERO, |begun| now.duration_since(*begun));
            (seconds - so_far.as_secs_f64()).max(0.0)
        };
        let known: Vec<f64> = self.known.iter().map(|(cell, seconds)| rest(cell, *seconds)).collect();
        let begun = self.running.keys().filter(|cell| !self.known.contains_key(*cell));
        let begun: Vec<f64> = begun.map(|cell| rest(cell, mean)).collect();
        let others = self.left.saturating_sub(known.len() + begun.len());
        let all = known.iter().chain(&begun).sum::<f64>() + mean * others as f64;
        let longest = known.iter().copied().fold(0.0, f64::max);
        let seconds = (all / self.at_a_time.max(1) as f64).max(longest);
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::report::sample;

    fn cell(kernel: &str) -> CellId {
        sample::cell("counter", kernel, "trixie", "4.3").id
    }

    #[rstest]
    #[case::all_are_known(4, &[10.0, 10.0, 20.0, 20.0], 2, Some(30))]
    #[case::others_count_as_the_mean(4, &[10.0, 20.0], 2, Some(30))]
    #[case::too_few_are_known(5, &[10.0, 20.0], 2, None)]
    #[case::nothing_is_known(2, &[], 2, None)]
    #[case::nothing_is_left(0, &[], 2, None)]
    #[case::a_cell_is_not_divided(3, &[1.0, 1.0, 40.0], 2, Some(40))]
    #[case::no_more_at_a_time_than_are_left(1, &[10.0], 8, Some(10))]
    fn left(#[case] total: usize, #[case] known: &[f64], #[case] at_a_time: usize, #[case] due: Option<u64>) {
        let seconds = known.iter().enumerate().map(|(at, it)| (cell(&format!("6.{at}")), *it)).collect();
        let estimate = Estimate::new(total, Expected { seconds, at_a_time });
        assert_eq!(estimate.left(Instant::now()), due.map(Duration::from_secs));
    }

    #[test]
    fn it_shrinks_while_cells_run_and_when_they_end() {
        let seconds = BTreeMap::from([(cell("6.1"), 10.0), (cell("6.2"), 20.0)]);
        let mut estimate = Estimate::new(3, Expected { seconds, at_a_time: 1 });
        let begun = Instant::now();
        let after = |estimate: &Estimate, seconds| estimate.left(begun + Duration::from_secs(seconds));
        assert_eq!(after(&estimate, 0), Some(Duration::from_secs(45)));
        estimate.started(cell("6.1"), begun);
        assert_eq!(after(&estimate, 4), Some(Duration::from_secs(41)));
        assert_eq!(after(&estimate, 99), Some(Duration::from_secs(35)), "late, but not for the others");
        estimate.ended(&cell("6.1"));
        // Of the two that are left, one is known.
        assert_eq!(after(&estimate, 99), Some(Duration::from_secs(40)));
        // The one that nobody knows runs: it counts as the mean.
        estimate.started(cell("6.3"), begun);
        assert_eq!(after(&estimate, 5), Some(Duration::from_secs(35)));
        estimate.ended(&cell("6.2"));
        assert_eq!(after(&estimate, 5), None);
    }
}
