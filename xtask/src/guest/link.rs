//! The connection to an agent: frames out, frames in, and an eye on the rest of the guest while waiting.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::guest::wire::{DATA_MAX, Decoder, Reply, Request, WireError, encode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::Lost;

/// Asked at least every 100 ms while an answer is awaited: is the guest lost already, as its console or its process
/// may tell? An agent whose kernel oopsed is silent for ever.
pub type Watch = Arc<dyn Fn() -> Option<Lost> + Send + Sync>;

/// How much longer than a command's own deadline an answer is awaited.
pub const GRACE: Duration = Duration::from_secs(15);

/// How often the watch is asked.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// How long a reason is looked for when the connection has ended: the console may be a little behind.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How many bytes wait to be sent before those who have more should wait.
const QUEUE_MAX: usize = 512 * 1024;

/// What became of a moment's waiting.
pub(super) enum Turn {
    /// A reply to the request of this id.
    Reply(u32, Reply),
    /// Bytes went out or came in.
    Moved,
    /// Nothing happened.
    Idle,
}

/// A connection.
pub(super) struct Link {
    stream: UnixStream,
    decoder: Decoder<Reply>,
    queue: VecDeque<u8>,
    buffer: Vec<u8>,
    watch: Watch,
    watched: Instant,
    /// The end is awaited: no reason for it is looked for.
    parting: bool,
    next_id: u32,
}

impl Link {
    pub(super) fn new(stream: UnixStream, watch: Watch) -> Result<Self, Lost> {
        stream.set_nonblocking(true).map_err(|error| Lost::Ended(format!("the agent's socket: {error}")))?;
        Ok(Self {
            stream,
            decoder: Decoder::default(),
            queue: VecDeque::new(),
            buffer: vec![0; DATA_MAX],
            watch,
            watched: Instant::now(),
            parting: false,
            next_id: 1,
        })
    }

    /// An id that no request bore before.
    pub(super) fn fresh_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1).max(1);
        id
    }

    /// Tells that the end is near and wanted.
    pub(super) fn part(&mut self) {
        self.parting = true;
    }

    /// Whether whoever has more to send should wait.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= QUEUE_MAX
    }

    /// Whether all that was sent is on its way.
    pub(super) fn is_flushed(&self) -> bool {
        self.queue.is_empty()
    }

    /// What to wait for together with something else.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let out = if self.queue.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        PollFd::new(self.stream.as_fd(), PollFlags::POLLIN | out)
    }

    /// Queues a request; the turns send it.
    pub(super) fn send(&mut self, id: u32, request: &Request) -> Result<(), WireError> {
        let mut frame = Vec::new();
        encode(id, request, &mut frame)?;
        self.queue.extend(frame);
        Ok(())
    }

    /// Gives the next reply, or sends and receives what it can, waiting until `until` and 100 ms at the most.
    pub(super) fn turn(&mut self, until: Instant) -> Result<Turn, Lost> {
        if self.watched.elapsed() >= WATCH_EVERY {
            self.watched = Instant::now();
            (self.watch)().map_or(Ok(()), Err)?;
        }
        if let Some((id, reply)) = self.decoder.message().map_err(garbled)? {
            return Ok(Turn::Reply(id, reply));
        }
        let wait = until.saturating_duration_since(Instant::now()).min(WATCH_EVERY);
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [self.poll_fd()], wait) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Turn::Idle),
            Ok(_) => {}
            Err(error) => return Err(self.ended(&error.to_string())),
        }
        let sent = self.write()?;
        let received = self.read()?;
        Ok(if sent || received { Turn::Moved } else { Turn::Idle })
    }

    fn read(&mut self) -> Result<bool, Lost> {
        match (&self.stream).read(&mut self.buffer) {
            Ok(0) => Err(self.ended("it closed the agent's connection")),
            Ok(length) => {
                self.decoder.feed(&self.buffer[..length]);
                Ok(true)
            }
            Err(error) if is_passing(error.kind()) => Ok(false),
            Err(error) => Err(self.ended(&format!("the agent's connection: {error}"))),
        }
    }

    /// An end shows when reading, after the last that was said.
    fn write(&mut self) -> Result<bool, Lost> {
        if self.queue.is_empty() {
            return Ok(false);
        }
        match (&self.stream).write(self.queue.as_slices().0) {
            Ok(length) => {
                self.queue.drain(..length);
                Ok(length > 0)
            }
            Err(error) if is_passing(error.kind()) => Ok(false),
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.queue.clear();
                Ok(false)
            }
            Err(error) => Err(self.ended(&format!("the agent's connection: {error}"))),
        }
    }

    /// The better reason, if the watch has one.
    fn ended(&self, how: &str) -> Lost {
        let deadline = Instant::now() + LAST_WORDS;
        loop {
            if let Some(lost) = (self.watch)() {
                return lost;
            }
            if self.parting || Instant::now() >= deadline {
                return Lost::Ended(how.to_owned());
            }
            // Nothing but the time is waited for.
            let _ = poll(&mut [], PollTimeout::from(20_u8));
        }
    }
}

/// As a loss of the guest.
#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
pub(super) fn garbled(error: WireError) -> Lost {
    Lost::Protocol(error.to_string())
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
