//! The default provider: QEMU without root, without a daemon, without a network.

mod accelerator;
mod arguments;
mod machine;
mod provider;
mod tsc;

pub use accelerator::{Accelerator, probe};
pub use provider::{Qemu, QemuProgram, Stack};
