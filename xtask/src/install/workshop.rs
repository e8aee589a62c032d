//! Where things are built: the cache, the tools, and whom to tell.

use std::path::{Path, PathBuf};

use crate::install::cache::{Cache, CacheError};
use crate::install::error::InstallError;
use crate::install::lock::{Lock, Tools};

/// Below this much room a failure is blamed on the full disk.
const FULL_MIB: u64 = 32;

/// Builds what a lock names. Its methods are in the modules of the things that they build.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Where packages and results are kept.
    pub cache: &'a Cache,
    /// mke2fs, QEMU and the sysroot, as the lock has them.
    pub tools: &'a Tools,
    /// Take everything from the cache; fetch nothing.
    pub offline: bool,
    /// Archives to look in for a file that has vanished: bases that hold `pool/`.
    pub archives: &'a [String],
    /// Takes notes for the user: what is downloaded, what is built.
    pub tell: &'a (dyn Fn(String) + Sync),
}

impl<'a> Workshop<'a> {
    /// A workshop for that lock.
    pub fn new(
        lock: &'a Lock,
        cache: &'a Cache,
        offline: bool,
        archives: &'a [String],
        tell: &'a (dyn Fn(String) + Sync),
    ) -> Self {
        Self { cache, tools: &lock.tools, offline, archives, tell }
    }

    pub(crate) fn say(&self, note: impl Into<String>) {
        (self.tell)(note.into());
    }

    /// [`Cache::built`], with a full disk called by its name.
    pub(crate) fn built(
        &self,
        kind: &str,
        key: &str,
        build: impl FnOnce(&Path) -> Result<(), InstallError>,
    ) -> Result<PathBuf, InstallError> {
        self.cache.built(kind, key, &|note| (self.tell)(note), |dir| {
            build(dir).map_err(|error| blame_full_disk(error, dir, kind))
        })
    }
}

/// A tool that met a full disk says so in its own words or not at all: ask the file system instead.
pub(crate) fn blame_full_disk(error: InstallError, at: &Path, what: &str) -> InstallError {
    let said = match &error {
        InstallError::File { source, .. } | InstallError::Cache(CacheError::Io { source, .. }) => {
            source.kind() == std::io::ErrorKind::StorageFull
        }
        _ => false,
    };
    let free_mib = free_mib(at).unwrap_or(u64::MAX);
    if said || free_mib < FULL_MIB {
        return InstallError::DiskFull {
            at: at.to_owned(),
            free_mib: free_mib.min(FULL_MIB),
            what: what.to_owned(),
        };
    }
    error
}

/// MiB that this user may still write there.
pub(crate) fn free_mib(path: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    Some(stat.blocks_available() * stat.fragment_size() / (1 << 20))
}
