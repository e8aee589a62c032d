//! Warm guests: a stack is booted and prepared once, its state saved, and every other guest of it is woken from that.
//!
//! The state's memory is a file that each woken guest maps for itself, so that waking copies nothing. Its disk is an
//! overlay that each woken guest writes a copy of. Both stay as they are: a woken guest is pristine, and alone.

mod key;
mod save;
mod saved;
mod states;

pub(super) use saved::Saved;
pub use states::{WarmStates, processor};
