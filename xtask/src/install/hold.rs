//! Things in the cache that are held while they are used, so that old ones can be given up while others run.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::cache::{Cache, CacheError, at, remove_tree};

/// The lock of a thing that is held, in its folder.
const IN_USE: &str = ".in-use";

/// Something that was built and stays for as long as this does.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    _in_use: Flock<File>,
}

impl Held {
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// How much of one kind is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Bytes on disk.
    pub bytes: u64,
    /// How many.
    pub entries: usize,
}

impl Cache {
    /// Holds what [`Cache::built`] gave.
    ///
    /// # Errors
    /// When it is gone: ask for it again.
    pub fn hold(&self, path: &Path) -> Result<Held, CacheError> {
        let lock = path.join(IN_USE);
        let file = OpenOptions::new().create(true).append(true).open(&lock).map_err(at(&lock))?;
        let in_use = Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| at(&lock)(errno.into()))?;
        // Whoever removes it has it to himself for as long as that takes.
        std::fs::metadata(&lock).map_err(at(&lock))?;
        Ok(Held { path: path.to_owned(), _in_use: in_use })
    }

    /// Removes something although others may use it: its files stay for those who have opened them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn discard(&self, held: &Held) -> Result<(), CacheError> {
        self.remove_whole(&held.path)
    }

    /// Out of sight first: a thing is there whole or not at all.
    pub(super) fn remove_whole(&self, path: &Path) -> Result<(), CacheError> {
        let grave = self.scratch()?;
        match std::fs::rename(path, grave.path().join("gone")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
            _ => remove_tree(grave.path()).map_err(at(grave.path())),
        }
    }

    /// Removes what was not used for the longest time, until the rest of its kind is within the bound. What is held
    /// stays.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn trim(&self, kind: &str, bound: Bound) -> Result<(), CacheError> {
        let mut entries = self.entries_of(kind)?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let (mut bytes, mut count) = (0, 0);
        for entry in entries {
            if bytes + entry.bytes <= bound.bytes && count < bound.entries {
                (bytes, count) = (bytes + entry.bytes, count + 1);
                continue;
            }
            let lock = entry.path.join(IN_USE);
            let file = match OpenOptions::new().create(true).append(true).open(&lock) {
                // Another run clears up as well.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(at(&lock))?,
            };
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(_mine) => self.remove_whole(&entry.path)?,
                Err((_, Errno::EWOULDBLOCK)) => {}
                Err((_, errno)) => return Err(at(&lock)(errno.into())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A cache with things of 8 KiB, the oldest first.
    fn filled(names: &[&str]) -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("c")).unwrap();
        for (age, name) in names.iter().rev().enumerate() {
            let write = |dir: &Path| std::fs::write(dir.join("f"), [1; 8192]).map_err(at(dir));
            let path = cache.built("x", name, &|_| {}, write).unwrap();
            let then = SystemTime::now() - Duration::from_secs(60 * (1 + age as u64));
            File::open(path).unwrap().set_modified(then).unwrap();
        }
        (dir, cache)
    }

    fn left(cache: &Cache, names: &[&str]) -> Vec<String> {
        names.iter().filter(|name| cache.is_built("x", name)).map(|&name| name.to_owned()).collect()
    }

    const ALL: [&str; 4] = ["a", "b", "c", "d"];

    #[rstest::rstest]
    #[case::all_within(Bound { bytes: 1 << 30, entries: 9 }, &["a", "b", "c", "d"])]
    #[case::by_count(Bound { bytes: 1 << 30, entries: 2 }, &["c", "d"])]
    #[case::by_bytes(Bound { bytes: 20_000, entries: 9 }, &["d"])]
    fn the_oldest_go(#[case] bound: Bound, #[case] expected: &[&str]) {
        let (_dir, cache) = filled(&ALL);
        cache.trim("x", bound).unwrap();
        assert_eq!(left(&cache, &ALL), expected);
    }

    #[test]
    fn what_is_held_stays() {
        let (_dir, cache) = filled(&ALL);
        let path = cache.built("x", "a", &|_| {}, |_| Ok::<(), CacheError>(())).unwrap();
        let held = cache.hold(&path).unwrap();
        let before = SystemTime::now() - Duration::from_secs(3600);
        File::open(held.path()).unwrap().set_modified(before).unwrap();
        cache.trim("x", Bound { bytes: 0, entries: 0 }).unwrap();
        assert_eq!(left(&cache, &ALL), ["a"]);
        drop(held);
        cache.trim("x", Bound { bytes: 0, entries: 0 }).unwrap();
        assert_eq!(left(&cache, &ALL), [""; 0]);
    }

    #[test]
    fn what_is_discarded_is_gone_and_built_again() {
        let (_dir, cache) = filled(&["a"]);
        let path = cache.built("x", "a", &|_| {}, |_| Ok::<(), CacheError>(())).unwrap();
        cache.discard(&cache.hold(&path).unwrap()).unwrap();
        assert!(!cache.is_built("x", "a"));
        assert!(cache.hold(&path).is_err());
    }
}
