//! Judging: pure functions from a cell's record to a verdict. No file, no process, no clock.
//!
//! A checker compares what was seen before the checkpoint with what is seen after the restore.
//! What cannot be asked is broken, never a fail; what was not proven is never a pass.

mod cell;
mod continues;
mod gone;
mod history;
#[cfg(test)]
mod past;
mod repeats;
mod running;
#[cfg(test)]
mod tests;
mod verdict;

pub use cell::judge;
pub use repeats::of_repeats;
pub use verdict::{Kind, Verdict};
