//! The provider `vagrant`: machines that Vagrant makes, with systemd and ssh, each taken back to a snapshot for each cell.

mod fleet;
mod host;
mod machines;
mod provider;
mod tool;

pub use fleet::{Fleet, Stay, VagrantError};
pub use machines::{Boot, Machine, Machines};
pub use provider::Vagrant;
