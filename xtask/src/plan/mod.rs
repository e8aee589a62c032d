//! What will be played: profiles as written, and the cells that they span.

mod cells;
mod profile;
mod to;

pub use cells::{Plan, PlannedCell, SkippedCell};
pub use profile::{Axes, Profile, ProfileError};
pub use to::To;
