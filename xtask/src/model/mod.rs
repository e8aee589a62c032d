//! The words that every other module speaks: axes, steps, commands, events. No file, no process, no clock.

mod axes;
mod command;
pub mod criu_log;
mod event;
mod hang;
mod observation;
mod recipe;
mod settings;
mod step;
mod version;
mod view;
mod workload;

pub use axes::{CellId, HostAsk, Libc};
pub use command::{Action, Beforehand, Command, Exit, Finished, Role};
pub use event::{By, Event, GuestFacts, Lost, Telling};
pub use hang::{Hang, Waiter};
pub use observation::{Listed, Observation, Process, Tick, parse_inside, parse_processes, parse_ticks};
pub use recipe::Recipe;
pub use settings::Settings;
pub use step::{Expectation, Place, Stage, Step, Stopped, Verb, Way};
pub use version::{Ranges, leading_version};
pub use view::{Answer, Shortcut, Source, View, Wait};
pub use workload::{PEER, Stream, WORKLOADS, Workload};
