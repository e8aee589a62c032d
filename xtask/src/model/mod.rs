//! The words that every other module speaks: axes, steps, commands, events. No file, no process, no clock.

mod axes;
mod command;
mod event;
mod observation;
mod recipe;
mod step;
mod workload;

pub use axes::{CellId, HostAsk, Libc};
pub use command::{Action, Command, Exit, Finished, Role};
pub use event::{Event, GuestFacts, Lost, Telling};
pub use observation::{Observation, Process, Tick, parse_processes, parse_ticks};
pub use recipe::Recipe;
pub use step::{Expectation, Stage, Step, Verb};
pub use workload::{Stream, WORKLOADS, Workload};
