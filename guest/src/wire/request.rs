//! What the harness asks of the agent.

use super::fields::{Fields, put_greeting, put_length, put_text, put_u32, put_u64};
use super::{Message, WireError};

/// One request, or a further piece of one that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Who are you? Answered by `Hello`.
    Hello,
    /// Start a command. Answered by `Stdout` and `Stderr`, then `Exited`; or `Refused` when it cannot be started.
    Exec(Exec),
    /// More standard input of a command; none at all closes it.
    Stdin(Vec<u8>),
    /// The terminal of a command has another size now.
    Resize(Size),
    /// Take a file, which comes as `Data`. Answered by `Done` when it is in its place, or by `Refused`.
    Push {
        /// Where to: an absolute path. Folders above it are made.
        path: String,
        /// Permission bits.
        mode: u32,
        /// How many bytes come.
        len: u64,
    },
    /// The next bytes of a pushed file.
    Data(Vec<u8>),
    /// Give a file. Answered by `Data` and then `Done`, or by `Refused`.
    Pull {
        /// Which: an absolute path.
        path: String,
        /// Whether one that is not there is as good as an empty one.
        may_lack: bool,
    },
    /// Give the `stat` of every process, a line each (proc_pid_stat(5)). Answered as `Pull` is.
    Processes,
    /// Give the kernel's log as `dmesg` prints it, up to what that does to unprintable bytes. Answered as `Pull` is; refused
    /// where syslog(2) tells no times.
    KernelLog,
    /// Say these bytes to a server at a unix socket, and give what it answers until it hangs up. Answered as `Pull` is.
    Ask {
        /// The socket: an absolute path.
        socket: String,
        /// What is said.
        bytes: Vec<u8>,
    },
    /// Wait for lines that a file gets. Answered by `Done` with how many came, as soon as there are enough or the time is
    /// over.
    Await(Await),
    /// Give the `NSpid:` line of every process with the file that it is from (proc_pid_status(5)), as `grep` prints it:
    /// `/proc/7/status:NSpid:\t7\t1`. Answered as `Pull` is.
    Namespaces,
    /// Set the wall clock. Answered by `Done` or `Refused`.
    SetClock {
        /// Seconds since 1970.
        secs: u64,
        /// And nanoseconds.
        nanos: u32,
    },
    /// Mix these bytes into the kernel's random pool, count them as entropy and reseed: two guests woken from the
    /// same state draw the same numbers without it. Answered by `Done` or `Refused`.
    Seed(Vec<u8>),
    /// Write these bytes over the first ones of a file that is there. Nothing is made and nothing moved, so that the disk is
    /// not waited for. Answered by `Done` or `Refused`.
    Overwrite {
        /// Which: an absolute path.
        path: String,
        /// What is written.
        bytes: Vec<u8>,
    },
    /// Let go of the request of this id: kill the command, forget the file.
    Cancel,
    /// Switch the machine off. Answered by the end of the connection.
    PowerOff,
}

/// A command to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The program, searched in PATH, and its arguments.
    pub argv: Vec<String>,
    /// Added to the agent's default environment, or overriding it.
    pub env: Vec<(String, String)>,
    /// The folder to start it in.
    pub cwd: String,
    /// After how many milliseconds it is killed with all that it has started; `None`: never.
    pub deadline_ms: Option<u64>,
    /// A line of `sh` that is run at the deadline, while the command still lives, in the same folder and with the
    /// command's process id as `$HUNG`. It has [`super::LAST_LOOK`]; what it prints is lost.
    pub at_deadline: Option<String>,
    /// Whether standard input comes as `Stdin`; otherwise it is /dev/null.
    pub stdin: bool,
    /// A terminal of this size for standard input, output and error.
    pub tty: Option<Size>,
}

/// Lines that are waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Await {
    /// The file: an absolute path. It need not be there yet.
    pub path: String,
    /// What such a line holds.
    pub needle: String,
    /// How many more of them than when the request came; one counts when its end is written.
    pub more: u64,
    /// For how many milliseconds.
    pub within_ms: u64,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub cols: u16,
}

impl Size {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.cols.to_le_bytes());
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, WireError> {
        Ok(Self { rows: fields.u16()?, cols: fields.u16()? })
    }
}

impl Exec {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(out, self.argv.len());
        self.argv.iter().for_each(|word| put_text(out, word));
        put_length(out, self.env.len());
        for (name, value) in &self.env {
            put_text(out, name);
            put_text(out, value);
        }
        put_text(out, &self.cwd);
        out.push(self.deadline_ms.is_some().into());
        if let Some(millis) = self.deadline_ms {
            put_u64(out, millis);
        }
        out.push(self.at_deadline.is_some().into());
        if let Some(line) = &self.at_deadline {
            put_text(out, line);
        }
        out.push(self.stdin.into());
        out.push(self.tty.is_some().into());
        if let Some(size) = self.tty {
            size.put(out);
        }
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, WireError> {
        Ok(Self {
            argv: fields.list(Fields::text)?,
            env: fields.list(|fields| Ok((fields.text()?, fields.text()?)))?,
            cwd: fields.text()?,
            deadline_ms: fields.option(Fields::u64)?,
            at_deadline: fields.option(Fields::text)?,
            stdin: fields.flag()?,
            tty: fields.option(Size::take)?,
        })
    }
}

impl Message for Request {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello => 0x01,
            Self::Exec(_) => 0x02,
            Self::Stdin(_) => 0x03,
            Self::Resize(_) => 0x04,
            Self::Push { .. } => 0x05,
            Self::Data(_) => 0x06,
            Self::Pull { .. } => 0x07,
            Self::SetClock { .. } => 0x08,
            Self::Seed(_) => 0x09,
            Self::Cancel => 0x0a,
            Self::PowerOff => 0x0b,
            Self::Processes => 0x0c,
            Self::Namespaces => 0x0d,
            Self::Ask { .. } => 0x0e,
            Self::Await(_) => 0x0f,
            Self::Overwrite { .. } => 0x10,
            Self::KernelLog => 0x11,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello => put_greeting(out),
            Self::Exec(exec) => exec.put(out),
            Self::Stdin(bytes) | Self::Data(bytes) | Self::Seed(bytes) => out.extend_from_slice(bytes),
            Self::Resize(size) => size.put(out),
            Self::Push { path, mode, len } => {
                put_text(out, path);
                put_u32(out, *mode);
                put_u64(out, *len);
            }
            Self::Pull { path, may_lack } => {
                out.push((*may_lack).into());
                put_text(out, path);
            }
            Self::SetClock { secs, nanos } => {
                put_u64(out, *secs);
                put_u32(out, *nanos);
            }
            Self::Ask { socket: path, bytes } | Self::Overwrite { path, bytes } => {
                put_text(out, path);
                out.extend_from_slice(bytes);
            }
            Self::Await(Await { path, needle, more, within_ms }) => {
                put_text(out, path);
                put_text(out, needle);
                put_u64(out, *more);
                put_u64(out, *within_ms);
            }
            Self::Cancel | Self::PowerOff | Self::Processes | Self::Namespaces | Self::KernelLog => {}
        }
    }

    fn take(kind: u8, fields: &mut Fields<'_>) -> Result<Self, WireError> {
        Ok(match kind {
            0x01 => fields.greeting().map(|()| Self::Hello)?,
            0x02 => Self::Exec(Exec::take(fields)?),
            0x03 => Self::Stdin(fields.rest()),
            0x04 => Self::Resize(Size::take(fields)?),
            0x05 => Self::Push { path: fields.text()?, mode: fields.u32()?, len: fields.u64()? },
            0x06 => Self::Data(fields.rest()),
            0x07 => Self::Pull { may_lack: fields.flag()?, path: fields.text()? },
            0x08 => Self::SetClock { secs: fields.u64()?, nanos: fields.u32()? },
            0x09 => Self::Seed(fields.rest()),
            0x0a => Self::Cancel,
            0x0b => Self::PowerOff,
            0x0c => Self::Processes,
            0x0d => Self::Namespaces,
            0x0e => Self::Ask { socket: fields.text()?, bytes: fields.rest() },
            0x0f => Self::Await(Await {
                path: fields.text()?,
                needle: fields.text()?,
                more: fields.u64()?,
                within_ms: fields.u64()?,
            }),
            0x10 => Self::Overwrite { path: fields.text()?, bytes: fields.rest() },
            0x11 => Self::KernelLog,
            unknown => return Err(WireError::Kind(unknown)),
        })
    }
}
