//! Known bugs: what a scenario or a profile says of cells that fail, and whether a cell is one of them.
//! Knows values of axes, and neither plans nor records.

mod bug;
mod hosts;
mod pattern;
mod reason;
mod several;
mod written;

pub use bug::{KnownAs, KnownBug, Seen};
pub use hosts::Hosts;
pub use pattern::{Pattern, PatternError};
pub use reason::{Reason, ReasonError};
pub use several::Several;
pub use written::KnownBugTable;
