//! The harness's side of a guest: run a command, move a file. Knows nothing of scenarios, engines or virtual machines.

mod agent;
mod api;
mod batch;
mod capture;
mod fake;
mod link;
mod shell;
mod shortcuts;

pub use agent::Agent;
pub use api::{Exec, Guest, TransferError};
pub use batch::Batch;
pub use capture::{CUT, OUTPUT_MAX};
pub use fake::Fake;
pub use link::{GRACE, Watch};
pub use shell::{ShellError, interactive, shell};

pub use ::guest::wire::Hello;
