//! Playing a plan: cells side by side, each from its own pristine hosts to its last log.

mod capture;
mod cell;
mod environment;
mod evidence;
mod facts;
mod fall_back;
mod hang;
mod hosts;
mod images;
mod look;
mod pool;
mod power;
mod schedule;
mod shortcut;

pub use cell::{CellRun, Played, give_up};
pub use evidence::ENVIRONMENT;
pub use hosts::preparation;
pub use images::{IMAGES, Images, PAYLOAD};
pub use pool::{available_mib, play_all, play_scheduled};
pub use schedule::{Room, Schedule, Task};
