//! What lies where in a run folder, and the marker that says that it is one.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FolderError;
use crate::model::CellId;

/// A folder with this file in it is a run folder of ours. Nothing else is ever written to or removed.
pub(super) const MARKER: &str = ".criu-matrix-run";

/// A record while it is written.
pub(super) const EVENTS: &str = "events.jsonl";
/// A cell's record once it is whole.
pub const RECORD: &str = "events.jsonl.zst";
/// A cell's files in one.
pub const LOGS: &str = "logs.tar.zst";

/// What lies where in a run folder. Holding this locks nothing: it is enough for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths(pub(super) PathBuf);

impl Paths {
    /// The paths of a finished, running or interrupted run, for reading.
    ///
    /// # Errors
    /// When the folder is none of ours, or made by a newer harness.
    pub fn of(folder: &Path) -> Result<Self, FolderError> {
        let folder_owned = || folder.to_owned();
        if !folder.join(MARKER).is_file() {
            return Err(FolderError::NoRun { folder: folder_owned() });
        }
        match Marker::of(folder) {
            Some(marker) if marker.format > Marker::FORMAT => {
                Err(FolderError::Newer { folder: folder_owned(), found: marker.format })
            }
            _ => Ok(Self(folder_owned())),
        }
    }

    /// The run folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// What is run: the cells and the skips.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.toml")
    }

    /// Which packages the axes were resolved to.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock.toml")
    }

    /// The record of the run: when it began and ended, and each of its cells.
    pub fn events(&self) -> PathBuf {
        self.0.join(EVENTS)
    }

    /// The folder of the cells' folders.
    pub fn cells(&self) -> PathBuf {
        self.0.join("cells")
    }

    /// A cell's folder.
    pub fn cell(&self, cell: &CellId) -> PathBuf {
        self.cells().join(cell.as_str())
    }

    /// A cell's own record, while it is being played.
    pub fn cell_events(&self, cell: &CellId) -> PathBuf {
        self.cell(cell).join(EVENTS)
    }

    /// A cell's own record, whole and compressed, once it has ended.
    pub fn cell_record(&self, cell: &CellId) -> PathBuf {
        self.cell(cell).join(RECORD)
    }

    /// A cell's other files in one, where they are not kept one by one.
    pub fn cell_logs(&self, cell: &CellId) -> PathBuf {
        self.cell(cell).join(LOGS)
    }

    /// What each cell came to, as this run's harness judged it: saves a reader the judging, and may be deleted.
    pub fn outcomes(&self) -> PathBuf {
        self.0.join("outcomes.jsonl")
    }

    /// Where the time went, for programs that draw it.
    pub fn trace(&self) -> PathBuf {
        self.0.join("trace.json")
    }

    /// The report that other tools read.
    pub fn report_json(&self) -> PathBuf {
        self.0.join("report.json")
    }

    /// The report that people read.
    pub fn report_markdown(&self) -> PathBuf {
        self.0.join("report.md")
    }

    /// What changed since the baseline, as people read it.
    pub fn diff_markdown(&self) -> PathBuf {
        self.0.join("diff.md")
    }

    /// What changed since the baseline, as other tools read it.
    pub fn diff_json(&self) -> PathBuf {
        self.0.join("diff.json")
    }

    /// The report that the next run is to be compared with.
    pub fn baseline(&self) -> PathBuf {
        self.0.join("baseline.json")
    }

    /// The report that CI systems read.
    pub fn junit(&self) -> PathBuf {
        self.0.join("junit.xml")
    }
}

/// What the marker file says.
#[derive(Serialize, Deserialize)]
pub(super) struct Marker {
    /// The version of the folder's layout.
    pub(super) format: u32,
    /// When the run was first started.
    pub(super) created: Timestamp,
}

impl Marker {
    pub(super) const FORMAT: u32 = 1;

    pub(super) fn of(folder: &Path) -> Option<Self> {
        toml::from_str(&fs::read_to_string(folder.join(MARKER)).ok()?).ok()
    }
}
