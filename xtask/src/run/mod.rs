//! Playing a plan: cells side by side, each from its own pristine hosts to its last log.

mod cell;
mod evidence;
mod facts;
mod hosts;
mod pool;

pub use cell::{CellRun, Played, give_up};
pub use pool::{available_mib, default_jobs, play_all};
