//! Where guests come from. One provider a file; none knows that scenario files exist.

mod console;
mod provider;
mod qemu;

pub use provider::{Host, Launch, LaunchError, Provider};
pub use qemu::{Accelerator, Qemu, QemuProgram, Stack, probe};
