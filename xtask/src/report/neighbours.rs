//! What the matrix itself knows of a failure: the same cell on another kernel, CRIU, userland or engine passes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::cause::AXES;
use super::matrix::distinct;
use super::{Cell, Report};
use crate::judge::Kind;

/// The cells of a report by their values on all axes.
pub(super) struct Neighbours<'a> {
    report: &'a Report,
    verdicts: HashMap<[&'a str; AXES.len()], Kind>,
}

impl<'a> Neighbours<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let verdicts = report.cells.iter().map(|cell| (point(cell), cell.verdict)).collect();
        Self { report, verdicts }
    }

    /// On which values of one axis alone these cells pass: `the same passes with CRIU 4.2.1, 4.3`, or
    /// `20 of 22 pass with CRIU 4.2.1`. Where fewer than half do, nothing is said: that is another failure.
    pub(super) fn say(&self, cells: &[&Cell]) -> Vec<String> {
        // A scenario is another question, and no advice.
        (1..AXES.len()).flat_map(|axis| self.on(axis, cells)).collect()
    }

    fn on(&self, axis: usize, cells: &[&Cell]) -> Vec<String> {
        let (name, value) = AXES[axis];
        let mut by_count: BTreeMap<Reverse<usize>, Vec<&str>> = BTreeMap::new();
        for other in distinct(self.report.cells.iter().map(value)) {
            let passing = self.passing(axis, other, cells);
            if passing * 2 >= cells.len() {
                by_count.entry(Reverse(passing)).or_default().push(other);
            }
        }
        let said = |(Reverse(count), values): (Reverse<usize>, Vec<&str>)| match count == cells.len() {
            true => format!("the same passes with {name} {}", values.join(", ")),
            false => format!("{count} of {} pass with {name} {}", cells.len(), values.join(", ")),
        };
        by_count.into_iter().map(said).collect()
    }

    fn passing(&self, axis: usize, other: &str, cells: &[&Cell]) -> usize {
        let passes = |cell: &&&Cell| {
            let mut there = point(cell);
            there[axis] = other;
            self.verdicts.get(&there) == Some(&Kind::Pass)
        };
        cells.iter().filter(passes).count()
    }
}

/// Where the same scenario was played with another value on one axis alone, and what came of it, a line each:
/// `kernel 6.12: pass`.
pub fn beside(report: &Report, cell: &Cell) -> Vec<String> {
    let here = point(cell);
    let mut lines = Vec::new();
    for (axis, (name, value)) in AXES.iter().enumerate().skip(1) {
        for other in &report.cells {
            let there = point(other);
            let differs = |at: usize| here[at] != there[at];
            if differs(axis) && !(0..AXES.len()).any(|at| at != axis && differs(at)) {
                lines.push(format!("{name} {}: {}", value(other), other.verdict));
            }
        }
    }
    lines
}

fn point(cell: &Cell) -> [&str; AXES.len()] {
    AXES.map(|(_, value)| value(cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Run, sample};

    #[test]
    fn what_passes_elsewhere_is_said() {
        let mut cells = Vec::new();
        for kernel in ["6.1", "6.12", "7.2"] {
            for criu in ["3.17.1", "4.1.1"] {
                for scenario in ["counter", "clone"] {
                    let mut cell = sample::cell(scenario, kernel, "bookworm", criu);
                    let fails =
                        kernel == "7.2" && criu == "3.17.1" || scenario == "clone" && kernel == "6.12";
                    cell.verdict = if fails { Kind::Fail } else { Kind::Pass };
                    cells.push(cell);
                }
            }
        }
        let report = Report::new(Run::default(), cells);
        let failed = |keep: &dyn Fn(&Cell) -> bool| -> Vec<&Cell> {
            report.cells.iter().filter(|cell| cell.verdict == Kind::Fail && keep(cell)).collect()
        };
        let neighbours = Neighbours::of(&report);
        assert_eq!(
            neighbours.say(&failed(&|cell| cell.kernel.asked == "7.2")),
            [
                "the same passes with kernel 6.1",
                "1 of 2 pass with kernel 6.12",
                "the same passes with CRIU 4.1.1"
            ]
        );
        let clones = failed(&|cell| cell.kernel.asked == "6.12");
        assert_eq!(
            neighbours.say(&clones),
            ["the same passes with kernel 6.1", "1 of 2 pass with kernel 7.2"]
        );
    }
}
