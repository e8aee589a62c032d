//! Frames: from a message to bytes, and from any pieces of a byte stream back to messages.

use std::marker::PhantomData;

use super::WireError;
use super::fields::{Fields, put_u32};

/// The most bytes of a file or a stream that one frame carries.
pub const DATA_MAX: usize = 64 * 1024;

/// The longest frame, without its own length field. Arguments and environment of a command fit in one.
pub const FRAME_MAX: usize = 512 * 1024;

/// Kind and id.
const HEAD: usize = 5;

/// What one side says to the other.
pub trait Message: Sized {
    /// The byte that tells which message it is.
    fn kind(&self) -> u8;

    /// Appends the fields.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads the fields of a message of this kind.
    ///
    /// # Errors
    /// When the kind is unknown, or the fields are not its own.
    fn take(kind: u8, fields: &mut Fields<'_>) -> Result<Self, WireError>;
}

/// Appends a message as one frame.
///
/// # Errors
/// When the frame is longer than [`FRAME_MAX`]; `out` is then as it was.
pub fn encode<M: Message>(id: u32, message: &M, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    put_u32(out, 0);
    out.push(message.kind());
    put_u32(out, id);
    message.put(out);
    let length = out.len() - start - 4;
    if length > FRAME_MAX {
        out.truncate(start);
        return Err(WireError::Length(length));
    }
    let prefix = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    out[start..start + 4].copy_from_slice(&prefix);
    Ok(())
}

/// Takes a byte stream in pieces of any size and gives its messages. What is malformed stays so.
pub struct Decoder<M> {
    bytes: Vec<u8>,
    /// How many of `bytes` have been given out already.
    done: usize,
    failed: Option<WireError>,
    message: PhantomData<fn() -> M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self { bytes: Vec::new(), done: 0, failed: None, message: PhantomData }
    }
}

impl<M: Message> Decoder<M> {
    /// Takes the next bytes of the stream. Ask [`Self::message`] until it has none before feeding again: then no
    /// more than one frame is ever held.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.bytes.drain(..self.done);
        self.done = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message with its id, or `None` while the next frame is not whole.
    ///
    /// # Errors
    /// When the stream is malformed, and then for ever.
    pub fn message(&mut self) -> Result<Option<(u32, M)>, WireError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next_frame().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.bytes = Vec::new();
            self.done = 0;
        })
    }

    fn next_frame(&mut self) -> Result<Option<(u32, M)>, WireError> {
        let mut fields = Fields(&self.bytes[self.done..]);
        let Ok(length) = fields.u32() else { return Ok(None) };
        let length = length as usize;
        if !(HEAD..=FRAME_MAX).contains(&length) {
            return Err(WireError::Length(length));
        }
        let Ok(frame) = fields.bytes(length) else { return Ok(None) };
        self.done += 4 + length;
        let mut fields = Fields(frame);
        let kind = fields.u8()?;
        let id = fields.u32()?;
        let message = M::take(kind, &mut fields)?;
        if !fields.0.is_empty() {
            return Err(WireError::Long);
        }
        Ok(Some((id, message)))
    }
}
