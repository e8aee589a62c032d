//! The cache on this machine: packages by their SHA-256, and what was built from them.
//!
//! A thing is built in `tmp/` under a lock and renamed into `built/` only when it is whole, so a half-built
//! one is never used. Everything lies below one folder that bears our marker; nothing else is ever deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

/// The file that says that a folder is ours to clean.
pub(crate) const MARKER: &str = ".criu-matrix";
/// Tells backup programs to leave it out: <https://bford.info/cachedir/>.
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of criu-matrix: `cargo xtask clean` empties it.\n";

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither XDG_CACHE_HOME nor HOME says where.
    #[error("no place for the cache: neither XDG_CACHE_HOME nor HOME is set to an absolute path")]
    NoPlace,
    /// The folder is there, is not empty and does not bear our marker.
    #[error("{}: has no file {MARKER} in it, so it is not ours: move it away, or set XDG_CACHE_HOME", .root.display())]
    NotOurs {
        /// The folder.
        root: PathBuf,
    },
    /// The file system refused.
    #[error("cache {}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{what}: damaged: sha256 is {is}, {want} is wanted")]
    Damaged {
        /// Which file.
        what: String,
        /// As it is.
        is: String,
        /// As it should be.
        want: String,
    },
    /// Somebody else works with it.
    #[error("{}: another run is using the cache: wait for its end, then clean", .root.display())]
    InUse {
        /// The cache's folder.
        root: PathBuf,
    },
}

/// The cache. While one is open, no other process cleans it.
#[derive(Debug)]
pub struct Cache {
    pub(crate) root: PathBuf,
    /// Shared while in use, exclusive while cleaning.
    pub(crate) use_lock: Flock<File>,
}

impl Cache {
    /// Opens the user's cache, `$XDG_CACHE_HOME/criu-matrix` or `~/.cache/criu-matrix`, and makes it if need be.
    ///
    /// # Errors
    /// When there is no place for it, or the folder is not ours.
    pub fn open() -> Result<Self, CacheError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        Self::open_at(&base.ok_or(CacheError::NoPlace)?.join("criu-matrix"))
    }

    /// Opens the cache in that folder, makes it if need be, and sweeps what dead processes left half-built.
    ///
    /// # Errors
    /// When the folder is not ours, or cannot be written.
    pub fn open_at(root: &Path) -> Result<Self, CacheError> {
        let marker = root.join(MARKER);
        let empty = fs::read_dir(root).map_or(true, |mut entries| entries.next().is_none());
        if !marker.exists() && !empty {
            return Err(CacheError::NotOurs { root: root.to_owned() });
        }
        for dir in ["blobs/sha256", "built", "tmp", "locks", "apt"] {
            let dir = root.join(dir);
            fs::create_dir_all(&dir).map_err(at(&dir))?;
        }
        let tag = root.join("CACHEDIR.TAG");
        fs::write(&tag, CACHEDIR_TAG).map_err(at(&tag))?;
        let file = OpenOptions::new().create(true).append(true).open(&marker).map_err(at(&marker))?;
        let use_lock = lock(file, FlockArg::LockShared).map_err(at(&marker))?;
        let cache = Self { root: root.to_owned(), use_lock };
        cache.sweep()?;
        Ok(cache)
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The package's file, when it is there. Its content was verified when it came in.
    pub fn blob(&self, sha256: &str) -> Option<PathBuf> {
        let path = self.blob_path(sha256);
        touch(&path).ok()?;
        Some(path)
    }

    /// Takes a file over, when its SHA-256 is the one wanted.
    ///
    /// # Errors
    /// When the content is another, or the disk refuses.
    pub fn adopt(&self, file: &Path, what: &str, sha256: &str) -> Result<PathBuf, CacheError> {
        let is = hash_file(file).map_err(at(file))?;
        if is != sha256 {
            return Err(CacheError::Damaged { what: what.to_owned(), is, want: sha256.to_owned() });
        }
        let path = self.blob_path(sha256);
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(at(parent))?;
        fs::rename(file, &path).map_err(at(&path))?;
        Ok(path)
    }

    /// A new folder below the cache, for downloads; gone when dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir, CacheError> {
        // The name's prefix has no lock file of its own, so that a sweep takes what a dead process left.
        let dir = self.root.join("tmp");
        let prefix = format!("scratch-{}-", std::process::id());
        tempfile::Builder::new().prefix(&prefix).tempdir_in(&dir).map_err(at(&dir))
    }

    /// The folder that `build` fills, made once for each kind and key, however many processes ask for it at once.
    ///
    /// # Errors
    /// What `build` says, or that the disk refuses. Nothing is kept then.
    pub fn built<E: From<CacheError>>(
        &self,
        kind: &str,
        key: &str,
        tell: &dyn Fn(String),
        build: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let done = self.built_path(kind, key);
        if touch(&done).is_ok() {
            return Ok(done);
        }
        let name = format!("{kind}-{key}");
        let _lock = self.lock(&name, &format!("another run makes {kind} {key}: waiting for it"), tell)?;
        if touch(&done).is_ok() {
            return Ok(done);
        }
        let dir = self.root.join("tmp").join(&name);
        remove_tree(&dir).map_err(at(&dir))?;
        fs::create_dir(&dir).map_err(at(&dir))?;
        if let Err(error) = build(&dir) {
            remove_tree(&dir).map_err(at(&dir))?;
            return Err(error);
        }
        let parent = self.root.join("built").join(kind);
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        fs::rename(&dir, &done).map_err(at(&done))?;
        Ok(done)
    }

    /// Whether that kind and key is built.
    pub fn is_built(&self, kind: &str, key: &str) -> bool {
        self.built_path(kind, key).is_dir()
    }

    /// What is kept under that kind and key; it counts as used now.
    pub fn find(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let path = self.built_path(kind, key);
        touch(&path).ok()?;
        Some(path)
    }

    /// Takes over a folder that lies in a scratch of ours under that kind and key, in place of what was there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn take_over(&self, kind: &str, key: &str, folder: &Path) -> Result<(), CacheError> {
        let done = self.built_path(kind, key);
        let parent = self.root.join("built").join(kind);
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        // What was there goes with the scratch.
        let _there_was_none = fs::rename(&done, folder.with_extension("old"));
        match fs::rename(folder, &done) {
            // Another run has just put its own there.
            Err(_) if done.is_dir() => Ok(()),
            other => other.map_err(at(&done)),
        }
    }

    /// Removes what is kept under that kind and key, if anything is.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget(&self, kind: &str, key: &str) -> Result<(), CacheError> {
        let path = self.built_path(kind, key);
        if path.is_dir() { self.remove_whole(&path) } else { Ok(()) }
    }

    /// Waits for the lock of that name; says so, once, when another process holds it.
    pub(crate) fn lock(
        &self,
        name: &str,
        note: &str,
        tell: &dyn Fn(String),
    ) -> Result<Flock<File>, CacheError> {
        let path = self.root.join("locks").join(name);
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(at(&path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(lock),
            Err((file, Errno::EWOULDBLOCK)) => {
                tell(note.to_owned());
                lock(file, FlockArg::LockExclusive).map_err(at(&path))
            }
            Err((_, errno)) => Err(at(&path)(errno.into())),
        }
    }

    /// Removes what dead processes left in `tmp/`: a builder holds its lock for as long as it lives.
    fn sweep(&self) -> Result<(), CacheError> {
        let tmp = self.root.join("tmp");
        for item in fs::read_dir(&tmp).map_err(at(&tmp))? {
            let path = item.map_err(at(&tmp))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(rest) = name.strip_prefix("scratch-") {
                let pid = rest.split('-').next().unwrap_or_default();
                if !Path::new("/proc").join(pid).exists() {
                    remove_tree(&path).map_err(at(&path))?;
                }
                continue;
            }
            let lock_path = self.root.join("locks").join(&name);
            let file =
                OpenOptions::new().create(true).append(true).open(&lock_path).map_err(at(&lock_path))?;
            if let Ok(_lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                remove_tree(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    fn blob_path(&self, sha256: &str) -> PathBuf {
        self.root.join("blobs/sha256").join(sha256.get(..2).unwrap_or("xx")).join(sha256)
    }

    fn built_path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join("built").join(kind).join(key)
    }
}

/// The SHA-256 of a file, as hex.
pub(crate) fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// A key of the names and contents of the files in a folder that have one of these endings.
pub(crate) fn hash_files(folder: &Path, endings: &[&str]) -> io::Result<String> {
    let wanted = |path: &PathBuf| path.extension().is_some_and(|is| endings.iter().any(|end| is == *end));
    let items = fs::read_dir(folder)?.map(|item| Ok(item?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = items.into_iter().filter(wanted).collect();
    files.sort();
    let mut parts = Vec::new();
    for file in files {
        parts
            .extend([file.file_name().unwrap_or_default().to_string_lossy().into_owned(), hash_file(&file)?]);
    }
    Ok(key(parts))
}

/// A short key of what something is made from: the first 16 hex digits of the SHA-256 of all parts.
pub(crate) fn key<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.as_ref().len() as u64).to_le_bytes());
        hasher.update(part.as_ref());
    }
    hex(&hasher.finalize())[..16].to_owned()
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn at(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.as_ref().to_owned();
    move |source| CacheError::Io { path, source }
}

fn lock(file: File, how: FlockArg) -> io::Result<Flock<File>> {
    let mut file = file;
    loop {
        match Flock::lock(file, how) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(errno.into()),
        }
    }
}

/// Marks a file or folder as used now. `clean --older-than` goes by it.
fn touch(path: &Path) -> io::Result<()> {
    File::open(path)?.set_modified(SystemTime::now())
}

pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("c")).unwrap();
        (dir, cache)
    }

    fn silent(_: String) {}

    #[test]
    fn a_failed_build_leaves_nothing_and_is_built_again() {
        let (_dir, cache) = cache();
        let failed = cache.built("x", "k", &silent, |dir| {
            fs::write(dir.join("half"), "h").unwrap();
            Err(CacheError::NoPlace)
        });
        assert!(failed.is_err());
        assert!(!cache.is_built("x", "k"));
        let built = cache
            .built("x", "k", &silent, |dir| {
                assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
                fs::write(dir.join("whole"), "w").map_err(at(dir))
            })
            .unwrap();
        assert!(built.join("whole").exists());
        let again = cache.built("x", "k", &silent, |_| -> Result<(), CacheError> { panic!("built twice") });
        assert_eq!(again.unwrap(), built);
    }

    #[test]
    fn what_a_killed_builder_left_is_swept_and_a_living_ones_is_not() {
        let (dir, cache) = cache();
        let root = cache.root().to_owned();
        fs::create_dir(root.join("tmp/x-dead")).unwrap();
        fs::write(root.join("tmp/x-dead/half"), "h").unwrap();
        fs::create_dir(root.join("tmp/x-alive")).unwrap();
        let alive = cache.lock("x-alive", "", &silent).unwrap();
        drop(Cache::open_at(&dir.path().join("c")).unwrap());
        assert!(!root.join("tmp/x-dead").exists());
        assert!(root.join("tmp/x-alive").exists());
        drop(alive);
    }

    #[test]
    fn two_that_build_the_same_build_it_once() {
        let (_dir, cache) = cache();
        let count = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache
                        .built("x", "k", &silent, |_| {
                            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            Ok::<(), CacheError>(())
                        })
                        .unwrap();
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }

    #[test]
    fn a_damaged_file_is_not_adopted() {
        let (dir, cache) = cache();
        let file = dir.path().join("f");
        fs::write(&file, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(matches!(cache.adopt(&file, "f", &abc.replace('b', "c")), Err(CacheError::Damaged { .. })));
        assert!(cache.blob(abc).is_none());
        cache.adopt(&file, "f", abc).unwrap();
        assert_eq!(fs::read(cache.blob(abc).unwrap()).unwrap(), b"abc");
    }

    #[test]
    fn a_folder_that_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("photo"), "p").unwrap();
        assert!(matches!(Cache::open_at(dir.path()), Err(CacheError::NotOurs { .. })));
        assert!(dir.path().join("photo").exists());
    }
}
