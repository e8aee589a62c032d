//! The comparing of two reports, cell by cell. Pure: two values in, one out.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::judge::Kind;
use crate::model::CellId;
use crate::report::cause::{Values, counted, essence};
use crate::report::versions::versions;
use crate::report::{Cell, Report, Run};

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It passed, or failed as a known bug does, and now fails in a way that nobody knows, or by turns.
    Regressed,
    /// It is said to be a known bug, and passes; and it was not so before.
    Fixed,
    /// It failed, and passes.
    Repaired,
    /// It still fails: at another stage, for another reason, or now as a known bug.
    Changed,
    /// It passed, and fails as a known bug does.
    KnownNow,
    /// Its question could be asked, and now could not.
    Broken,
    /// It was asked, and is now skipped.
    Skipped,
    /// It was broken or skipped, and has an answer now.
    Asked,
    /// The first report does not have it.
    New,
    /// The second report does not have it.
    Gone,
}

/// A cell that is not as before. At least one side is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Which.
    pub id: CellId,
    /// What became of it.
    pub change: Change,
    /// As it was; `null` for a new one.
    pub before: Option<Cell>,
    /// As it is; `null` for one that is gone.
    pub after: Option<Cell>,
}

/// Guests of the same name that report another version than before: what a change may come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionChange {
    /// `kernel`, `userland`, `CRIU` or `engine`.
    pub axis: String,
    /// The value that was asked for.
    pub asked: String,
    /// What was reported.
    pub before: Vec<String>,
    /// What is reported.
    pub after: Vec<String>,
}

/// Two reports, compared; and what `diff.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// The version of this format: [`Diff::FORMAT`].
    pub format: u32,
    /// The first run.
    pub before: Run,
    /// The second run.
    pub after: Run,
    /// How many cells are as they were.
    pub unchanged: usize,
    /// Versions that moved.
    pub versions: Vec<VersionChange>,
    /// The cells that are not as before: in the order of the second report, then those that are gone.
    pub changes: Vec<Changed>,
    /// The values of both reports on each axis: "every kernel" means all of these.
    #[serde(skip)]
    pub(super) values: Values,
}

impl Change {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::Regressed,
        Self::Fixed,
        Self::Repaired,
        Self::Changed,
        Self::KnownNow,
        Self::Broken,
        Self::Skipped,
        Self::Asked,
        Self::New,
        Self::Gone,
    ];

    /// `3 regressed`, `1 newly broken`: what stands behind a number.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Fixed => "fixed",
            Self::Repaired => "repaired",
            Self::Changed => "failing otherwise",
            Self::KnownNow => "now known-bug",
            Self::Broken => "newly broken",
            Self::Skipped => "newly skipped",
            Self::Asked => "not asked before",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }

    /// What became of a cell that both reports have; `None`: nothing.
    fn of(before: &Cell, after: &Cell) -> Option<Self> {
        use Kind::{Broken, Fail, Fixed, Flaky, KnownBug, Pass, Skip};
        match (before.verdict, after.verdict) {
            (Broken, Broken) | (Skip, Skip) | (Fixed, Fixed) | (Pass | Fixed, Pass) => None,
            (_, Broken) => Some(Self::Broken),
            (_, Skip) => Some(Self::Skipped),
            (_, Fixed) => Some(Self::Fixed),
            (Broken | Skip, _) => Some(Self::Asked),
            (Pass | Fixed | KnownBug, Fail | Flaky) => Some(Self::Regressed),
            (Pass | Fixed, KnownBug) => Some(Self::KnownNow),
            (Fail | Flaky | KnownBug, Pass) => Some(Self::Repaired),
            (Fail | Flaky, Fail | Flaky) | (Fail | Flaky | KnownBug, KnownBug) => {
                (Outcome::of(before) != Outcome::of(after)).then_some(Self::Changed)
            }
        }
    }
}

/// What a cell's end is compared by. Reasons that differ in numbers that mean nothing are the same.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Outcome(String);

impl Outcome {
    pub(super) fn of(cell: &Cell) -> Self {
        let Cell { verdict, stage, reason, known_bug, .. } = cell;
        // What a pass says is what it has measured.
        let reason = reason.as_deref().filter(|_| *verdict != Kind::Pass).map(essence);
        Self(format!("{verdict} {stage:?} {reason:?} {known_bug:?}"))
    }
}

impl Diff {
    /// The format that this build writes.
    pub const FORMAT: u32 = 1;

    /// Compares two reports; cells are the same by their ids.
    pub fn of(before: &Report, after: &Report) -> Self {
        let earlier = by_id(before);
        let later = by_id(after);
        let mut unchanged = 0;
        let mut changes = Vec::new();
        for cell in &after.cells {
            let was = earlier.get(&cell.id).copied();
            let change = was.map_or(Some(Change::New), |was| Change::of(was, cell));
            match change {
                Some(change) => changes.push(Changed {
                    id: cell.id.clone(),
                    change,
                    before: was.cloned(),
                    after: Some(cell.clone()),
                }),
                None => unchanged += 1,
            }
        }
        for cell in before.cells.iter().filter(|cell| !later.contains_key(&cell.id)) {
            changes.push(Changed {
                id: cell.id.clone(),
                change: Change::Gone,
                before: Some(cell.clone()),
                after: None,
            });
        }
        Self {
            format: Self::FORMAT,
            before: before.run.clone(),
            after: after.run.clone(),
            unchanged,
            versions: moved(before, after),
            changes,
            values: Values::of([before, after]),
        }
    }

    /// How many cells changed so.
    pub fn count(&self, change: Change) -> usize {
        self.changes.iter().filter(|it| it.change == change).count()
    }

    /// `1 regressed, 2 repaired, 248 as before`.
    pub(super) fn summary(&self) -> String {
        let counts = Change::ALL.into_iter().map(|change| (self.count(change), change.name()));
        let counts = counts.chain([(self.unchanged, "as before")]).filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, name)| format!("{count} {name}")).collect();
        if counts.is_empty() { "no cells".to_owned() } else { counts.join(", ") }
    }
}

/// What the next run is compared with: a report, in which a cell that broke, is skipped or is gone keeps the last
/// verdict that it had. So a night in which something was not asked hides no regression from the one after it.
pub fn baseline(before: &Report, after: &Report) -> Report {
    let earlier = by_id(before);
    let later = by_id(after);
    let mut kept = 0;
    let mut report = after.clone();
    for cell in &mut report.cells {
        let Some(was) = earlier.get(&cell.id).filter(|was| outlives(was.verdict, cell.verdict)) else {
            continue;
        };
        *cell = (*was).clone();
        kept += 1;
    }
    for cell in before.cells.iter().filter(|cell| answered(cell.verdict) && !later.contains_key(&cell.id)) {
        report.cells.push(cell.clone());
        kept += 1;
    }
    if kept > 0 {
        let cells = counted(kept);
        report.run.notes.push(format!("{cells} without an answer: the verdict is that of an earlier run"));
    }
    report
}

/// Whether a cell's earlier verdict says more than its later one.
fn outlives(was: Kind, is: Kind) -> bool {
    match is {
        Kind::Broken => was != Kind::Broken,
        Kind::Skip => answered(was),
        _ => false,
    }
}

fn answered(verdict: Kind) -> bool {
    !matches!(verdict, Kind::Broken | Kind::Skip)
}

fn by_id(report: &Report) -> HashMap<&CellId, &Cell> {
    report.cells.iter().map(|cell| (&cell.id, cell)).collect()
}

fn moved(before: &Report, after: &Report) -> Vec<VersionChange> {
    let earlier = versions(before);
    let mut moved = Vec::new();
    for now in versions(after) {
        let was = earlier.iter().find(|was| was.axis == now.axis && was.asked == now.asked);
        // A baseline has older versions too, of the cells that were not asked since.
        if let Some(was) = was.filter(|was| now.observed.iter().any(|it| !was.observed.contains(it))) {
            moved.push(VersionChange {
                axis: now.axis.to_owned(),
                asked: now.asked.to_owned(),
                before: was.observed.clone(),
                after: now.observed,
            });
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::Stage;
    use crate::report::sample;

    fn report(verdict: Kind, stage: Option<Stage>, reason: &str) -> Report {
        let cell = Cell { verdict, stage, reason: Some(reason.to_owned()), ..sample::any_cell() };
        Report::new(Run::default(), vec![cell])
    }

    #[rstest]
    #[case(Kind::Pass, Kind::Pass, None)]
    #[case(Kind::Pass, Kind::Fail, Some(Change::Regressed))]
    #[case(Kind::Pass, Kind::Flaky, Some(Change::Regressed))]
    #[case(Kind::KnownBug, Kind::Fail, Some(Change::Regressed))]
    #[case(Kind::Fixed, Kind::Fail, Some(Change::Regressed))]
    #[case(Kind::Pass, Kind::KnownBug, Some(Change::KnownNow))]
    #[case(Kind::KnownBug, Kind::KnownBug, None)]
    #[case(Kind::KnownBug, Kind::Fixed, Some(Change::Fixed))]
    #[case(Kind::Fixed, Kind::Fixed, None)]
    #[case(Kind::Fixed, Kind::Pass, None)]
    #[case(Kind::KnownBug, Kind::Pass, Some(Change::Repaired))]
    #[case(Kind::Fail, Kind::Pass, Some(Change::Repaired))]
    #[case(Kind::Fail, Kind::KnownBug, Some(Change::Changed))]
    #[case(Kind::Fail, Kind::Fail, None)]
    #[case(Kind::Flaky, Kind::Fail, Some(Change::Changed))]
    #[case(Kind::Pass, Kind::Broken, Some(Change::Broken))]
    #[case(Kind::Skip, Kind::Broken, Some(Change::Broken))]
    #[case(Kind::Broken, Kind::Broken, None)]
    #[case(Kind::Fail, Kind::Skip, Some(Change::Skipped))]
    #[case(Kind::Broken, Kind::Fail, Some(Change::Asked))]
    #[case(Kind::Skip, Kind::Pass, Some(Change::Asked))]
    fn from_verdict_to_verdict(#[case] was: Kind, #[case] is: Kind, #[case] expected: Option<Change>) {
        let diff = Diff::of(&report(was, None, "no"), &report(is, None, "no"));
        assert_eq!(diff.changes.first().map(|changed| changed.change), expected);
        assert_eq!(diff.unchanged, usize::from(expected.is_none()));
    }

    #[test]
    fn a_failure_is_another_by_stage_and_reason_but_not_by_pids() {
        let check = |stage, reason: &str, expected: usize| {
            let before = report(Kind::Fail, Some(Stage::Restore), "321 killed by signal 11");
            let diff = Diff::of(&before, &report(Kind::Fail, Some(stage), reason));
            assert_eq!(diff.count(Change::Changed), expected, "{reason}");
        };
        check(Stage::Restore, "4711 killed by signal 11", 0);
        check(Stage::Restore, "4711 killed by signal 9", 1);
        check(Stage::Dump, "321 killed by signal 11", 1);
    }

    #[test]
    fn cells_come_and_go_and_versions_move() {
        let (mut one, mut two) = (sample::any_cell(), sample::any_cell());
        two.kernel.observed = Some("6.12.120+deb13-cloud-amd64".into());
        let gone = sample::cell("clone", "6.1", "trixie", "4.3");
        let new = sample::cell("counter", "6.18", "trixie", "4.3");
        one.reason = Some("restored in 31 ms".into());
        two.reason = Some("restored in 44 ms".into());
        let diff = Diff::of(
            &Report::new(Run::default(), vec![one, gone.clone()]),
            &Report::new(Run::default(), vec![two, new.clone()]),
        );
        let told: Vec<_> = diff.changes.iter().map(|it| (&it.id, it.change)).collect();
        assert_eq!(told, [(&new.id, Change::New), (&gone.id, Change::Gone)]);
        assert_eq!(diff.summary(), "1 new, 1 gone, 1 as before");
        let [moved] = diff.versions.as_slice() else { panic!("{:?}", diff.versions) };
        assert_eq!((moved.axis.as_str(), moved.asked.as_str()), ("kernel", "6.12"));
        let json = serde_json::to_value(&diff).unwrap();
        assert_eq!(
            (&json["changes"][0]["change"], &json["changes"][0]["before"]),
            (&"new".into(), &().into())
        );
        assert_eq!(json["changes"][1]["before"]["scenario"], "clone");
    }

    #[rstest]
    #[case::broken(Kind::Broken)]
    #[case::skipped(Kind::Skip)]
    fn a_night_that_did_not_ask_hides_no_regression(#[case] silent: Kind) {
        let good = report(Kind::Pass, None, "");
        let silent = report(silent, None, "no network");
        let kept = baseline(&good, &silent);
        assert_eq!(kept.cells, good.cells);
        assert_eq!(kept.run.notes, ["1 cell without an answer: the verdict is that of an earlier run"]);
        // However many such nights there are.
        let kept = baseline(&kept, &silent);
        let diff = Diff::of(&kept, &report(Kind::Fail, Some(Stage::Dump), "no"));
        assert_eq!(diff.count(Change::Regressed), 1);
        assert_eq!(baseline(&silent, &good), good);
        assert_eq!(baseline(&silent, &silent), silent);
    }

    #[test]
    fn a_cell_that_was_gone_is_compared_when_it_is_back() {
        let (good, none) = (report(Kind::Pass, None, ""), Report::new(Run::default(), Vec::new()));
        let kept = baseline(&baseline(&good, &none), &none);
        assert_eq!(kept.cells, good.cells);
        assert_eq!(kept.run.notes, ["1 cell without an answer: the verdict is that of an earlier run"]);
        let diff = Diff::of(&kept, &report(Kind::Fail, Some(Stage::Dump), "no"));
        assert_eq!(diff.count(Change::Regressed), 1);
    }

    #[test]
    fn what_the_last_answer_was_is_kept_and_no_more() {
        let verdict = |was, is| baseline(&report(was, None, ""), &report(is, None, "")).cells[0].verdict;
        assert_eq!(verdict(Kind::Skip, Kind::Broken), Kind::Skip);
        assert_eq!(verdict(Kind::Broken, Kind::Skip), Kind::Skip);
        assert_eq!(verdict(Kind::KnownBug, Kind::Skip), Kind::KnownBug);
        assert_eq!(verdict(Kind::Pass, Kind::Fail), Kind::Fail);
    }

    #[test]
    fn a_verdict_of_an_earlier_run_moves_no_version() {
        let old = report(Kind::Pass, None, "");
        let mut now = sample::cell("counter", "6.12", "trixie", "4.3");
        now.kernel.observed = Some("6.12.120+deb13-cloud-amd64".into());
        let night = Report::new(Run::default(), vec![now]);
        let kept = baseline(&old, &night);
        assert_eq!(kept.cells.len(), 2);
        assert_eq!(Diff::of(&kept, &night).versions, []);
    }
}
