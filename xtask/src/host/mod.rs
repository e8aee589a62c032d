//! Where guests come from. One provider a file; none knows that scenario files exist.

mod as_is;
mod console;
mod freshen;
mod prepare;
mod provider;
mod qemu;
mod remote;
mod vagrant;

pub use as_is::{Local, Ssh, SshError};
pub use provider::{CameUp, Host, Launch, LaunchError, Preparation, Provider, Put, Shelf};
pub use qemu::{
    Accelerator, Notes, Qemu, QemuProgram, Stack, WarmStates, command_line, probe, processor, remembered,
};
pub use vagrant::{Boot, Fleet, Machine, Machines, Stay, Vagrant, VagrantError};
