//! Where guests come from. One provider a file; none knows that scenario files exist.

mod as_is;
mod console;
mod prepare;
mod provider;
mod qemu;

pub use as_is::{Local, Ssh, SshError};
pub use provider::{CameUp, Host, Launch, LaunchError, Preparation, Provider, Put};
pub use qemu::{Accelerator, Notes, Qemu, QemuProgram, Stack, WarmStates, probe};
