//! The folder of one run: who holds it, and how it is told from folders that are not ours.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::paths::{MARKER, Marker, Paths};

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another run is in it.
    #[error("{} is in use by another run (pid {holder}): wait for it, stop it, or choose another folder with --out",
        .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, as far as it has said.
        holder: String,
    },
    /// It has files in it, and none of them says that it is ours.
    #[error("{} is not empty and no run folder (it has no {MARKER}): choose another with --out", .folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no run in it.
    #[error("{} is no run folder (it has no {MARKER}): give the folder of a run", .folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// A run is there already.
    #[error("{} holds a run already: --resume takes it up again, --out begins another", .folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// No run to take up was found.
    #[error("{} holds no run yet: start one without --resume", .runs.display())]
    NoneYet {
        /// The folder of runs.
        runs: PathBuf,
    },
    /// A newer harness made it.
    #[error("{} has format {found}, this build knows {}: use the criu-matrix that made it",
        .folder.display(), Marker::FORMAT)]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// The format that it has.
        found: u32,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A run folder that is ours alone until this value is dropped.
#[derive(Debug)]
pub struct RunFolder {
    paths: Paths,
    _lock: Flock<File>,
}

impl Deref for RunFolder {
    type Target = Paths;

    fn deref(&self) -> &Paths {
        &self.paths
    }
}

impl RunFolder {
    /// Makes the folder of a new run; one that is empty is taken as it is.
    ///
    /// # Errors
    /// When it holds a run already, holds anything else, or cannot be made.
    pub fn create(folder: &Path) -> Result<Self, FolderError> {
        fs::create_dir_all(folder).map_err(io("make", folder))?;
        if folder.join(MARKER).exists() {
            // Whether somebody is in it matters more to the reader than that it is taken.
            let _held = hold(folder)?;
            return Err(FolderError::Exists { folder: folder.to_owned() });
        }
        let mut others = fs::read_dir(folder).map_err(io("read", folder))?;
        if others.any(|entry| entry.is_ok_and(|entry| entry.file_name() != LOCK)) {
            return Err(FolderError::NotOurs { folder: folder.to_owned() });
        }
        let lock = hold(folder)?;
        let paths = Paths(folder.to_owned());
        let marker = Marker { format: Marker::FORMAT, created: Timestamp::now() };
        let marker = toml::to_string(&marker).unwrap_or_default();
        // In place: half a marker still says that the folder is ours, a stray temporary file does not.
        fs::write(folder.join(MARKER), marker).map_err(io("write", &folder.join(MARKER)))?;
        Ok(Self { paths, _lock: lock })
    }

    /// Takes up the run of a folder.
    ///
    /// # Errors
    /// When another run is in it, or it is none of ours.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        let paths = Paths::of(folder)?;
        Ok(Self { paths, _lock: hold(folder)? })
    }

    /// Writes a file whole or not at all: a report that was cut off is never taken for one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn put(&self, path: &Path, contents: &[u8]) -> Result<(), FolderError> {
        put(path, contents)
    }
}

/// Moves a cell's folder out of the way of its next attempt; it is never deleted. Returns where it went.
///
/// # Errors
/// When the folder is there and cannot be renamed.
pub(super) fn set_aside(folder: &Path) -> io::Result<Option<PathBuf>> {
    if !folder.try_exists()? {
        return Ok(None);
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut number = 1;
    loop {
        let aside = folder.with_file_name(format!("{name}.interrupted-{number}"));
        if !aside.try_exists()? {
            fs::rename(folder, &aside)?;
            return Ok(Some(aside));
        }
        number += 1;
    }
}

/// A name for a new run below `runs`, by the time of its start: `2026-11-03T12-00-00Z`, with `-2` behind it when taken.
pub fn fresh_name(runs: &Path, now: Timestamp) -> PathBuf {
    let name = now.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let names = std::iter::once(name.clone()).chain((2..).map(|number: u32| format!("{name}-{number}")));
    let mut free = names.map(|name| runs.join(name)).filter(|path| !path.exists());
    free.next().unwrap_or_else(|| runs.join(&name))
}

/// The run below `runs` that was started last.
///
/// # Errors
/// When there is none, or the folder cannot be read.
pub fn newest(runs: &Path) -> Result<PathBuf, FolderError> {
    let none = || FolderError::NoneYet { runs: runs.to_owned() };
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(none()),
        Err(error) => return Err(io("read", runs)(error)),
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|folder| Some((Marker::of(&folder)?.created, folder)))
        .max()
        .map(|(_, folder)| folder)
        .ok_or_else(none)
}

const LOCK: &str = "lock";

/// Takes the folder's lock and writes our pid into it. The lock goes with the process, however it ends.
fn hold(folder: &Path) -> Result<Flock<File>, FolderError> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(io("open", &path))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
            written.map_err(io("write", &path))?;
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let read = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            let known = read.is_ok() && !holder.trim().is_empty();
            let holder = if known { holder.trim().to_owned() } else { "unknown".to_owned() };
            Err(FolderError::InUse { folder: folder.to_owned(), holder })
        }
        Err((_, errno)) => Err(io("lock", &path)(errno.into())),
    }
}

fn put(path: &Path, contents: &[u8]) -> Result<(), FolderError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or(OsStr::new("file")).to_string_lossy();
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(io("write", path))?;
    file.write_all(contents).and_then(|()| file.as_file().sync_all()).map_err(io("write", path))?;
    file.persist(path).map_err(|error| io("write", path)(error.error))?;
    Ok(())
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(result: Result<RunFolder, FolderError>, folder: &Path, expected: &str) {
        let message = result.unwrap_err().to_string();
        assert_eq!(message.replace(&folder.display().to_string(), "DIR"), expected);
    }

    #[test]
    fn a_second_run_in_the_same_folder_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunFolder::create(dir.path()).unwrap();
        let expected = format!(
            "DIR is in use by another run (pid {}): wait for it, stop it, or choose another folder with --out",
            std::process::id()
        );
        check_refused(RunFolder::open(dir.path()), dir.path(), &expected);
        check_refused(RunFolder::create(dir.path()), dir.path(), &expected);
        assert!(Paths::of(dir.path()).is_ok(), "reading needs no lock");
        drop(first);
        RunFolder::open(dir.path()).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        check_refused(
            RunFolder::create(dir.path()),
            dir.path(),
            "DIR is not empty and no run folder (it has no .criu-matrix-run): choose another with --out",
        );
        check_refused(
            RunFolder::open(dir.path()),
            dir.path(),
            "DIR is no run folder (it has no .criu-matrix-run): give the folder of a run",
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was added");
    }

    #[test]
    fn a_run_is_not_begun_twice() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunFolder::create(dir.path()).unwrap());
        let expected = "DIR holds a run already: --resume takes it up again, --out begins another";
        check_refused(RunFolder::create(dir.path()), dir.path(), expected);
    }

    #[test]
    fn a_creation_that_was_killed_after_the_lock_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(LOCK), "4711\n").unwrap();
        RunFolder::create(dir.path()).unwrap();
    }

    #[test]
    fn a_newer_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARKER), "format = 9\ncreated = \"2031-01-01T00:00:00Z\"\n").unwrap();
        let expected = "DIR has format 9, this build knows 1: use the criu-matrix that made it";
        check_refused(RunFolder::open(dir.path()), dir.path(), expected);
    }

    #[test]
    fn the_newest_run_is_the_one_started_last() {
        let runs = tempfile::tempdir().unwrap();
        let message = newest(runs.path()).unwrap_err().to_string();
        assert!(message.ends_with("holds no run yet: start one without --resume"), "{message}");
        for (name, created) in [("zz", "2026-11-01T00:00:00Z"), ("aa", "2026-11-02T00:00:00Z")] {
            fs::create_dir(runs.path().join(name)).unwrap();
            fs::write(runs.path().join(name).join(MARKER), format!("format = 1\ncreated = \"{created}\"\n"))
                .unwrap();
        }
        fs::create_dir(runs.path().join("zzz-not-ours")).unwrap();
        assert_eq!(newest(runs.path()).unwrap(), runs.path().join("aa"));
    }

    #[test]
    fn names_of_runs_do_not_clash() {
        let runs = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
        let first = fresh_name(runs.path(), now);
        assert!(first.ends_with("2026-11-03T12-00-00Z"));
        fs::create_dir(first).unwrap();
        assert!(fresh_name(runs.path(), now).ends_with("2026-11-03T12-00-00Z-2"));
    }

    #[test]
    fn a_file_is_put_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path()).unwrap();
        folder.put(&folder.report_json(), b"{}").unwrap();
        folder.put(&folder.report_json(), b"{\"format\":1}").unwrap();
        assert_eq!(fs::read_to_string(folder.report_json()).unwrap(), "{\"format\":1}");
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [MARKER, "lock", "report.json"]);
    }
}
