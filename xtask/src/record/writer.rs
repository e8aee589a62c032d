//! Writes the record: one JSON line an event, on disk before `tell` returns, and the cells' folders beside it.
//!
//! A full disk must not make half a record look whole. The first failure is kept, the torn line is cut off again,
//! and nothing more is written; the harness asks [`Recorder::failed`] and stops.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::projection::Projection;
use super::{Paths, RunFolder};
use crate::model::{Event, Telling};

/// The record could not be written any further.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; the run stops here, free some space and take it up with --resume", .path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

/// Takes events and has them on disk when `tell` returns.
#[derive(Debug)]
pub struct Recorder {
    opened: Instant,
    inner: Mutex<Inner>,
    failed: OnceLock<WriteError>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    whole: u64,
    projection: Projection,
}

/// One line as written; its twin for reading is `reader::Entry`.
#[derive(Serialize)]
struct Line<'a> {
    t: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Recorder {
    /// Begins the record of a new run.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(folder: &RunFolder) -> Result<Self, WriteError> {
        Self::at(folder, 0)
    }

    /// Goes on with a record after `whole_bytes`, which a reader found: a torn last line is cut off first.
    ///
    /// # Errors
    /// When the file cannot be opened or shortened.
    pub fn resume(folder: &RunFolder, whole_bytes: u64) -> Result<Self, WriteError> {
        Self::at(folder, whole_bytes)
    }

    fn at(folder: &Paths, whole: u64) -> Result<Self, WriteError> {
        let path = folder.events();
        let open = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            // A device, which a test puts here, has no length to set.
            if file.metadata()?.is_file() {
                file.set_len(whole)?;
                file.seek(SeekFrom::Start(whole))?;
                file.sync_all()?;
            }
            // The name of a new file is on disk only when its folder is.
            File::open(folder.root())?.sync_all()?;
            Ok(file)
        };
        match open() {
            Ok(file) => {
                let inner = Inner { path, file, whole, projection: Projection::new(folder.cells()) };
                Ok(Self { opened: Instant::now(), inner: Mutex::new(inner), failed: OnceLock::new() })
            }
            Err(source) => Err(WriteError { path, source }),
        }
    }

    /// Why nothing is written any more; `None` while all is well. Ask after each step.
    pub fn failed(&self) -> Option<&WriteError> {
        self.failed.get()
    }
}

impl Telling for Recorder {
    fn tell(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if self.failed.get().is_some() {
            return;
        }
        let t = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = inner.write(t, &event) {
            let _ = self.failed.set(error);
        }
    }
}

impl Inner {
    /// What a person browses comes first: when the record says that a cell has ended, its folder is whole.
    fn write(&mut self, t: u64, event: &Event) -> Result<(), WriteError> {
        self.projection.show(event).map_err(|(path, source)| WriteError { path, source })?;
        self.append(t, event).map_err(|source| {
            // Best effort: a reader leaves a torn last line out by itself.
            let _ = self.file.set_len(self.whole);
            WriteError { path: self.path.clone(), source }
        })
    }

    fn append(&mut self, t: u64, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { t, event })?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.whole += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::record::{RunRecord, read, sample};

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&dir.path().join("run")).unwrap();
        (dir, folder)
    }

    fn fold(events: &[Event]) -> RunRecord {
        let mut record = RunRecord::default();
        events.iter().for_each(|event| record.take(event));
        record
    }

    #[test]
    fn what_was_told_is_read_back() {
        let (_dir, folder) = folder();
        let recorder = Recorder::create(&folder).unwrap();
        let events = sample::run(&["counter", "clone"]);
        for (number, event) in events.iter().enumerate() {
            recorder.tell(event.clone());
            let text = fs::read_to_string(folder.events()).unwrap();
            assert_eq!(text.lines().count(), number + 1, "on disk when tell returns");
        }
        assert!(recorder.failed().is_none());
        let read = read(&folder.events()).unwrap();
        assert_eq!((read.record, read.torn), (fold(&events), None));
    }

    #[test]
    fn lines_look_like_this() {
        let line = Line { t: 1234, event: &sample::cell("counter")[5] };
        insta::assert_snapshot!(serde_json::to_string(&line).unwrap(), @r#"{"t":1234,"event":"command-ended","cell":"counter@k6.12@trixie@c4.1.1@criu@max","step":1,"role":"source","line":"criu dump -t 321 -D one","decisive":true,"finished":{"exit":{"status":1},"stdout":"","stderr":"criu: half\na line","millis":412}}"#);
    }

    #[test]
    fn many_threads_write_whole_lines() {
        let (_dir, folder) = folder();
        let recorder = Recorder::create(&folder).unwrap();
        recorder.tell(sample::started(false));
        let names: Vec<String> = (0..8).map(|number| format!("scenario-{number}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| sample::cell(name).into_iter().for_each(|event| recorder.tell(event)));
            }
        });
        let record = read(&folder.events()).unwrap().record;
        let expected: Vec<Event> = names.iter().flat_map(|name| sample::cell(name)).collect();
        assert_eq!(record.cells, fold(&expected).cells);
    }

    #[test]
    fn a_killed_run_goes_on_behind_its_last_whole_line() {
        let (_dir, folder) = folder();
        let recorder = Recorder::create(&folder).unwrap();
        let mut events = sample::run(&["counter"]);
        events.truncate(6);
        events.iter().for_each(|event| recorder.tell(event.clone()));
        drop(recorder);
        let mut torn = fs::read(folder.events()).unwrap();
        torn.extend(b"{\"t\":99,\"event\":\"cell-en");
        fs::write(folder.events(), &torn).unwrap();

        let before = read(&folder.events()).unwrap();
        assert!(before.torn.is_some());
        let recorder = Recorder::resume(&folder, before.whole_bytes).unwrap();
        events.push(sample::started(true));
        events.extend(sample::cell("counter"));
        events[6..].iter().for_each(|event| recorder.tell(event.clone()));
        let after = read(&folder.events()).unwrap();
        assert_eq!((after.record, after.torn), (fold(&events), None));
        let aside = folder.cells().join(format!("{}.interrupted-1", sample::id("counter")));
        assert!(aside.join("story.log").exists());
    }

    #[test]
    fn a_full_disk_surfaces_and_stops_the_writing() {
        let (_dir, folder) = folder();
        symlink("/dev/full", folder.events()).unwrap();
        let recorder = Recorder::create(&folder).unwrap();
        recorder.tell(sample::started(false));
        let first = recorder.failed().unwrap().to_string();
        assert!(first.contains("events.jsonl: No space left on device"), "{first}");
        recorder.tell(sample::cell("counter")[0].clone());
        assert_eq!(recorder.failed().unwrap().to_string(), first, "the first failure is kept");
        assert!(!folder.cells().exists(), "nothing is written any more");
    }

    #[test]
    fn a_cell_folder_that_cannot_be_written_surfaces_too() {
        let (_dir, folder) = folder();
        fs::write(folder.cells(), "a file in the way").unwrap();
        let recorder = Recorder::create(&folder).unwrap();
        recorder.tell(sample::started(false));
        recorder.tell(sample::cell("counter")[0].clone());
        assert!(recorder.failed().unwrap().to_string().contains("/cells/counter@"));
        assert_eq!(read(&folder.events()).unwrap().record.cells.len(), 0, "no cell is told half");
    }
}
