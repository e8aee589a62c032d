//! What the program's exit status means. `main` alone turns an outcome into one of these.

use std::process::Termination;

use crate::judge::Kind;
use crate::report::{Change, Diff, Report};

/// Every exit status of `cargo xtask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: all went as expected; known bugs failed as they do, skips had their reasons.
    AsExpected,
    /// 1: a cell failed unexpectedly, is flaky, or a known bug is gone; of a diff, a cell regressed.
    Unexpected,
    /// 2: the command line or a file is wrong; nothing was run.
    Usage,
    /// 69: nothing failed, but cells are broken: the question could not be asked (`EX_UNAVAILABLE` of sysexits.h).
    Broken,
    /// 130: interrupted, as by Ctrl-C.
    Interrupted,
}

impl ExitCode {
    /// What a report comes to. A failure outweighs a broken cell: it needs no second look to be believed.
    pub fn from_report(report: &Report) -> Self {
        let has = |kinds: &[Kind]| report.cells.iter().any(|cell| kinds.contains(&cell.verdict));
        if has(&[Kind::Fail, Kind::Fixed, Kind::Flaky]) {
            Self::Unexpected
        } else if has(&[Kind::Broken]) {
            Self::Broken
        } else {
            Self::AsExpected
        }
    }

    /// What two reports come to, one held against the other.
    pub fn from_diff(diff: &Diff) -> Self {
        if diff.count(Change::Regressed) > 0 { Self::Unexpected } else { Self::AsExpected }
    }

    /// What a report comes to that is held against an earlier one: only a regression or a known bug that is gone is
    /// unexpected.
    pub fn against(diff: &Diff, report: &Report) -> Self {
        if report.count(Kind::Fixed) > 0 { Self::Unexpected } else { Self::from_diff(diff) }
    }

    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Broken => 69,
            Self::Interrupted => 130,
        }
    }
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        self.number().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Run};

    #[track_caller]
    fn check(kinds: &[Kind], expected: u8) {
        let cells =
            kinds.iter().map(|verdict| Cell { verdict: *verdict, ..crate::report::sample::any_cell() });
        let report = Report::new(Run::default(), cells.collect());
        assert_eq!(ExitCode::from_report(&report).number(), expected);
    }

    #[test]
    fn against_a_baseline_old_failures_and_broken_cells_are_no_news() {
        let report = |verdict| {
            Report::new(Run::default(), vec![Cell { verdict, ..crate::report::sample::any_cell() }])
        };
        let check = |was, is, expected| {
            let (before, after) = (report(was), report(is));
            let diff = Diff::of(&before, &after);
            assert_eq!(ExitCode::against(&diff, &after).number(), expected, "{was} {is}");
        };
        check(Kind::Pass, Kind::Fail, 1);
        check(Kind::KnownBug, Kind::Fail, 1);
        check(Kind::Fail, Kind::Fail, 0);
        check(Kind::Pass, Kind::Broken, 0);
        check(Kind::Fixed, Kind::Fixed, 1);
        check(Kind::KnownBug, Kind::KnownBug, 0);
    }

    #[test]
    fn from_verdicts() {
        use Kind::{Broken, Fail, Fixed, Flaky, KnownBug, Pass, Skip};
        check(&[], 0);
        check(&[Pass, Skip, KnownBug], 0);
        check(&[Pass, Fail], 1);
        check(&[Pass, Fixed], 1);
        check(&[Flaky], 1);
        check(&[Pass, Broken], 69);
        check(&[Broken, Fail], 1);
    }
}
