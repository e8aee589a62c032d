//! How long cells took, from run to run: a small file of the cache, which runs read and add to.
//! It only orders and estimates, so one that cannot be read costs nothing but a note.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::install::{Cache, CacheError, write_whole};
use crate::judge::Kind;
use crate::model::CellId;
use crate::plan::{Plan, PlannedCell};
use crate::report::Outcome;

/// Its name in the cache.
const FILE: &str = "durations.json";
/// The version of its format.
const FORMAT: u32 = 1;
/// More cells than that are not kept: the ones that were played longest ago go first.
const MOST: usize = 20_000;
/// Longer than any cell lasts, seconds: such a number was not written here.
const LONGEST: f64 = 7.0 * 86_400.0;

/// The newest duration of each cell.
#[derive(Debug, Default)]
pub(super) struct Durations {
    seconds: BTreeMap<String, f64>,
    /// Why there are none, where that is to be told.
    pub(super) complaint: Option<String>,
}

/// As it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    format: u32,
    /// The one that was played last stands last.
    cells: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    cell: String,
    seconds: f64,
}

impl Durations {
    /// What the cache has.
    pub(super) fn read(cache: &Cache) -> Self {
        match entries(cache) {
            Ok(entries) => {
                let seconds = entries.into_iter().map(|Entry { cell, seconds }| (cell, seconds)).collect();
                Self { seconds, complaint: None }
            }
            Err(reason) => {
                let complaint = format!(
                    "no durations of earlier runs, so cells are played in the plan's order: {}: {reason}",
                    file(cache).display()
                );
                Self { seconds: BTreeMap::new(), complaint: Some(complaint) }
            }
        }
    }

    /// How long a cell took the last time, in seconds.
    pub(super) fn of(&self, plan: &Plan, cell: &PlannedCell) -> Option<f64> {
        self.seconds.get(&name(plan, cell)).copied()
    }
}

/// Adds what these cells of a run took, as far as they were really played.
///
/// # Errors
/// When the cache cannot be written.
pub(super) fn remember(
    cache: &Cache,
    plan: &Plan,
    played: &[&PlannedCell],
    outcomes: &BTreeMap<CellId, Outcome>,
    tell: &dyn Fn(String),
) -> Result<(), CacheError> {
    let entry = |cell: &&PlannedCell| {
        let seconds = really_played(outcomes.get(&cell.id)?)?;
        Some(Entry { cell: name(plan, cell), seconds })
    };
    let new: Vec<Entry> = played.iter().filter_map(entry).collect();
    if new.is_empty() {
        return Ok(());
    }
    // Two runs that end at the same time keep what both have seen.
    let _lock = cache.lock("durations", "another run writes durations down: waiting for it", tell)?;
    // One that cannot be read was complained of when the run began.
    let cells = merged(entries(cache).unwrap_or_default(), new, MOST);
    let path = file(cache);
    let text = serde_json::to_vec(&Written { format: FORMAT, cells });
    text.map_err(std::io::Error::from)
        .and_then(|text| write_whole(&path, &text))
        .map_err(|source| CacheError::Io { path, source })
}

/// The seconds of a cell that has answered its question, well or badly. One that broke may have ended at once.
fn really_played(outcome: &Outcome) -> Option<f64> {
    let answered = [Kind::Pass, Kind::Fail, Kind::KnownBug, Kind::Fixed].contains(&outcome.verdict.kind);
    outcome.verdict.seconds.filter(|_| answered && outcome.cell.taken.is_none())
}

/// What a cell is called here: all repeats alike, and on each provider for itself.
fn name(plan: &Plan, cell: &PlannedCell) -> String {
    let id = cell.first();
    if plan.provider == "qemu" { id.to_string() } else { format!("{}:{id}", plan.provider) }
}

fn file(cache: &Cache) -> PathBuf {
    cache.root().join(FILE)
}

fn entries(cache: &Cache) -> Result<Vec<Entry>, String> {
    let text = match fs::read(file(cache)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let written: Written = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if written.format != FORMAT {
        return Err(format!("format {} is another version's", written.format));
    }
    let sound = |entry: &Entry| (0.0..=LONGEST).contains(&entry.seconds);
    Ok(written.cells.into_iter().filter(sound).collect())
}

/// The newest of each, the new ones last, no more than `most`.
fn merged(old: Vec<Entry>, new: Vec<Entry>, most: usize) -> Vec<Entry> {
    let mut seen = BTreeSet::new();
    let mut newest_first: Vec<Entry> =
        old.into_iter().chain(new).rev().filter(|entry| seen.insert(entry.cell.clone())).collect();
    newest_first.truncate(most);
    newest_first.reverse();
    newest_first
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::judge::Verdict;
    use crate::model::HostAsk;
    use crate::record::PassingLogs;
    use crate::report::Cell;

    fn entry(cell: &str, seconds: f64) -> Entry {
        Entry { cell: cell.to_owned(), seconds }
    }

    fn cell(scenario: &str, repeat: u32) -> PlannedCell {
        let host = HostAsk { criu: "4.3".to_owned(), ..HostAsk::sample() };
        PlannedCell::new(scenario, &host, None, repeat)
    }

    fn plan(provider: &str) -> Plan {
        Plan {
            format: Plan::FORMAT,
            provider: provider.to_owned(),
            memory_mib: 512,
            cpus: 1,
            image: None,
            sabotage: None,
            fresh: false,
            passing_logs: PassingLogs::Keep,
            cell: Vec::new(),
            skipped: Vec::new(),
            known_bug: Vec::new(),
            stories: BTreeMap::new(),
        }
    }

    fn came_to(cell: &PlannedCell, kind: Kind, seconds: Option<f64>) -> Outcome {
        let verdict = Verdict { seconds, ..Verdict::new(kind, "") };
        Outcome { cell: Cell::new(cell, "qemu", &verdict), verdict }
    }

    fn run(cells: &[(&PlannedCell, f64)]) -> BTreeMap<CellId, Outcome> {
        let outcome = |cell: &PlannedCell, seconds| came_to(cell, Kind::Pass, Some(seconds));
        cells.iter().map(|(cell, seconds)| (cell.id.clone(), outcome(cell, *seconds))).collect()
    }

    #[test]
    fn what_a_run_took_is_known_to_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&folder.path().join("cache")).unwrap();
        let (one, again, other) = (cell("counter", 1), cell("counter", 2), cell("clone", 1));
        let remember = |provider: &str, outcomes: &BTreeMap<CellId, Outcome>| {
            remember(&cache, &plan(provider), &[&one, &again, &other], outcomes, &|_| {}).unwrap();
        };
        assert_eq!(Durations::read(&cache).of(&plan("qemu"), &one), None);
        remember("qemu", &run(&[(&one, 6.5), (&again, 7.5)]));
        remember("vagrant", &run(&[(&one, 60.0)]));
        remember("qemu", &run(&[(&other, 9.0)]));
        let read = Durations::read(&cache);
        assert_eq!(read.complaint, None);
        let of = |provider, cell| read.of(&plan(provider), cell);
        assert_eq!(
            [of("qemu", &one), of("qemu", &again), of("qemu", &other)],
            [Some(7.5), Some(7.5), Some(9.0)]
        );
        assert_eq!([of("vagrant", &one), of("vagrant", &other)], [Some(60.0), None]);
    }

    #[rstest]
    #[case::no_json("{\"format\": 1, \"cel")]
    #[case::something_else("[1, 2]")]
    #[case::a_later_format("{\"format\": 2, \"cells\": []}")]
    fn a_file_that_cannot_be_read_is_told_and_written_anew(#[case] text: &str) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&folder.path().join("cache")).unwrap();
        fs::write(file(&cache), text).unwrap();
        let complaint = Durations::read(&cache).complaint.unwrap();
        assert!(complaint.contains("durations.json"), "{complaint}");
        let one = cell("counter", 1);
        remember(&cache, &plan("qemu"), &[&one], &run(&[(&one, 6.5)]), &|_| {}).unwrap();
        let read = Durations::read(&cache);
        assert_eq!((read.of(&plan("qemu"), &one), read.complaint), (Some(6.5), None));
    }

    #[test]
    fn numbers_that_no_clock_gave_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&folder.path().join("cache")).unwrap();
        let cells = vec![entry("a", -1.0), entry("b", 1e300), entry("c", 3.0)];
        let text = serde_json::to_vec(&Written { format: FORMAT, cells }).unwrap();
        fs::write(file(&cache), text).unwrap();
        assert_eq!(entries(&cache).unwrap(), [entry("c", 3.0)]);
    }

    #[rstest]
    #[case::played(Kind::Fail, Some(6.5), Some(6.5))]
    #[case::unfinished(Kind::Broken, None, None)]
    #[case::unfit(Kind::Skip, Some(0.0), None)]
    #[case::broken(Kind::Broken, Some(0.1), None)]
    fn only_a_real_play_counts(#[case] kind: Kind, #[case] seconds: Option<f64>, #[case] due: Option<f64>) {
        let mut outcome = came_to(&cell("counter", 1), kind, seconds);
        assert_eq!(really_played(&outcome), due);
        outcome.cell.taken = Some("2026-11-03T12:00:01Z".to_owned());
        assert_eq!(really_played(&outcome), None, "an earlier run has played it");
    }

    #[test]
    fn the_newest_stay() {
        let old = vec![entry("a", 1.0), entry("b", 2.0), entry("c", 3.0)];
        let new = vec![entry("a", 9.0), entry("d", 4.0), entry("d", 5.0)];
        assert_eq!(merged(old, new, 3), [entry("c", 3.0), entry("a", 9.0), entry("d", 5.0)]);
    }
}
