//! The wire between harness and agent.
//!
//! A frame is a length (4 bytes, of all that follows it), a kind (1 byte), a request's id (4 bytes) and fields.
//! Numbers are little-endian; a text or a list is preceded by its length in 4 bytes. The harness speaks first:
//! `Request::Hello` with magic and version, answered by `Reply::Hello`, which a guest that was woken from a saved
//! state answers just as well as one that has booted. Every other request bears an id of the harness's choice,
//! and every reply the id of what it answers, so that several may be under way. A malformed frame ends the talk.

mod fields;
mod frame;
mod reply;
mod request;

use std::time::Duration;

pub use fields::WireError;
pub use frame::{DATA_MAX, Decoder, FRAME_MAX, Message, encode};
pub use reply::{Hello, How, Reply};
pub use request::{Await, Exec, Request, Size};

/// The version of the wire. Any change to a frame raises it; both sides refuse every other.
pub const VERSION: u16 = 4;

/// How long the line that is run at a command's deadline may take. The command is killed after it.
pub const LAST_LOOK: Duration = Duration::from_secs(30);

/// The first bytes of a hello, in either direction.
pub const MAGIC: [u8; 8] = *b"criu-mtx";

/// The name of the virtio-serial port that the agent answers on.
pub const PORT: &str = "org.criu-matrix.agent";
