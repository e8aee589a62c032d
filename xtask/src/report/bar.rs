//! How a run looks on a terminal: one line with a bar, how many cells have ended, and the time left.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Style;
use super::estimate::Estimate;

/// For `total` cells; the time left is by that estimate, which others keep up to date.
pub(super) fn bar(
    total: usize,
    style: &Style,
    target: ProgressDrawTarget,
    estimate: &Arc<Mutex<Estimate>>,
) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    let looks = ProgressStyle::with_template("{bar:20} {pos}/{len}, {left}{wide_msg}");
    let looks = looks.unwrap_or_else(|_| ProgressStyle::default_bar());
    let estimate = Arc::clone(estimate);
    let looks = looks.with_key("left", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let recorded = estimate.lock().unwrap_or_else(PoisonError::into_inner).left(Instant::now());
        let _ = out.write_str(&left(recorded, state.pos(), state.eta()));
    });
    bar.set_style(looks.progress_chars(if style.unicode { "━╸─" } else { "=>-" }));
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}

/// The time left, by earlier runs, or else by the pace of this one; which nobody knows before its first cell has ended.
fn left(recorded: Option<Duration>, done: u64, by_pace: Duration) -> String {
    match (recorded, done) {
        (Some(recorded), _) => words(recorded),
        (None, 0) => "time left unknown".to_owned(),
        (None, _) => words(by_pace),
    }
}

/// `12 min left`.
pub(super) fn words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{seconds} s left"),
        seconds @ 60..3600 => format!("{} min left", seconds.div_ceil(60)),
        seconds => format!("{} h {:02} min left", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left() {
        let check =
            |done, seconds, expected| assert_eq!(left(None, done, Duration::from_secs(seconds)), expected);
        check(0, 0, "time left unknown");
        check(1, 59, "59 s left");
        check(1, 61, "2 min left");
        check(1, 3600, "1 h 00 min left");
        let recorded = Some(Duration::from_secs(90));
        assert_eq!(left(recorded, 0, Duration::ZERO), "2 min left");
    }
}
