//! The making of a state: boot, prepare, save.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::saved::{FACTS, Facts, PREPARE_LOG, migration_uri};
use crate::guest::{Exec, Guest as _};
use crate::host::Preparation;
use crate::host::freshen::freshen;
use crate::host::qemu::frame::{Frame, StateFiles};
use crate::host::qemu::host::{Traces, prepare_anew};
use crate::host::qemu::machine::{CONTROL, Running};
use crate::host::qemu::overlay;
use crate::host::qemu::qmp::QmpError;
use crate::install::{CacheError, free_mib};
use crate::interrupt;
use crate::model::Lost;

/// How long writing a state may take: a third of a megabyte, as the memory is in its file already.
const SAVE: Duration = Duration::from_secs(60);

/// How long a guest may take to write out what it has prepared.
const SYNC: Duration = Duration::from_secs(60);

/// Room that is left free on the disk beside a state, MiB: a memory file that cannot grow kills QEMU.
const SPARE_MIB: u64 = 1024;

/// Why there is no saved state.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsaved {
    /// The guest came up and went wrong then: another would, too.
    #[error("{0}")]
    Lost(Lost),
    /// It cannot be saved here; it may well boot.
    #[error("{0}")]
    Impossible(String),
}

impl From<CacheError> for Unsaved {
    fn from(error: CacheError) -> Self {
        Self::Impossible(error.to_string())
    }
}

impl From<QmpError> for Unsaved {
    fn from(error: QmpError) -> Self {
        match error {
            QmpError::Lost(lost) => Self::Lost(lost),
            error => Self::Impossible(error.to_string()),
        }
    }
}

/// Fills an empty folder with the state of a guest that has booted and is prepared. `traces` get what it
/// says and prints, also when that fails.
pub(super) fn save(
    folder: &Path,
    frame: &Frame,
    preparation: &Preparation,
    traces: &Traces,
) -> Result<(), Unsaved> {
    let impossible = |error: std::io::Error| Unsaved::Impossible(format!("{}: {error}", folder.display()));
    let free = free_mib(folder).unwrap_or(u64::MAX);
    if free < u64::from(frame.memory_mib) + SPARE_MIB {
        return Err(Unsaved::Impossible(format!("{free} MiB are free below {}", folder.display())));
    }
    let files = StateFiles::below(folder);
    overlay::create(&files.disk, &frame.stack.userland).map_err(impossible)?;
    let mut running = frame.boot_into(&files, &traces.console).map_err(impossible)?;
    let agent = running.agent().map_err(before_it_answered)?;
    if !(agent.facts().root && agent.facts().criu) {
        return Err(Unsaved::Impossible(format!("a disk is missing: {}", agent.facts().failures.join("; "))));
    }
    freshen(agent)
        .and_then(|()| prepare_anew(agent, preparation, &traces.prepared))
        .map_err(Unsaved::Lost)?;
    let synced = agent.run(&Exec::sh("sync", "/", SYNC)).map_err(Unsaved::Lost)?;
    if !synced.exit.is_success() {
        return Err(Unsaved::Impossible(format!("sync: {}: {}", synced.exit, synced.stderr.trim())));
    }
    if let Some(lost) = running.fault() {
        return Err(Unsaved::Lost(lost));
    }
    save_devices(&mut running, &files, frame)?;
    let facts = Facts { up: running.age(), tsc_khz: frame.tsc_khz };
    running.quit()?;
    fs::copy(&traces.prepared, folder.join(PREPARE_LOG)).map_err(impossible)?;
    let facts = serde_json::to_vec(&facts).map_err(|error| impossible(error.into()))?;
    fs::write(folder.join(FACTS), facts).map_err(impossible)
}

/// The machine stops by itself when all is written. It is not stopped before, or what is woken would be, too. The
/// agent is connected and waits for the next request; so is, and does, every agent that is woken.
fn save_devices(running: &mut Running, files: &StateFiles, frame: &Frame) -> Result<(), Unsaved> {
    let control = running.control();
    let capabilities = ["events", "x-ignore-shared"].map(|name| json!({ "capability": name, "state": true }));
    control.execute("migrate-set-capabilities", &json!({ "capabilities": capabilities }), CONTROL)?;
    let uri = migration_uri(&files.devices, frame.program.release(), true);
    control.execute("migrate", &json!({ "uri": uri }), CONTROL)?;
    let deadline = Instant::now() + SAVE;
    loop {
        let data = control.event("MIGRATION", deadline.saturating_duration_since(Instant::now()))?;
        match data["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => {
                return Err(Unsaved::Impossible("QEMU could not write the state".to_owned()));
            }
            _ => {}
        }
    }
}

/// What did not even answer may do so without a state's files.
fn before_it_answered(lost: Lost) -> Unsaved {
    if interrupt::happened() { Unsaved::Lost(lost) } else { Unsaved::Impossible(lost.to_string()) }
}
