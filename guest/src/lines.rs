//! Lines that a file gets, counted as they come: inotify(7) tells when.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use guest::wire::{Await, Reply};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// How soon a file is looked for that is not there yet.
const NOT_THERE: Duration = Duration::from_millis(10);
/// How soon one is looked at of which nothing is told: another file may be in its place.
const SILENT: Duration = Duration::from_millis(100);

/// Lines that are waited for.
pub(crate) struct Lines {
    asked: Await,
    until: Instant,
    /// When it is looked at, whatever is told.
    again: Instant,
    inotify: Inotify,
    open: Option<Open>,
    /// How many such lines were in the file when the wait began, and how many are in it now.
    before: u64,
    now: u64,
}

/// The file as it is read.
struct Open {
    file: File,
    inode: u64,
    watch: Option<WatchDescriptor>,
    read: u64,
    /// The line whose end is not written yet.
    half: Vec<u8>,
}

impl Lines {
    /// Counts what is there already.
    pub(crate) fn new(asked: Await) -> Result<Self, String> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(|error| format!("inotify: {error}"))?;
        let now = Instant::now();
        let until = now.checked_add(Duration::from_millis(asked.within_ms)).unwrap_or(now);
        let mut lines = Self { asked, until, again: now, inotify, open: None, before: 0, now: 0 };
        lines.read();
        lines.before = lines.now;
        Ok(lines)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// When it wants to be looked at although nothing is told.
    pub(crate) fn alarm(&self) -> Instant {
        self.again.min(self.until)
    }

    /// Counts on; the answer when there are enough of them, or the time is over.
    pub(crate) fn look(&mut self) -> Option<Reply> {
        // What is left of them is told again.
        let _what = self.inotify.read_events();
        self.read();
        let came = self.now.saturating_sub(self.before);
        (came >= self.asked.more || Instant::now() >= self.until).then_some(Reply::Done(came))
    }

    fn read(&mut self) {
        self.again = Instant::now() + if self.open.is_some() { SILENT } else { NOT_THERE };
        let Ok(metadata) = fs::metadata(&self.asked.path) else { return };
        let goes_on = |open: &Open| open.inode == metadata.ino() && open.read <= metadata.len();
        if !self.open.as_ref().is_some_and(goes_on) {
            self.open_anew(metadata.ino());
        }
        let Some(open) = &mut self.open else { return };
        let mut bytes = Vec::new();
        // What cannot be read now may be read the next time; the deadline is the end of that.
        let _unread = open.file.read_to_end(&mut bytes);
        open.read += bytes.len() as u64;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            open.half.extend_from_slice(line);
            if line.ends_with(b"\n") {
                self.now += u64::from(holds(&open.half, self.asked.needle.as_bytes()));
                open.half.clear();
            }
        }
    }

    /// Watches first, and reads from the beginning then: nothing that is written meanwhile is missed.
    fn open_anew(&mut self, inode: u64) {
        if let Some(watch) = self.open.take().and_then(|open| open.watch) {
            // The kernel has taken it away itself where the file is gone.
            let _gone = self.inotify.rm_watch(watch);
        }
        self.now = 0;
        let Ok(file) = File::open(&self.asked.path) else { return };
        let watch = self.inotify.add_watch(self.asked.path.as_str(), AddWatchFlags::IN_MODIFY).ok();
        self.open = Some(Open { file, inode, watch, read: 0, half: Vec::new() });
    }
}

fn holds(line: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    // Most bytes are passed by: a guest may be emulated.
    line.iter().enumerate().any(|(at, byte)| byte == first && line[at..].starts_with(needle))
}
