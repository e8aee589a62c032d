//! The guest's console: read as it grows, and searched for what the kernel says of its own end.
//!
//! There is no exit code for an oops: its words on the console are all that it leaves. A panic has one (pvpanic),
//! where the kernel has the driver; its words come here either way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::model::Lost;

/// What a panic prints: `panic()` in kernel/panic.c.
const PANIC: &str = "Kernel panic - not syncing";

/// What a kernel prints that can no longer be believed. Each is the fixed part of a format string in the kernel.
const FAULTS: &[&str] = &[
    "BUG: kernel NULL pointer dereference",
    "BUG: unable to handle page fault",
    "BUG: unable to handle kernel",
    "BUG: scheduling while atomic",
    "BUG: Bad page state",
    "BUG: Bad rss-counter state",
    "kernel BUG at ",
    "general protection fault",
    "double fault:",
    "traps: PANIC",
    "invalid opcode: 0000",
    "list_add corruption",
    "list_del corruption",
    "watchdog: BUG: soft lockup",
    "Oops: ",
    "stack-protector: Kernel stack is corrupted",
    // The machine's own troubles, which end whatever runs: too little memory, a disk that fails on the host.
    "Out of memory: Killed process",
    "I/O error, dev vd",
    "EXT4-fs error",
];

/// A console's file, read up to some point.
#[derive(Debug)]
pub(super) struct Console {
    path: PathBuf,
    read: u64,
    partial: String,
    found: Option<Lost>,
}

impl Console {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: 0, partial: String::new(), found: None }
    }

    /// The same of a file that others have written before: what is in it already tells nothing.
    pub(super) fn from_now(path: &Path) -> Self {
        let read = std::fs::metadata(path).map_or(0, |it| it.len());
        Self { read, ..Self::new(path) }
    }

    /// Reads on, and tells the first fault that was ever found. A panic counts for more than the oops before it.
    pub(super) fn fault(&mut self) -> Option<Lost> {
        // A console that cannot be read tells nothing: QEMU makes the file when it starts.
        if let Ok(text) = self.more() {
            self.partial.push_str(&text);
            let whole = self.partial.rfind('\n').map_or(0, |end| end + 1);
            let lines: String = self.partial.drain(..whole).collect();
            lines.lines().for_each(|line| self.take(line));
        }
        self.found.clone()
    }

    fn take(&mut self, line: &str) {
        let line = line.trim_end();
        if line.contains(PANIC) {
            if !matches!(self.found, Some(Lost::Panicked(_))) {
                self.found = Some(Lost::Panicked(line.to_owned()));
            }
        } else if self.found.is_none() && FAULTS.iter().any(|fault| is_fault(line, fault)) {
            self.found = Some(Lost::Oopsed(line.to_owned()));
        }
    }

    fn more(&mut self) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        // Whoever begins the file anew has said nothing yet.
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        self.read += file.read_to_end(&mut bytes)? as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `traps: criu[123] general protection fault ip:…` is a program's fault, told by the kernel: not the kernel's.
fn is_fault(line: &str, fault: &str) -> bool {
    line.contains(fault) && !line.contains(" ip:")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::panic("[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs", true)]
    #[case::null("[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000008", true)]
    #[case::corrupt_list("[   31.0] list_add corruption. prev->next should be next", true)]
    #[case::the_programs_own(
        "[    9.1] traps: criu[88] general protection fault ip:7f00 sp:7ffd error:0",
        false
    )]
    #[case::segfault("[    9.1] counter[88]: segfault at 0 ip 000055 sp 00007f error 4", false)]
    #[case::memory("[   50.1] Out of memory: Killed process 88 (criu) total-vm:1kB", true)]
    #[case::disk("[   50.1] I/O error, dev vda, sector 8 op 0x1:(WRITE)", true)]
    #[case::file_system("[   50.1] EXT4-fs error (device vda): ext4_find_entry:1", true)]
    #[case::plain("[    0.0] Linux version 6.12", false)]
    fn faults(#[case] line: &str, #[case] expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        std::fs::write(&path, format!("[    0.0] hello\n{line}\n")).unwrap();
        assert_eq!(Console::new(&path).fault().is_some(), expected);
    }

    #[test]
    fn a_panic_outranks_the_oops_before_it_and_half_lines_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let mut console = Console::new(&path);
        assert_eq!(console.fault(), None);
        std::fs::write(&path, "Oops: 0000 [#1]\nKernel panic - not sync").unwrap();
        assert!(matches!(console.fault(), Some(Lost::Oopsed(_))));
        std::fs::write(&path, "Oops: 0000 [#1]\nKernel panic - not syncing: Fatal exception\n").unwrap();
        assert_eq!(
            console.fault(),
            Some(Lost::Panicked("Kernel panic - not syncing: Fatal exception".into()))
        );
    }
}
