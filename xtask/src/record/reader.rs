//! Reads a record back: the run's, and each cell's own. A last line that a kill tore is left out, and said; any other damage is an error,
//! because what follows it could be taken for something that it is not.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CellRecord, Paths, RunRecord};
use crate::model::{CellId, Event};

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A whole line is no event.
    #[error("{}:{line}: not an event ({source}); the record is damaged from here on", .path.display())]
    Garbage {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The first line is an event, and not the one that a record begins with.
    #[error("{}:1: a record begins with {begins}; this is not one", .path.display())]
    NoBeginning {
        /// The file.
        path: PathBuf,
        /// With which event it does.
        begins: &'static str,
    },
    /// A cell has ended, and what happened in it is not there.
    #[error("{}: the record of a cell that was played is gone: play it again", .path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// A newer harness wrote it.
    #[error(
        "{}:{line}: the record has format {found}, this build reads up to {}; use the criu-matrix that wrote it",
        .path.display(), Event::FORMAT
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The format that it has.
        found: u32,
    },
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// Milliseconds since the harness opened the record; counts anew when a run is resumed.
    #[serde(default)]
    pub t: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// A last line that was being written when the harness was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The line, from 1.
    pub line: usize,
    /// How many of its bytes are there.
    pub bytes: usize,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, bytes } = self;
        write!(
            f,
            "the record's last line ({line}) was cut off after {bytes} bytes by a kill, and is left out"
        )
    }
}

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Run,
    Cell,
}

impl Of {
    /// The event that it begins with.
    fn begins(self) -> &'static str {
        match self {
            Self::Run => "run-started",
            Self::Cell => "cell-started",
        }
    }

    fn is_begun_by(self, event: &Event) -> bool {
        match self {
            Self::Run => matches!(event, Event::RunStarted { .. }),
            Self::Cell => matches!(event, Event::CellStarted { .. }),
        }
    }
}

/// The lines of a record, one by one, so that a long one need not fit into memory.
pub struct Entries {
    path: PathBuf,
    from: Box<dyn BufRead>,
    of: Of,
    line: usize,
    whole_bytes: u64,
    torn: Option<Torn>,
    over: bool,
}

impl Entries {
    /// Opens the record of a run.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn of_run(paths: &Paths) -> Result<Self, ReadError> {
        Self::open(&paths.events(), Of::Run)
    }

    /// Opens the record of a cell, packed or being written; `None` where it has no file of its own.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn of_cell(paths: &Paths, cell: &CellId) -> Result<Option<Self>, ReadError> {
        // It may be packed between the second look and the third.
        for file in [paths.cell_record(cell), paths.cell_events(cell), paths.cell_record(cell)] {
            match Self::open(&file, Of::Cell) {
                Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(Some),
            }
        }
        Ok(None)
    }

    fn open(path: &Path, of: Of) -> Result<Self, ReadError> {
        let wrong = |source| ReadError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(wrong)?;
        let is_packed = path.extension().is_some_and(|end| end == "zst");
        let from: Box<dyn BufRead> = if is_packed {
            Box::new(BufReader::new(zstd::Decoder::new(file).map_err(wrong)?))
        } else {
            Box::new(BufReader::new(file))
        };
        Ok(Self { path: path.to_owned(), from, of, line: 0, whole_bytes: 0, torn: None, over: false })
    }

    /// Where the whole lines read so far end: a writer goes on from here.
    pub fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// The torn last line, once the end was reached.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut bytes = Vec::new();
        let read = self.from.read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.last() != Some(&b'\n') {
            self.torn = Some(Torn { line: self.line, bytes: read });
            return Ok(None);
        }
        let entry = match serde_json::from_slice::<Entry>(&bytes) {
            Ok(Entry { event: Event::RunStarted { format, .. }, .. }) if format > Event::FORMAT => {
                return Err(self.newer(format));
            }
            Ok(entry) => entry,
            Err(source) => {
                self.refuse_newer(&bytes)?;
                return Err(ReadError::Garbage { path: self.path.clone(), line: self.line, source });
            }
        };
        if self.line == 1 && !self.of.is_begun_by(&entry.event) {
            return Err(ReadError::NoBeginning { path: self.path.clone(), begins: self.of.begins() });
        }
        self.whole_bytes += read as u64;
        Ok(Some(entry))
    }

    /// Looks at the format alone: the rest of a newer line may not be readable at all.
    fn refuse_newer(&self, line: &[u8]) -> Result<(), ReadError> {
        #[derive(Deserialize)]
        struct Format {
            event: String,
            format: u32,
        }
        match serde_json::from_slice::<Format>(line) {
            Ok(it) if it.event == "run-started" && it.format > Event::FORMAT => Err(self.newer(it.format)),
            _ => Ok(()),
        }
    }

    fn newer(&self, found: u32) -> ReadError {
        ReadError::Newer { path: self.path.clone(), line: self.line, found }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.read().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The record of a run, folded.
#[derive(Debug)]
pub struct Read {
    /// What it tells.
    pub record: RunRecord,
    /// The last line, where a kill tore it.
    pub torn: Option<Torn>,
    /// Where its whole lines end, in bytes.
    pub whole_bytes: u64,
}

/// Reads the record of a run and folds it. What happened in a cell is for [`read_cell`].
///
/// # Errors
/// When the file cannot be read, a whole line is no event, or a newer harness wrote it.
pub fn read(paths: &Paths) -> Result<Read, ReadError> {
    let mut entries = Entries::of_run(paths)?;
    let mut record = RunRecord::default();
    for entry in &mut entries {
        record.take(&entry?.event);
    }
    Ok(Read { record, torn: entries.torn(), whole_bytes: entries.whole_bytes() })
}

/// Reads what happened in a cell; `None` where it was never begun.
///
/// # Errors
/// As [`read`], and when it has ended and its record is gone.
pub fn read_cell(paths: &Paths, record: &RunRecord, cell: &CellId) -> Result<Option<CellRecord>, ReadError> {
    let Some(told) = record.cells.get(cell) else { return Ok(None) };
    let Some(entries) = Entries::of_cell(paths, cell)? else {
        // In the first format it stood among the run's events.
        if told.has_ended() && told.tells_nothing() {
            return Err(ReadError::Gone { path: paths.cell_record(cell) });
        }
        return Ok(Some(told.clone()));
    };
    let mut played = CellRecord { taken: told.taken, ..CellRecord::default() };
    for entry in entries {
        played.take(&entry?.event);
    }
    // What was told of it after its end.
    played.broken = played.broken.or_else(|| told.broken.clone());
    Ok(Some(played))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::sample;

    fn lines(events: &[Event]) -> Vec<u8> {
        events
            .iter()
            .flat_map(|event| [serde_json::to_vec(event).unwrap(), b"\n".to_vec()].concat())
            .collect()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Read, ReadError> {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths(folder.path().to_owned());
        std::fs::write(paths.events(), bytes).unwrap();
        read(&paths)
    }

    #[track_caller]
    fn check_error(bytes: &[u8], expected: &str) {
        let error = read_bytes(bytes).unwrap_err().to_string();
        let message = error.split_once(':').unwrap().1;
        assert!(message.starts_with(expected), "{message}");
    }

    /// Whatever was on disk at a kill, what is read is what the first whole lines tell.
    #[track_caller]
    fn check_cut(events: &[Event], bytes: &[u8], at: usize) {
        let whole = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let mut expected = RunRecord::default();
        events[..whole].iter().for_each(|event| expected.take(event));
        let got = read_bytes(&bytes[..at]).unwrap();
        assert_eq!(got.record, expected, "cut at {at}");
        let is_torn = at > 0 && bytes[at - 1] != b'\n';
        assert_eq!(got.torn.is_some(), is_torn, "cut at {at}");
        assert_eq!(got.whole_bytes as usize + got.torn.map_or(0, |torn| torn.bytes), at);
    }

    #[test]
    fn cut_at_every_byte_a_record_is_a_prefix() {
        let mut events = sample::run(&["counter"]);
        events.push(sample::started(true));
        events.extend(sample::cell("counter"));
        let bytes = lines(&events);
        for at in 0..=bytes.len() {
            check_cut(&events, &bytes, at);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn cut_anywhere_whatever_was_printed(notes in prop::collection::vec(".*", 0..12), at in any::<prop::sample::Index>()) {
            let mut events = vec![sample::started(false)];
            events.extend(notes.into_iter().map(|text| Event::Note { text }));
            let bytes = lines(&events);
            check_cut(&events, &bytes, at.index(bytes.len() + 1));
        }
    }

    #[test]
    fn damage_is_an_error_with_its_line() {
        let good = lines(&[sample::started(false)]);
        let note = lines(&[Event::Note { text: "n".into() }]);
        check_error(&[&good[..], b"{\"event\":\n", &note].concat(), "2: not an event");
        check_error(&[&good[..], b"\xff\xfe\n"].concat(), "2: not an event");
        check_error(&[&good[..], b"{\"event\":\"unheard-of\"}\n"].concat(), "2: not an event");
        check_error(&note, "1: a record begins with run-started");
        check_error(&[&good[..good.len() - 9], &note].concat(), "1: not an event");
    }

    #[test]
    fn a_newer_format_is_refused_even_where_the_rest_is_strange() {
        check_error(
            b"{\"t\":0,\"event\":\"run-started\",\"format\":3,\"when\":[]}\n",
            "1: the record has format 3, this build reads up to 2",
        );
    }

    #[test]
    fn lines_without_the_time_are_read_and_unknown_keys_passed_over() {
        let line = r#"{"event":"note","text":"t","later":1}"#;
        let entry: Entry = serde_json::from_str(line).unwrap();
        assert_eq!(entry, Entry { t: None, event: Event::Note { text: "t".into() } });
    }

    #[test]
    fn an_empty_file_is_a_run_that_was_killed_at_once() {
        assert_eq!(read_bytes(b"").unwrap().record, RunRecord::default());
    }

    #[test]
    fn a_torn_line_is_said() {
        let torn =
            read_bytes(&[&lines(&[sample::started(false)])[..], b"{\"ev"].concat()).unwrap().torn.unwrap();
        insta::assert_snapshot!(torn, @"the record's last line (2) was cut off after 4 bytes by a kill, and is left out");
    }
}
