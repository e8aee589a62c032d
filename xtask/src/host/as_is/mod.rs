//! Machines that are taken as they are: this one, and those that ssh gets to. Nothing is booted, and nothing of them is an
//! axis but CRIU.

mod host;
mod local;
mod ssh;

pub use local::Local;
pub use ssh::{Ssh, SshError};
