//! Reading and writing the fields of one frame. Knows nothing of messages.

use std::fmt;

use super::{FRAME_MAX, MAGIC, VERSION};

/// Why bytes are no talk between harness and agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// A frame is longer than [`FRAME_MAX`], or shorter than its own head.
    Length(usize),
    /// A kind that this side does not know.
    Kind(u8),
    /// A frame ends within a field.
    Short,
    /// A frame goes on after its last field.
    Long,
    /// A text is not UTF-8.
    Text,
    /// A field holds a value without a meaning.
    Value(u8),
    /// A hello does not begin with [`MAGIC`].
    Magic,
    /// The other side speaks another version of the wire.
    Version(u16),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a frame of {length} bytes, where 5 to {FRAME_MAX} are legal"),
            Self::Kind(kind) => write!(f, "a frame of the unknown kind {kind:#04x}"),
            Self::Short => f.write_str("a frame that ends within a field"),
            Self::Long => f.write_str("a frame that goes on after its last field"),
            Self::Text => f.write_str("a text that is not UTF-8"),
            Self::Value(value) => write!(f, "the value {value:#04x} without a meaning"),
            Self::Magic => f.write_str("a hello that does not begin with criu-mtx"),
            Self::Version(theirs) => write!(
                f,
                "the other side speaks version {theirs} of the wire and this one {VERSION}: harness and agent are not \
                 of the same build"
            ),
        }
    }
}

impl std::error::Error for WireError {}

/// The fields of a frame that have not been read yet.
pub struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// All that is left: the payload of a data frame.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.bytes(N)?.try_into().map_err(|_| WireError::Short)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::Value(other)),
        }
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Result<String, WireError> {
        let length = self.u32()? as usize;
        let bytes = self.bytes(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::Text)
    }

    /// A list. Nothing is reserved on the word of a length: it grows only as items are really there.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let length = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(super) fn option<T>(
        &mut self,
        item: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        if self.flag()? { item(self).map(Some) } else { Ok(None) }
    }

    /// Magic and version, which stand at the same place in every version.
    pub(super) fn greeting(&mut self) -> Result<(), WireError> {
        if self.array()? != MAGIC {
            return Err(WireError::Magic);
        }
        match self.u16()? {
            VERSION => Ok(()),
            theirs => Err(WireError::Version(theirs)),
        }
    }
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// A length that does not fit makes the frame too long, which `encode` refuses.
pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_u32(out, u32::try_from(length).unwrap_or(u32::MAX));
}

pub(super) fn put_greeting(out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}
