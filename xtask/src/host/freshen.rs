//! What a guest must not share with another: the time, random numbers, its name.
//!
//! A guest that is woken has the wall clock and the random pool of the moment when it was saved; kernels before 5.18
//! have no driver for what QEMU could tell them of that (VMGENID). A guest that has booted gets the same, so that
//! nothing differs between the two. `/proc/sys/kernel/random/boot_id` is fixed for a boot: all guests that are woken
//! from one state have the same, and nobody may tell them apart by it.

use std::fs::File;
use std::io::Read;
use std::time::SystemTime;

use crate::guest::{Agent, Guest as _, TransferError};
use crate::model::Lost;

/// As much as a kernel takes at once.
const SEED: usize = 64;

/// Sets the clock and feeds the random pool.
pub(super) fn freshen(agent: &mut Agent) -> Result<(), Lost> {
    let mut seed = [0; SEED];
    random(&mut seed).map_err(|error| unprepared("random numbers of this machine", &error.to_string()))?;
    agent.seed(&seed).map_err(|error| failed("random pool", error))?;
    agent.set_clock(SystemTime::now()).map_err(|error| failed("clock", error))
}

/// Where a machine's own name is: machine-id(5).
const MACHINE_ID: &str = "/etc/machine-id";

/// Gives a guest that has booted a machine-id of its own.
pub(super) fn rename(agent: &mut Agent) -> Result<(), Lost> {
    let line = fresh_id()?;
    agent
        .push(&mut line.as_bytes(), line.len() as u64, MACHINE_ID, 0o444)
        .map_err(|error| failed(MACHINE_ID, error))
}

/// Gives a guest that has another's its own in place of it: all are of one length.
pub(super) fn rename_in_place(agent: &mut Agent, id: &str) -> Result<(), Lost> {
    agent.overwrite(MACHINE_ID, id.as_bytes()).map_err(|error| failed(MACHINE_ID, error))
}

/// A machine-id that no other guest has.
pub(super) fn fresh_id() -> Result<String, Lost> {
    let mut id = [0; 16];
    random(&mut id).map_err(|error| unprepared("random numbers of this machine", &error.to_string()))?;
    Ok(machine_id(id))
}

/// 32 digits and a newline; version and variant as systemd sets them, for those who read it as a UUID.
fn machine_id(mut id: [u8; 16]) -> String {
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect()
}

fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

fn failed(what: &str, error: TransferError) -> Lost {
    match error {
        TransferError::Lost(lost) => lost,
        other => unprepared(what, &other.to_string()),
    }
}

fn unprepared(what: &str, why: &str) -> Lost {
    Lost::Unprepared(format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_machine_id_is_a_random_uuid_without_its_dashes() {
        assert_eq!(super::machine_id([0xff; 16]), "ffffffffffff4fffbfffffffffffffff\n");
    }
}
