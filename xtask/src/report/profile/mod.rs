//! Where the time of a run went: each moment of each cell belongs to one thing, so the parts add up to the whole.

mod spans;
mod text;
mod trace;

pub use spans::{CellProfile, Part, Span, profile};
pub use text::table;
pub use trace::trace;
