//! The way to the harness: a virtio-serial port, or a socket. Never blocks; knows frames, not what they ask.

use std::collections::VecDeque;
use std::fs;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use guest::wire::{DATA_MAX, Decoder, PORT, Reply, Request, WireError, encode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

/// How often something is looked for that tells nobody of its coming.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a port may hold before those who fill it wait.
const QUEUE_MAX: usize = 1024 * 1024;

/// What became of reading.
pub(crate) enum Heard {
    /// What was there has been taken in.
    Something,
    /// Nothing is there.
    Nothing,
    /// The other side is gone.
    HungUp,
}

/// A connection to the harness.
pub(crate) struct Channel {
    port: OwnedFd,
    decoder: Decoder<Request>,
    queue: VecDeque<u8>,
    buffer: Vec<u8>,
}

impl Channel {
    /// Takes a descriptor that does not block.
    pub(crate) fn new(port: OwnedFd) -> Self {
        Self { port, decoder: Decoder::default(), queue: VecDeque::new(), buffer: vec![0; DATA_MAX] }
    }

    pub(crate) fn into_port(self) -> OwnedFd {
        self.port
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }

    /// What to wait for.
    pub(crate) fn interest(&self) -> PollFlags {
        if self.queue.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
    }

    /// Whether whoever has more to say should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= QUEUE_MAX
    }

    /// Reads once.
    pub(crate) fn receive(&mut self) -> Result<Heard, Errno> {
        match unistd::read(&self.port, &mut self.buffer) {
            Ok(0) | Err(Errno::ECONNRESET | Errno::EPIPE | Errno::ENODEV) => Ok(Heard::HungUp),
            Ok(length) => {
                self.decoder.feed(&self.buffer[..length]);
                Ok(Heard::Something)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Heard::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The next request of what was received.
    pub(crate) fn request(&mut self) -> Result<Option<(u32, Request)>, WireError> {
        self.decoder.message()
    }

    /// Queues a reply.
    pub(crate) fn send(&mut self, id: u32, reply: &Reply) {
        let mut frame = Vec::new();
        if let Err(error) = encode(id, reply, &mut frame) {
            // A text that long is none of ours, but the caller must not wait for ever.
            let short = Reply::Refused(format!("the answer cannot be sent: {error}"));
            if encode(id, &short, &mut frame).is_err() {
                return;
            }
        }
        self.queue.extend(frame);
    }

    /// Writes what goes without waiting.
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        while !self.queue.is_empty() {
            match unistd::write(&self.port, self.queue.as_slices().0) {
                Ok(0) | Err(Errno::EAGAIN) => break,
                Ok(length) => drop(self.queue.drain(..length)),
                Err(Errno::EINTR) => {}
                // The end shows when reading.
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENODEV) => self.queue.clear(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Opens the harness's port as soon as the driver shows it.
pub(crate) fn open_port(within: Duration) -> Result<OwnedFd, String> {
    let deadline = Instant::now() + within;
    let mut last = String::from("no such port");
    while Instant::now() < deadline {
        if let Some(device) = find_port() {
            match OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&device)
            {
                Ok(file) => return Ok(File::into(file)),
                Err(error) => last = format!("{}: {error}", device.display()),
            }
        }
        pause(LOOK_AGAIN);
    }
    Err(format!("the virtio-serial port {PORT} did not come within {} s: {last}", within.as_secs()))
}

fn find_port() -> Option<PathBuf> {
    fs::read_dir("/sys/class/virtio-ports").ok()?.flatten().find_map(|port| {
        let name = fs::read_to_string(port.path().join("name")).ok()?;
        (name.trim_end() == PORT).then(|| PathBuf::from("/dev").join(port.file_name()))
    })
}

/// Waits until somebody is at the other end of a virtio-serial port; false when nobody came. Without a caller such
/// a port is always readable and hung up, so that poll(2) cannot wait for one.
pub(crate) fn wait_for_caller(port: &OwnedFd, deadline: Instant) -> bool {
    while Instant::now() < deadline {
        let mut fds = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
        let hung_up = poll(&mut fds, PollTimeout::ZERO).is_err()
            || fds[0].revents().is_some_and(|flags| flags.contains(PollFlags::POLLHUP));
        if !hung_up {
            return true;
        }
        pause(LOOK_AGAIN);
    }
    false
}

/// Waits until a condition holds; false when it did not in time.
pub(crate) fn wait_until(deadline: Instant, mut condition: impl FnMut() -> bool) -> bool {
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause(LOOK_AGAIN);
    }
}

fn pause(time: Duration) {
    let millis = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
    // Interrupted or not, the caller looks at its own deadline.
    let _ = poll(&mut [], PollTimeout::from(millis));
}
