//! A saved state, and the waking of a guest from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::host::qemu::frame::{Frame, StateFiles};
use crate::host::qemu::machine::{CONTROL, Running};
use crate::host::qemu::program::Release;
use crate::install::{Cache, CacheError, Held};

/// What a reader of the folder wants to know.
pub(super) const FACTS: &str = "state.json";
/// What the preparation printed.
pub(super) const PREPARE_LOG: &str = "prepare.log";

/// What is to be known of a state besides its files.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    /// How long the guest had been up.
    pub(super) up: Duration,
    /// The rate that it has its time-stamp counter at, kHz; where it was not told, none.
    pub(super) tsc_khz: Option<u64>,
}

impl Facts {
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(FACTS)).ok()?).ok()
    }

    /// Whether a guest's clock would go right on a machine with a counter of this rate. Two measurements of one
    /// counter differ by less than a thousandth.
    pub(super) fn fit(self, tsc_khz: Option<u64>) -> bool {
        match (self.tsc_khz, tsc_khz) {
            (Some(then), Some(now)) => then.abs_diff(now) <= then / 1000,
            (then, now) => then == now,
        }
    }
}

/// A state that is held: it stays for as long as this does.
pub(in crate::host::qemu) struct Saved {
    pub(super) cache: Arc<Cache>,
    pub(super) held: Held,
    pub(super) facts: Facts,
}

impl Saved {
    fn folder(&self) -> &Path {
        self.held.path()
    }

    /// What its preparation printed.
    pub(in crate::host::qemu) fn prepare_log(&self) -> PathBuf {
        self.folder().join(PREPARE_LOG)
    }

    /// Starts QEMU and has it take the state in; the guest goes on by itself then.
    ///
    /// # Errors
    /// What QEMU, or this machine, says to it.
    pub(in crate::host::qemu) fn wake(&self, frame: &Frame, console: &Path) -> Result<Running, String> {
        let files = StateFiles::below(self.folder());
        let mut running = frame
            .wake(&files, console, self.facts.up)
            .map_err(|error| format!("cannot start QEMU: {error}"))?;
        let capabilities = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
        let uri = migration_uri(&files.devices, frame.program.release(), false);
        let control = running.control();
        control
            .execute("migrate-set-capabilities", &capabilities, CONTROL)
            .and_then(|()| control.execute("migrate-incoming", &json!({ "uri": uri }), CONTROL))
            .map_err(|error| error.to_string())?;
        Ok(running)
    }

    /// Removes the state: the next that asks makes another.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(in crate::host::qemu) fn discard(&self) -> Result<(), CacheError> {
        self.cache.discard(&self.held)
    }
}

/// Where QEMU writes a state to, or reads it from. QEMU opens files by itself since 8.2.
pub(super) fn migration_uri(file: &Path, release: Release, write: bool) -> String {
    let path = file.to_string_lossy();
    if release >= Release(8, 2) {
        return format!("file:{path}");
    }
    let quoted = format!("'{}'", path.replace('\'', "'\\''"));
    if write { format!("exec:cat > {quoted}") } else { format!("exec:cat {quoted}") }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Release(10, 0), true, "file:/a b/it's")]
    #[case(Release(7, 2), true, "exec:cat > '/a b/it'\\''s'")]
    #[case(Release(7, 2), false, "exec:cat '/a b/it'\\''s'")]
    fn uris(#[case] release: Release, #[case] write: bool, #[case] expected: &str) {
        assert_eq!(migration_uri(Path::new("/a b/it's"), release, write), expected);
    }

    #[rstest]
    #[case(Some(2_596_000), Some(2_596_200), true)]
    #[case(Some(2_596_000), Some(2_700_000), false)]
    #[case(None, None, true)]
    #[case(Some(2_596_000), None, false)]
    fn counters(#[case] then: Option<u64>, #[case] now: Option<u64>, #[case] fit: bool) {
        assert_eq!(Facts { up: Duration::ZERO, tsc_khz: then }.fit(now), fit);
    }
}
