//! Why something could not be resolved, fetched or built.

use std::io;
use std::path::{Path, PathBuf};

use crate::install::cache::CacheError;
use crate::install::config::ConfigError;
use crate::install::lock::LockError;
use crate::process::ProcessError;

/// Why a part of a guest cannot be had. None of these says anything about CRIU: a cell that meets one is broken.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The configuration of suites, kernels and CRIUs.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cache on this machine.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A command of this machine.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of this machine.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file system filled up while something was made; nothing half-made was kept.
    #[error("{}: the disk is full ({free_mib} MiB free) while making {what}: free some space (`cargo xtask clean`), or set XDG_CACHE_HOME to a larger disk", .at.display())]
    DiskFull {
        /// The folder on the full file system.
        at: PathBuf,
        /// MiB left.
        free_mib: u64,
        /// What was being made.
        what: String,
    },
    /// `--offline`, and the cache does not have it.
    #[error("{what} is not in the cache, and --offline forbids to fetch it: run once without --offline")]
    Offline {
        /// The first thing that is missing.
        what: String,
    },
    /// The package lists could not be fetched or verified.
    #[error(
        "cannot update the package lists, tried {tries} times: {source}\n    an expired Release can be accepted with `check-valid-until = false` in that [[suite]]; --offline uses the lists of the last time"
    )]
    Update {
        /// How often it was tried.
        tries: u32,
        /// apt's own words.
        source: ProcessError,
    },
    /// Packages could not be fetched, or came damaged, each time.
    #[error("download failed, tried {tries} times: {what} from {uri}\n    {detail}")]
    Download {
        /// The package.
        what: String,
        /// Its address.
        uri: String,
        /// How often it was tried.
        tries: u32,
        /// The last thing that apt said.
        detail: String,
    },
    /// The mirror has the package no more.
    #[error(
        "{what} has vanished from the mirror ({uri}) and is not in the cache; nearest that can be had: {nearest}"
    )]
    Vanished {
        /// The package.
        what: String,
        /// Where it was.
        uri: String,
        /// What is there instead.
        nearest: String,
    },
    /// No suite has such a kernel.
    #[error("no kernel `{ask}` in the configured suites; nearest that can be had: {nearest}")]
    NoKernel {
        /// What was asked for.
        ask: String,
        /// What there is.
        nearest: String,
    },
    /// The kernel is in the index, but not all of its packages are.
    #[error("kernel `{ask}` cannot be had: {missing}; nearest that can be had: {nearest}")]
    IncompleteKernel {
        /// What was asked for.
        ask: String,
        /// Which packages are missing.
        missing: String,
        /// What there is.
        nearest: String,
    },
    /// No suite has such a CRIU.
    #[error("no CRIU `{ask}` in the configured suites; there are: {there_are}")]
    NoCriu {
        /// What was asked for.
        ask: String,
        /// What there is.
        there_are: String,
    },
    /// No suite has such an engine.
    #[error("no engine `{ask}` in the configured suites; there are: {there_are}")]
    NoEngine {
        /// What was asked for.
        ask: String,
        /// What there is.
        there_are: String,
    },
    /// Neither a suite nor a file.
    #[error("`{ask}` is no userland: neither a configured suite ({suites}) nor the file of a rootfs tar")]
    NoUserland {
        /// What was asked for.
        ask: String,
        /// What there is.
        suites: String,
    },
    /// apt finds no set of packages that fits.
    #[error("{suite} has no set of packages that fits `{wanted}`: {source}")]
    Unresolvable {
        /// In which suite.
        suite: String,
        /// What was wanted.
        wanted: String,
        /// apt's own words.
        source: ProcessError,
    },
    /// `--locked`, and the lock does not name it.
    #[error("the lock file has no {kind} `{ask}`: run once without --locked, or ask for one of: {there_are}")]
    NotLocked {
        /// Kernel, userland, CRIU or engine.
        kind: &'static str,
        /// What was asked for.
        ask: String,
        /// What the lock has.
        there_are: String,
    },
    /// A file of the user's own has changed since it was locked.
    #[error("{}: changed since the lock was written (sha256 is {now}, was {was}): run without --locked to take it as it is", .path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// As the lock has it.
        was: String,
        /// As it is.
        now: String,
    },
    /// A user's own kernel, CRIU or rootfs is not what it should be.
    #[error("{}: {reason}", .path.display())]
    NotUsable {
        /// Which file or folder.
        path: PathBuf,
        /// What it lacks, and what is wanted.
        reason: String,
    },
    /// What was built is not what was resolved.
    #[error("{what} is not what was resolved: {difference}")]
    Unexpected {
        /// What was built.
        what: String,
        /// The first difference.
        difference: String,
    },
    /// User namespaces are off, or this user has no subordinate ids.
    #[error(
        "cannot build a userland without root: {reason}\n    {remedy}; or run `cargo xtask matrix` as root; or give a ready root file system: --userland FILE.tar"
    )]
    NoUserNamespaces {
        /// What was found.
        reason: String,
        /// What cures it.
        remedy: String,
    },
}

impl InstallError {
    /// Whether what was asked for is wrong, so that asking again changes nothing.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Lock(_)
            | Self::NoKernel { .. }
            | Self::IncompleteKernel { .. }
            | Self::NoCriu { .. }
            | Self::NoEngine { .. }
            | Self::NoUserland { .. }
            | Self::NotLocked { .. }
            | Self::Changed { .. }
            | Self::NotUsable { .. } => true,
            Self::Cache(_)
            | Self::Process(_)
            | Self::File { .. }
            | Self::DiskFull { .. }
            | Self::Offline { .. }
            | Self::Update { .. }
            | Self::Download { .. }
            | Self::Vanished { .. }
            | Self::Unresolvable { .. }
            | Self::Unexpected { .. }
            | Self::NoUserNamespaces { .. } => false,
        }
    }

    /// For `map_err`: which file it was.
    pub(crate) fn file(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { path, source }
    }
}
