//! The record of a run: written event by event, read back and folded. Knows only `model`.

mod fold;
mod folder;
mod lines;
mod logs;
mod paths;
mod projection;
mod reader;
#[cfg(test)]
mod sample;
mod tee;
mod writer;

pub use fold::{CellRecord, CommandRecord, KeptFile, RunRecord, StepRecord};
pub use folder::{FolderError, RunFolder, fresh_name, newest};
pub use logs::{PassingLogs, pack, room_for, unpack};
pub use paths::{LOGS, Paths, RECORD};
pub use reader::{Entries, Entry, Read, ReadError, Torn, read, read_cell};
pub use tee::Tee;
pub use writer::{Recorder, WriteError};
