//! Where guests come from. One provider a file; none knows that scenario files exist.

mod console;
mod local;
mod prepare;
mod provider;
mod qemu;

pub use local::Local;
pub use provider::{CameUp, Host, Launch, LaunchError, Preparation, Provider, Put};
pub use qemu::{Accelerator, Notes, Qemu, QemuProgram, Stack, WarmStates, probe};
