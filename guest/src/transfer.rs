//! Files on their way to the guest and from it.

use std::fs;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guest::wire::{DATA_MAX, Reply};

/// A file that is coming. It stands under another name until it is whole.
pub(crate) struct Push {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    mode: u32,
    len: u64,
    left: u64,
}

impl Push {
    /// Makes the folders above it, and an empty file beside its place.
    pub(crate) fn new(id: u32, path: &str, mode: u32, len: u64) -> Result<Self, String> {
        let path = absolute(path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|error| told(folder, &error))?;
        let name = path.file_name().ok_or_else(|| format!("{}: not a file's name", path.display()))?;
        let temporary = folder.join(format!(".{}.{id}.part", name.to_string_lossy()));
        let file = File::create(&temporary).map_err(|error| told(&temporary, &error))?;
        Ok(Self { file, temporary, path, mode, len, left: len })
    }

    /// Takes the next bytes; `Some` when that was all of them and the file stands in its place.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Option<Reply>, String> {
        self.left =
            u64::try_from(bytes.len()).ok().and_then(|length| self.left.checked_sub(length)).ok_or_else(
                || format!("{}: more than the {} bytes that were said", self.path.display(), self.len),
            )?;
        self.file.write_all(bytes).map_err(|error| told(&self.path, &error))?;
        if self.left > 0 {
            return Ok(None);
        }
        self.settle().map_err(|error| told(&self.path, &error))?;
        Ok(Some(Reply::Done(self.len)))
    }

    fn settle(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(self.mode & 0o7777))?;
        fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        // Gone when it was renamed.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Bytes that are going.
pub(crate) struct Pull {
    source: Box<dyn Read>,
    path: PathBuf,
    sent: u64,
}

impl Pull {
    /// Those of a file. One that is not there gives none, where it `may_lack`.
    pub(crate) fn new(path: &str, may_lack: bool) -> Result<Self, String> {
        let path = absolute(path)?;
        let source: Box<dyn Read> = match File::open(&path) {
            Ok(file) => Box::new(file),
            Err(error) if may_lack && error.kind() == io::ErrorKind::NotFound => Box::new(io::empty()),
            Err(error) => return Err(told(&path, &error)),
        };
        Ok(Self { source, path, sent: 0 })
    }

    /// These.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self { source: Box::new(io::Cursor::new(bytes)), path: PathBuf::new(), sent: 0 }
    }

    /// The next piece; `Done` or `Refused` is the last. Sizes are not believed: files of /proc have none.
    pub(crate) fn next(&mut self) -> Reply {
        let mut bytes = vec![0; DATA_MAX];
        match self.source.read(&mut bytes) {
            Ok(0) => Reply::Done(self.sent),
            Ok(length) => {
                bytes.truncate(length);
                self.sent += length as u64;
                Reply::Data(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Reply::Data(Vec::new()),
            Err(error) => Reply::Refused(told(&self.path, &error)),
        }
    }
}

/// Writes over the beginning of a file.
pub(crate) fn overwrite(path: &str, bytes: &[u8]) -> Result<(), String> {
    let path = absolute(path)?;
    let mut file = OpenOptions::new().write(true).open(&path).map_err(|error| told(&path, &error))?;
    file.write_all(bytes).map_err(|error| told(&path, &error))
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(format!("{}: not an absolute path", path.display())) }
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
