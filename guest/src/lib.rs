//! What the agent of a guest and the harness both need: the wire between them, and the witness's arithmetic.
//!
//! The agent itself is the binary of this crate. Neither module opens a file or starts a process.

pub mod wire;
pub mod witness;
