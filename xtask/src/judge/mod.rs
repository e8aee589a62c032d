//! Judging: pure functions from a cell's record to a verdict. No file, no process, no clock.
//!
//! A checker compares what was seen before the checkpoint with what is seen after the restore.
//! What cannot be asked is broken, never a fail; what was not proven is never a pass.

mod cell;
#[cfg(test)]
mod containers;
mod continues;
mod copies;
mod fresh;
mod gone;
mod history;
mod known;
mod measured;
#[cfg(test)]
mod past;
mod paused;
mod peer;
mod removed;
mod repeats;
mod running;
mod series;
#[cfg(test)]
mod tests;
mod unchanged;
mod verdict;

pub use cell::judge;
pub use known::in_light_of;
pub use repeats::of_repeats;
pub use verdict::{Kind, Samples, Verdict};
