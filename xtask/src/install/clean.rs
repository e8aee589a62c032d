//! What takes room in the cache, and how it is given back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::FlockArg;

use crate::install::cache::{Cache, CacheError, MARKER, at, remove_tree};

/// One thing in the cache.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `package`, or what was built: `kernel`, `userland`, …
    pub kind: String,
    /// Its key: a hash of what it was made from.
    pub key: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
    /// Where it is.
    pub path: PathBuf,
}

/// What `clean` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Things removed.
    pub entries: usize,
    /// Bytes of disk that they held.
    pub bytes: u64,
}

impl Cache {
    /// Everything that takes room, packages first.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, CacheError> {
        let mut entries = Vec::new();
        for (kind, dir) in self.shelves()? {
            entries.extend(on_shelf(&kind, &dir)?);
        }
        Ok(entries)
    }

    /// What was built of one kind.
    pub(crate) fn entries_of(&self, kind: &str) -> Result<Vec<Entry>, CacheError> {
        let dir = self.root.join("built").join(kind);
        if dir.is_dir() { on_shelf(kind, &dir) } else { Ok(Vec::new()) }
    }

    /// Deletes what was not used for so long, or everything.
    ///
    /// # Errors
    /// When another process uses the cache, or the disk refuses.
    pub fn clean(self, older_than: Option<Duration>) -> Result<Cleaned, CacheError> {
        let marker = self.root.join(MARKER);
        if !marker.is_file() {
            return Err(CacheError::NotOurs { root: self.root });
        }
        self.use_lock.relock(FlockArg::LockExclusiveNonblock).map_err(|errno| match errno {
            Errno::EWOULDBLOCK => CacheError::InUse { root: self.root.clone() },
            errno => CacheError::Io { path: marker.clone(), source: errno.into() },
        })?;
        let now = SystemTime::now();
        let mut cleaned = Cleaned::default();
        for entry in self.entries()? {
            let age = now.duration_since(entry.used).unwrap_or_default();
            if older_than.is_none_or(|limit| age >= limit) {
                remove_tree(&entry.path).map_err(at(&entry.path))?;
                cleaned.entries += 1;
                cleaned.bytes += entry.bytes;
            }
        }
        Ok(cleaned)
    }

    /// The folders whose items are entries, with their kinds.
    fn shelves(&self) -> Result<Vec<(String, PathBuf)>, CacheError> {
        let mut shelves = Vec::new();
        for (parent, kind) in [("blobs/sha256", Some("package")), ("built", None)] {
            let parent = self.root.join(parent);
            for item in fs::read_dir(&parent).map_err(at(&parent))? {
                let path = item.map_err(at(&parent))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                shelves.push((kind.map_or(name, str::to_owned), path));
            }
        }
        shelves.push(("apt".to_owned(), self.root.join("apt")));
        let boxes = self.root.join("vagrant/home/boxes");
        if boxes.is_dir() {
            shelves.push(("Vagrant's box".to_owned(), boxes));
        }
        Ok(shelves)
    }
}

fn on_shelf(kind: &str, dir: &Path) -> Result<Vec<Entry>, CacheError> {
    let mut entries = Vec::new();
    for item in fs::read_dir(dir).map_err(at(dir))? {
        let path = item.map_err(at(dir))?.path();
        let used = match fs::metadata(&path).and_then(|meta| meta.modified()) {
            // Another run has just removed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.map_err(at(&path))?,
        };
        let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entries.push(Entry { kind: kind.to_owned(), key, bytes: disk_usage(&path), used, path });
    }
    Ok(entries)
}

/// Bytes that a tree takes on disk; what cannot be read counts nothing.
fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    let below = if meta.is_dir() {
        fs::read_dir(path).map_or(0, |items| items.flatten().map(|item| disk_usage(&item.path())).sum())
    } else {
        0
    };
    meta.blocks() * 512 + below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_spares_what_was_just_used_and_waits_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("c")).unwrap();
        cache.built("x", "k", &|_| {}, |_| Ok::<(), CacheError>(())).unwrap();
        let second = Cache::open_at(&dir.path().join("c")).unwrap();
        assert!(matches!(second.clean(None), Err(CacheError::InUse { .. })));
        assert_eq!(cache.clean(Some(Duration::from_secs(3600))).unwrap().entries, 0);
        let cleaned = Cache::open_at(&dir.path().join("c")).unwrap().clean(None).unwrap();
        assert_eq!(cleaned.entries, 1);
    }
}
