//! The store itself: below each key a cell's record, its logs in one file, and what it came to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::install::{Bound, Cache};
use crate::model::CellId;
use crate::record::{self, LOGS, Paths, RECORD};
use crate::report::Outcome;

/// The kind of entry that a result is in the cache.
const KIND: &str = "result";
/// What it came to.
const RESULT: &str = "result.json";

/// How much room results may take; one has 50 to 100 KiB. What was not used for the longest time goes first.
const BOUND: Bound = Bound { bytes: 4 << 30, entries: 50_000 };

/// The store.
pub struct Store<'a>(pub &'a Cache);

/// What is kept beside record and logs.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// What it was judged by.
    by: String,
    /// When it was played, RFC 3339, UTC.
    started: String,
    /// Wall time of the whole cell then.
    seconds: f64,
    outcome: Outcome,
}

/// A result that was found.
#[derive(Debug)]
pub struct Found {
    /// The folder itself, whatever another run lays under its name meanwhile.
    folder: File,
    kept: Kept,
}

impl Store<'_> {
    /// The result under that key, if there is one that can be read.
    pub fn find(&self, key: &str) -> Option<Found> {
        let folder = File::open(self.0.find(KIND, key)?).ok()?;
        let kept = serde_json::from_slice(&fs::read(within(&folder, RESULT)).ok()?).ok()?;
        Some(Found { folder, kept })
    }

    /// Keeps what a cell of a run folder came to, which was judged by `by`.
    ///
    /// # Errors
    /// When the file system refuses; nothing is kept then.
    pub fn put(
        &self,
        key: &str,
        paths: &Paths,
        started: &str,
        by: &str,
        outcome: &Outcome,
    ) -> io::Result<()> {
        let cell = &outcome.cell.id;
        let scratch = self.0.scratch().map_err(io::Error::other)?;
        let folder = scratch.path().join(key);
        fs::create_dir(&folder)?;
        link(&paths.cell_record(cell), &folder.join(RECORD))?;
        let logs = File::create(folder.join(LOGS))?;
        record::pack(&paths.cell(cell), &logs)?;
        logs.sync_all()?;
        let kept = Kept {
            by: by.to_owned(),
            started: started.to_owned(),
            seconds: outcome.verdict.seconds.unwrap_or_default(),
            outcome: outcome.clone(),
        };
        // Whole on disk before it is there under its key.
        let mut result = File::create(folder.join(RESULT))?;
        result.write_all(&serde_json::to_vec(&kept)?)?;
        result.sync_all()?;
        self.0.take_over(KIND, key, &folder).map_err(io::Error::other)
    }

    /// Keeps with a result what `by` makes of it, in place of what others made of it.
    ///
    /// # Errors
    /// When the file system refuses; what was kept stays then.
    pub fn judged_anew(&self, found: &Found, by: &str, outcome: &Outcome) -> io::Result<()> {
        let Kept { started, seconds, .. } = &found.kept;
        let kept =
            Kept { by: by.to_owned(), started: started.clone(), seconds: *seconds, outcome: outcome.clone() };
        let scratch = self.0.scratch().map_err(io::Error::other)?;
        let result = scratch.path().join(RESULT);
        fs::write(&result, serde_json::to_vec(&kept)?)?;
        fs::rename(&result, within(&found.folder, RESULT))
    }

    /// Removes what is kept under that key.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget(&self, key: &str) -> io::Result<()> {
        self.0.forget(KIND, key).map_err(io::Error::other)
    }

    /// Removes what was not used for the longest time, where there is too much.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn trim(&self) -> io::Result<()> {
        self.0.trim(KIND, BOUND).map_err(io::Error::other)
    }
}

impl Found {
    /// When it was played, RFC 3339, UTC.
    pub fn started(&self) -> &str {
        &self.kept.started
    }

    /// Wall time of the whole cell then, in seconds.
    pub fn seconds(&self) -> f64 {
        self.kept.seconds
    }

    /// What it came to, where it was judged by the same.
    pub fn outcome(&self, by: &str) -> Option<&Outcome> {
        (self.kept.by == by).then_some(&self.kept.outcome)
    }

    /// Lays its record, and its logs in one file, into a run folder.
    ///
    /// # Errors
    /// When the file system refuses, or the result has been cleared away.
    pub fn lay(&self, paths: &Paths, cell: &CellId) -> io::Result<()> {
        let folder = record::room_for(paths, cell)?;
        for name in [RECORD, LOGS] {
            link(&within(&self.folder, name), &folder.join(name))?;
        }
        Ok(())
    }
}

/// That file in an open folder.
fn within(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

/// We never write to either of the two again: a second name costs nothing, and outlives the first.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    // Another file system, or one without links.
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Kind, Verdict};
    use crate::model::HostAsk;
    use crate::plan::PlannedCell;
    use crate::record::RunFolder;
    use crate::report::Cell;

    fn outcome() -> Outcome {
        let host = HostAsk::sample();
        let verdict = Verdict { seconds: Some(6.5), ..Verdict::new(Kind::Pass, "") };
        Outcome { cell: Cell::new(&PlannedCell::new("counter", &host, None, 1), "qemu", &verdict), verdict }
    }

    /// A run folder in which that cell was played.
    fn run(top: &Path, name: &str, log: &str) -> RunFolder {
        let folder = RunFolder::create(&top.join(name)).unwrap();
        let cell = folder.cell(&outcome().cell.id);
        fs::create_dir_all(&cell).unwrap();
        fs::write(cell.join(RECORD), format!("record of {name}")).unwrap();
        fs::write(cell.join("story.log"), log).unwrap();
        folder
    }

    #[test]
    fn a_result_is_laid_into_another_run_and_can_be_forgotten() {
        let top = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&top.path().join("cache")).unwrap();
        let (store, outcome) = (Store(&cache), outcome());
        let at = "2026-11-03T12:00:00Z";
        assert!(store.find("k").is_none());
        store.put("k", &run(top.path(), "one", "first"), at, "judge", &outcome).unwrap();
        // The newer one stands in its place.
        store.put("k", &run(top.path(), "two", "second"), at, "judge", &outcome).unwrap();

        let mut found = store.find("k").unwrap();
        assert_eq!((found.started(), found.outcome("judge")), (at, Some(&outcome)));
        assert_eq!(found.outcome("another judge"), None);
        store.judged_anew(&found, "another judge", &outcome).unwrap();
        let older = std::mem::replace(&mut found, store.find("k").unwrap());
        assert_eq!((found.started(), found.outcome("another judge")), (at, Some(&outcome)));
        store.put("k", &run(top.path(), "three", "third"), at, "judge", &outcome).unwrap();
        store.judged_anew(&older, "another judge", &outcome).unwrap_err();
        let found = store.find("k").unwrap();
        assert_eq!(found.outcome("judge"), Some(&outcome), "the newest stands");
        let other = RunFolder::create(&top.path().join("other")).unwrap();
        found.lay(&other, &outcome.cell.id).unwrap();
        assert_eq!(fs::read_to_string(other.cell_record(&outcome.cell.id)).unwrap(), "record of three");
        let unpacked = top.path().join("unpacked");
        record::unpack(&other.cell_logs(&outcome.cell.id), &unpacked).unwrap();
        assert_eq!(fs::read_to_string(unpacked.join("story.log")).unwrap(), "third");

        store.trim().unwrap();
        store.forget("k").unwrap();
        store.forget("k").unwrap();
        assert!(store.find("k").is_none());
        assert!(other.cell_record(&outcome.cell.id).exists(), "what was laid stays");
    }
}
