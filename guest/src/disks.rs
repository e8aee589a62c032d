//! The guest's disks, told apart by the serial that the harness gave them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::channel::wait_until;

/// The virtio device number of a disk.
const VIRTIO_DISK: &str = "0x0002";

/// Finds a disk's device by its serial.
pub(crate) fn find(serial: &str) -> Option<PathBuf> {
    fs::read_dir("/sys/block").ok()?.flatten().find_map(|disk| {
        let told = fs::read_to_string(disk.path().join("serial")).ok()?;
        (told.trim_end() == serial).then(|| Path::new("/dev").join(disk.file_name()))
    })
}

/// Waits until each disk that the virtio bus shows has its driver and its device; false when one has not in time.
pub(crate) fn settle(within: Duration) -> bool {
    wait_until(Instant::now() + within, || bus().iter().all(|device| has_node(device)))
}

fn bus() -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir("/sys/bus/virtio/devices") else { return Vec::new() };
    let is_disk = |device: &PathBuf| {
        fs::read_to_string(device.join("device")).is_ok_and(|number| number.trim_end() == VIRTIO_DISK)
    };
    folder.flatten().map(|device| device.path()).filter(is_disk).collect()
}

fn has_node(device: &Path) -> bool {
    let Ok(mut disks) = fs::read_dir(device.join("block")) else { return false };
    disks.next().and_then(Result::ok).is_some_and(|disk| Path::new("/dev").join(disk.file_name()).exists())
}
