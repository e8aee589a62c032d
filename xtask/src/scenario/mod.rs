//! Scenario files: what a person writes, what may be wrong with it, and what it means.

mod checkpoints;
mod file;
mod fitting;
mod hanging;
mod library;
mod lower;
mod story;
mod whole;
mod words;

pub use library::{Library, LibraryError};
pub use story::Story;
