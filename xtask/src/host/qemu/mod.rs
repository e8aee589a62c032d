//! The default provider: QEMU without root, without a daemon, without a network.

mod accelerator;
mod arguments;
mod frame;
mod host;
mod machine;
mod overlay;
mod program;
mod provider;
mod qmp;
mod tsc;
mod warm;

pub use accelerator::{Accelerator, probe, remembered};
pub use program::QemuProgram;
pub use provider::{Notes, Qemu, Stack, command_line};
pub use warm::{WarmStates, processor};
