//! A question to a server of the guest's, at a unix socket. The server may be stopped, or gone: nobody waits for it here.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use guest::wire::{DATA_MAX, Reply};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

/// A question that was put.
pub(crate) struct Ask {
    stream: UnixStream,
    socket: String,
    unsaid: Vec<u8>,
    heard: u64,
}

impl Ask {
    /// Connects without waiting: a server that accepts nobody is one that refuses.
    pub(crate) fn new(path: &str, bytes: Vec<u8>) -> Result<Self, String> {
        let told = |error: Errno| format!("{path}: {}", std::io::Error::from(error));
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(told)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path).map_err(told)?).map_err(told)?;
        Ok(Self { stream: fd.into(), socket: path.to_owned(), unsaid: bytes, heard: 0 })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What it waits for; an answer is only read when there is room for it.
    pub(crate) fn interest(&self, room: bool) -> PollFlags {
        let out = if self.unsaid.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        if room { out | PollFlags::POLLIN } else { out }
    }

    /// Says what can be said, then hears one piece; `Done` or `Refused` is the last.
    pub(crate) fn go_on(&mut self, room: bool) -> Option<Reply> {
        while !self.unsaid.is_empty() {
            match self.stream.write(&self.unsaid) {
                Ok(length) => drop(self.unsaid.drain(..length)),
                Err(error) if is_passing(error.kind()) => break,
                Err(error) => return Some(self.refused(&error)),
            }
        }
        if !room {
            return None;
        }
        let mut bytes = vec![0; DATA_MAX];
        match self.stream.read(&mut bytes) {
            Ok(0) => Some(Reply::Done(self.heard)),
            Ok(length) => {
                bytes.truncate(length);
                self.heard += length as u64;
                Some(Reply::Data(bytes))
            }
            Err(error) if is_passing(error.kind()) => None,
            Err(error) => Some(self.refused(&error)),
        }
    }

    fn refused(&self, error: &std::io::Error) -> Reply {
        Reply::Refused(format!("{}: {error}", self.socket))
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
