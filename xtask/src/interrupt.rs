//! Ctrl-C and SIGTERM: noticed, never fatal at once, so that evidence and record are brought home.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: i32) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Catches the first SIGINT or SIGTERM; a second one ends the process, and with it every guest.
///
/// # Errors
/// When the kernel refuses.
pub fn catch() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESETHAND, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Whether one came.
pub fn happened() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Holds on, before something is tried once more, for as long as that or until one comes.
pub fn hold(at_most: Duration) {
    let until = Instant::now() + at_most;
    while !happened() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        thread::park_timeout(left.min(Duration::from_millis(100)));
    }
}
