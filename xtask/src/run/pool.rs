//! Cells side by side.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::interrupt;

/// Memory that a guest's machine needs besides the guest's own, MiB: QEMU's code cache and buffers, as measured.
const OVERHEAD_MIB: u64 = 256;

/// Plays `count` cells, at most `jobs` at a time, in order. `play` gets a cell's index and says whether to go on.
/// Each cell is played on one thread from its beginning to its end: its guests die with that thread.
pub fn play_all(count: usize, jobs: usize, play: &(dyn Fn(usize) -> ControlFlow<()> + Sync)) {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) && !interrupt::happened() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    if play(index).is_break() {
                        stopped.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// As many cells at a time as there are processors, and as memory has room for.
pub fn default_jobs(processors: usize, available_mib: u64, guest_mib: u32, guests: usize) -> usize {
    let each = (u64::from(guest_mib) + OVERHEAD_MIB) * guests.max(1) as u64;
    let room = usize::try_from(available_mib / each.max(1)).unwrap_or(usize::MAX);
    processors.min(room).max(1)
}

/// `MemAvailable` of this machine, MiB; where it cannot be read, enough for one guest.
pub fn available_mib() -> u64 {
    let kib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    kib.map_or(1024, |kib| kib >> 10)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::processors_bound(2, 16_000, 512, 2, 2)]
    #[case::memory_bound(16, 4_000, 512, 2, 2)]
    #[case::never_none(4, 100, 512, 1, 1)]
    fn jobs(
        #[case] cpus: usize,
        #[case] free: u64,
        #[case] guest: u32,
        #[case] guests: usize,
        #[case] due: usize,
    ) {
        assert_eq!(default_jobs(cpus, free, guest, guests), due);
    }

    #[test]
    fn every_cell_once_and_none_after_a_break() {
        let played = Mutex::new(Vec::new());
        play_all(20, 3, &|index| {
            played.lock().unwrap().push(index);
            ControlFlow::Continue(())
        });
        let mut all = played.into_inner().unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());

        let played = Mutex::new(Vec::new());
        play_all(20, 1, &|index| {
            played.lock().unwrap().push(index);
            if index == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(played.into_inner().unwrap(), [0, 1, 2, 3]);
    }
}
