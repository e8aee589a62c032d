//! One file of events: a JSON line each, on disk before `append` returns unless nothing is lost with it; packed once no
//! more will come.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::Event;

/// How hard a record is packed. Beyond this level time doubles for a twentieth less.
const LEVEL: i32 = 3;

/// A file of events that is being written.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    whole: u64,
}

/// One line as written; its twin for reading is `reader::Entry`.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) t: u64,
    #[serde(flatten)]
    pub(super) event: &'a Event,
}

impl Lines {
    /// Opens a file, makes it if need be, and goes on after so many bytes.
    pub(super) fn open(path: PathBuf, whole: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        // A device, which a test puts here, has no length to set.
        if file.metadata()?.is_file() {
            file.set_len(whole)?;
            file.seek(SeekFrom::Start(whole))?;
            file.sync_all()?;
        }
        // The name of a new file is on disk only when its folder is.
        sync_folder(&path)?;
        Ok(Self { path, file, whole })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line whole, or cuts off what there is of it.
    pub(super) fn append(&mut self, t: u64, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { t, event })?;
        line.push(b'\n');
        // What is taken from an earlier run can be taken again; the next event brings it to the disk.
        let lossless = matches!(event, Event::CellTaken { .. });
        let sync = || if lossless { Ok(()) } else { self.file.sync_data() };
        let written = (&self.file).write_all(&line).and_then(|()| sync());
        if written.is_err() {
            // Best effort: a reader leaves a torn last line out by itself.
            let _ = self.file.set_len(self.whole);
        }
        written?;
        self.whole += line.len() as u64;
        Ok(())
    }

    /// Puts the packed file in this one's place: whichever of the two is there is whole.
    pub(super) fn pack(self, packed: &Path) -> io::Result<()> {
        let folder = packed.parent().unwrap_or(Path::new("."));
        let mut whole = tempfile::NamedTempFile::new_in(folder)?;
        zstd::stream::copy_encode(File::open(&self.path)?, &mut whole, LEVEL)?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        whole.as_file().set_permissions(permissions)?;
        whole.as_file().sync_all()?;
        whole.persist(packed).map_err(|error| error.error)?;
        sync_folder(packed)?;
        fs::remove_file(&self.path)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
