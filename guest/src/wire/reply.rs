//! What the agent answers.

use super::fields::{Fields, put_greeting, put_length, put_text, put_u64};
use super::{Message, WireError};

/// One answer, or a piece of one. It bears the id of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What the guest is.
    Hello(Hello),
    /// A piece of a command's standard output, or of its terminal's.
    Stdout(Vec<u8>),
    /// A piece of its standard error.
    Stderr(Vec<u8>),
    /// The command has ended; no more of it comes.
    Exited(How),
    /// The next bytes of a file.
    Data(Vec<u8>),
    /// The request is fulfilled; for a file, its length.
    Done(u64),
    /// The request cannot be fulfilled; why, with the system's words.
    Refused(String),
}

/// What the agent knows of its guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub build: String,
    /// /proc/sys/kernel/random/boot_id.
    pub boot_id: String,
    /// Since the kernel started, in milliseconds.
    pub uptime_ms: u64,
    /// Whether a disk with the serial `root` was found and is `/` now; otherwise `/` is the initramfs.
    pub root: bool,
    /// Whether a disk with the serial `criu` was found and is /opt/criu now.
    pub criu: bool,
    /// Whether a disk with the serial `engine` was found and is /opt/engine now.
    pub engine: bool,
    /// What did not work while booting and is not fatal, a line each: modules mostly.
    pub failures: Vec<String>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It exited with this status.
    Status(i32),
    /// A signal of this number ended it.
    Signal(i32),
    /// It was running at its deadline, and was killed.
    TimedOut,
}

impl How {
    fn put(self, out: &mut Vec<u8>) {
        let (kind, number) = match self {
            Self::Status(status) => (0, status),
            Self::Signal(signal) => (1, signal),
            Self::TimedOut => (2, 0),
        };
        out.push(kind);
        out.extend_from_slice(&number.to_le_bytes());
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, WireError> {
        let kind = fields.u8()?;
        let number = fields.u32()?.cast_signed();
        match kind {
            0 => Ok(Self::Status(number)),
            1 => Ok(Self::Signal(number)),
            2 => Ok(Self::TimedOut),
            other => Err(WireError::Value(other)),
        }
    }
}

impl Hello {
    fn put(&self, out: &mut Vec<u8>) {
        put_greeting(out);
        put_text(out, &self.release);
        put_text(out, &self.build);
        put_text(out, &self.boot_id);
        put_u64(out, self.uptime_ms);
        out.push(self.root.into());
        out.push(self.criu.into());
        out.push(self.engine.into());
        put_length(out, self.failures.len());
        self.failures.iter().for_each(|line| put_text(out, line));
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, WireError> {
        fields.greeting()?;
        Ok(Self {
            release: fields.text()?,
            build: fields.text()?,
            boot_id: fields.text()?,
            uptime_ms: fields.u64()?,
            root: fields.flag()?,
            criu: fields.flag()?,
            engine: fields.flag()?,
            failures: fields.list(Fields::text)?,
        })
    }
}

impl Message for Reply {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 0x81,
            Self::Stdout(_) => 0x82,
            Self::Stderr(_) => 0x83,
            Self::Exited(_) => 0x84,
            Self::Data(_) => 0x85,
            Self::Done(_) => 0x86,
            Self::Refused(_) => 0x87,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => hello.put(out),
            Self::Stdout(bytes) | Self::Stderr(bytes) | Self::Data(bytes) => out.extend_from_slice(bytes),
            Self::Exited(how) => how.put(out),
            Self::Done(length) => put_u64(out, *length),
            Self::Refused(why) => put_text(out, why),
        }
    }

    fn take(kind: u8, fields: &mut Fields<'_>) -> Result<Self, WireError> {
        Ok(match kind {
            0x81 => Self::Hello(Hello::take(fields)?),
            0x82 => Self::Stdout(fields.rest()),
            0x83 => Self::Stderr(fields.rest()),
            0x84 => Self::Exited(How::take(fields)?),
            0x85 => Self::Data(fields.rest()),
            0x86 => Self::Done(fields.u64()?),
            0x87 => Self::Refused(fields.text()?),
            unknown => return Err(WireError::Kind(unknown)),
        })
    }
}
