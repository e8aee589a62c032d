//! The time-stamp counter that a guest sees under software emulation.
//!
//! It is the machine's own, and a guest measures its rate while it boots, against an emulated timer. On a busy
//! machine that goes wrong: a guest was met that took 29 MHz for 2,596, and whose clock then ran 88 times too fast,
//! so that every deadline in it passed at once. So the guest is told the rate (`tsc_early_khz`, Linux 5.6 and later).

use std::hint;
use std::time::{Duration, Instant};

/// How long the rate is measured. It is known to better than a hundredth of a percent then; a guest takes it as a
/// first guess that it refines.
const WINDOW: Duration = Duration::from_millis(20);

/// The rate of this machine's counter, kHz; `None` where there is no such counter.
#[cfg(target_arch = "x86_64")]
pub(super) fn khz() -> Option<u64> {
    use std::arch::x86_64::_rdtsc;
    // SAFETY: every x86-64 processor has the instruction, and Linux lets user space use it.
    let now = || (Instant::now(), unsafe { _rdtsc() });
    let (begun, first) = now();
    let (ended, last) = loop {
        let (at, count) = now();
        if at - begun >= WINDOW {
            break (at, count);
        }
        hint::spin_loop();
    };
    let micros = u64::try_from((ended - begun).as_micros()).ok()?;
    last.checked_sub(first)?.checked_mul(1000)?.checked_div(micros)
}

/// The rate of this machine's counter, kHz; `None` where there is no such counter.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn khz() -> Option<u64> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    #[test]
    fn two_measurements_agree() {
        let (one, two) = (super::khz().unwrap(), super::khz().unwrap());
        assert!(one.abs_diff(two) * 100 < one, "{one} kHz and {two} kHz");
        assert!(one > 100_000, "{one} kHz");
    }
}
