//! Writes the record: one JSON line an event, on disk before `tell` returns, and the cells' folders beside it. Only that
//! a cell was taken from an earlier run may wait for the next event: nothing is lost with it.
//! What happens in a cell goes to a file of the cell's own, which is packed when it ends; that it began and ended is
//! among the events of the run.
//!
//! A full disk must not make half a record look whole. The first failure is kept, the torn line is cut off again,
//! and nothing more is written; the harness asks [`Recorder::failed`] and stops.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use super::lines::Lines;
use super::projection::Projection;
use super::{Paths, RunFolder};
use crate::model::{CellId, Event, Telling};

/// The record could not be written any further.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; the run stops here, free some space and take it up with --resume", .path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

/// Takes events and has them on disk when `tell` returns, but for [`Event::CellTaken`].
#[derive(Debug)]
pub struct Recorder {
    opened: Instant,
    inner: Mutex<Inner>,
    failed: OnceLock<WriteError>,
}

#[derive(Debug)]
struct Inner {
    paths: Paths,
    run: Lines,
    /// Of each cell that is being played.
    cells: HashMap<CellId, Lines>,
    projection: Projection,
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
        let run = Lines::open(path.clone(), whole).map_err(|source| WriteError { path, source })?;
        let projection = Projection::new(folder.cells());
        let inner = Inner { paths: folder.clone(), run, cells: HashMap::new(), projection };
        Ok(Self { opened: Instant::now(), inner: Mutex::new(inner), failed: OnceLock::new() })
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
    /// What a person browses comes first, then the cell's own record: when the run's says that a cell has ended, all
    /// of it is whole.
    fn write(&mut self, t: u64, event: &Event) -> Result<(), WriteError> {
        self.projection.show(event).map_err(|(path, source)| WriteError { path, source })?;
        let brackets = match event.cell() {
            Some(cell) => self.in_cell(t, cell, event)?,
            None => true,
        };
        if brackets { append(&mut self.run, t, event) } else { Ok(()) }
    }

    /// Writes what belongs to a cell, and says whether it belongs to the run as well.
    fn in_cell(&mut self, t: u64, cell: &CellId, event: &Event) -> Result<bool, WriteError> {
        if let Event::CellStarted { .. } = event {
            let path = self.paths.cell_events(cell);
            let lines = Lines::open(path.clone(), 0).map_err(|source| WriteError { path, source })?;
            append(self.cells.entry(cell.clone()).insert_entry(lines).into_mut(), t, event)?;
            return Ok(true);
        }
        // What comes after its end finds no open file.
        let Some(lines) = self.cells.get_mut(cell) else { return Ok(true) };
        append(lines, t, event)?;
        if !matches!(event, Event::CellEnded { .. }) {
            return Ok(false);
        }
        if let Some(lines) = self.cells.remove(cell) {
            let path = self.paths.cell_record(cell);
            lines.pack(&path).map_err(|source| WriteError { path, source })?;
        }
        Ok(true)
    }
}

fn append(lines: &mut Lines, t: u64, event: &Event) -> Result<(), WriteError> {
    lines.append(t, event).map_err(|source| WriteError { path: lines.path().to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::record::lines::Line;
    use crate::record::{RunRecord, read, read_cell, sample};

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

    /// The run with what happened in each of its cells.
    fn whole(folder: &Paths) -> RunRecord {
        let mut record = read(folder).unwrap().record;
        let ids: Vec<_> = record.cells.keys().cloned().collect();
        for id in ids {
            let cell = read_cell(folder, &record, &id).unwrap().unwrap();
            record.cells.insert(id, cell);
        }
        record
    }

    #[test]
    fn what_was_told_is_read_back() {
        let (_dir, folder) = folder();
        let recorder = Recorder::create(&folder).unwrap();
        let events = sample::run(&["counter", "clone"]);
        for (number, event) in events.iter().enumerate() {
            recorder.tell(event.clone());
            assert_eq!(whole(&folder), fold(&events[..=number]), "on disk when tell returns");
        }
        assert!(recorder.failed().is_none());
        assert_eq!(read(&folder).unwrap().torn, None);
        let text = fs::read_to_string(folder.events()).unwrap();
        let names = text
            .lines()
            .map(|line| line.split_once("\"event\":\"").unwrap().1.split_once('"').unwrap().0.to_owned());
        let names: Vec<_> = names.collect();
        let cell = ["cell-started", "cell-ended"];
        assert_eq!(names, [&["run-started", "note"][..], &cell, &cell, &["run-ended"]].concat());
        assert!(!folder.cell_events(&sample::id("counter")).exists(), "a cell that has ended is packed");
    }

    #[test]
    fn a_cells_record_that_is_gone_is_said() {
        let (_dir, folder) = folder();
        let recorder = Recorder::create(&folder).unwrap();
        sample::run(&["counter"]).into_iter().for_each(|event| recorder.tell(event));
        let id = sample::id("counter");
        fs::remove_file(folder.cell_record(&id)).unwrap();
        let record = read(&folder).unwrap().record;
        let message = read_cell(&folder, &record, &id).unwrap_err().to_string();
        assert!(
            message.ends_with("the record of a cell that was played is gone: play it again"),
            "{message}"
        );
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
        let record = whole(&folder);
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
        let of_cell = folder.cell_events(&sample::id("counter"));
        for file in [folder.events(), of_cell] {
            let mut torn = fs::read(&file).unwrap();
            torn.extend(b"{\"t\":99,\"event\":\"cell-en");
            fs::write(&file, &torn).unwrap();
        }

        let before = read(&folder).unwrap();
        assert_eq!(whole(&folder), fold(&events), "what an attempt had told is read as well");
        assert!(before.torn.is_some());
        let recorder = Recorder::resume(&folder, before.whole_bytes).unwrap();
        events.push(sample::started(true));
        events.extend(sample::cell("counter"));
        events[6..].iter().for_each(|event| recorder.tell(event.clone()));
        assert_eq!((whole(&folder), read(&folder).unwrap().torn), (fold(&events), None));
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
        assert_eq!(read(&folder).unwrap().record.cells.len(), 0, "no cell is told half");
    }
}
