//! Every process of the guest, as the kernel tells of it. Read here and not by a program: in an emulated guest the start
//! of one takes longer than all of this.

use std::fs;
use std::io;

/// The `stat` of each, a line each.
pub(crate) fn stats() -> Result<Vec<u8>, String> {
    of_each("stat", |_, stat, all| all.extend_from_slice(stat))
}

/// The `NSpid:` line of each, with the name of its file before it.
pub(crate) fn namespaces() -> Result<Vec<u8>, String> {
    of_each("status", |pid, status, all| {
        // Kernels before 4.1 have none.
        let line = status.split_inclusive(|byte| *byte == b'\n').find(|line| line.starts_with(b"NSpid:"));
        if let Some(line) = line {
            all.extend_from_slice(format!("/proc/{pid}/status:").as_bytes());
            all.extend_from_slice(line);
        }
    })
}

/// One that ends meanwhile is passed over.
fn of_each(file: &str, mut take: impl FnMut(u32, &[u8], &mut Vec<u8>)) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("/proc: {error}");
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").map_err(cannot)? {
        pids.extend(entry.map_err(cannot)?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    let mut all = Vec::new();
    for pid in pids {
        if let Ok(bytes) = fs::read(format!("/proc/{pid}/{file}")) {
            take(pid, &bytes, &mut all);
        }
    }
    Ok(all)
}
