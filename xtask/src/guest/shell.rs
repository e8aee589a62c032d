//! A person at a terminal in a guest.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ::guest::wire::{DATA_MAX, Exec, Reply, Request, Size};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::Agent;
use super::agent::exit;
use super::link::{Turn, garbled};
use crate::model::{Exit, Lost};

/// How often the size of the terminal is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why a session ended otherwise than by its command's end.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The guest is gone.
    #[error("{0}")]
    Lost(Lost),
    /// The command could not be started there.
    #[error("the guest refuses: {0}")]
    Refused(String),
    /// This machine's terminal.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
}

impl From<Lost> for ShellError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// A shell in the guest on this process's own terminal, until it ends.
///
/// # Errors
/// See [`shell`].
pub fn interactive(agent: &mut Agent) -> Result<Exit, ShellError> {
    let argv = ["/bin/sh", "-c", "exec $(command -v bash || echo sh) -i"].map(str::to_owned);
    shell(agent, &argv, "/root", io::stdin().as_fd(), io::stdout().as_fd())
}

/// Runs a command on a terminal in the guest until it ends, between a person's keyboard and screen. The keyboard's
/// terminal, if it is one, is in raw mode meanwhile; the screen's gives its size to the guest's.
///
/// # Errors
/// When the guest is gone, the command cannot be started, or the local terminal fails.
pub fn shell(
    agent: &mut Agent,
    argv: &[String],
    cwd: &str,
    keyboard: BorrowedFd<'_>,
    screen: BorrowedFd<'_>,
) -> Result<Exit, ShellError> {
    let _raw = Raw::enter(keyboard)?;
    let mut out = File::from(screen.try_clone_to_owned()?);
    let link = agent.link();
    let id = link.fresh_id();
    let mut size = size_of(screen);
    let exec = Exec {
        argv: argv.to_vec(),
        env: std::env::var("TERM").ok().map(|term| ("TERM".to_owned(), term)).into_iter().collect(),
        cwd: cwd.to_owned(),
        deadline_ms: None,
        at_deadline: None,
        stdin: true,
        tty: Some(size),
    };
    link.send(id, &Request::Exec(exec)).map_err(garbled)?;
    let mut typing = true;
    loop {
        if typing && !link.is_full() && key_or_reply(keyboard, link.poll_fd())? {
            let typed = read(keyboard)?;
            // The end of a pipe is what ctrl-d is at a terminal.
            typing = !typed.is_empty();
            let bytes = if typing { typed } else { vec![4] };
            link.send(id, &Request::Stdin(bytes)).map_err(garbled)?;
        }
        let until = if typing && link.is_flushed() { Instant::now() } else { Instant::now() + LOOK };
        while let Turn::Reply(at, reply) = next(link, until)? {
            match reply {
                Reply::Stdout(bytes) | Reply::Stderr(bytes) if at == id => {
                    out.write_all(&bytes)?;
                    out.flush()?;
                }
                Reply::Exited(how) if at == id => return Ok(exit(how)),
                Reply::Refused(why) if at == id => return Err(ShellError::Refused(why)),
                _ => {}
            }
        }
        let now = size_of(screen);
        if now != size {
            size = now;
            link.send(id, &Request::Resize(size)).map_err(garbled)?;
        }
    }
}

/// The next reply that is there or comes at once.
fn next(link: &mut super::link::Link, until: Instant) -> Result<Turn, Lost> {
    match link.turn(until)? {
        Turn::Moved => link.turn(Instant::now()),
        turn => Ok(turn),
    }
}

/// Waits a moment for a key or for the guest; true when it was a key.
fn key_or_reply(keyboard: BorrowedFd<'_>, link: PollFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(keyboard, PollFlags::POLLIN), link];
    match poll(&mut fds, PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO)) {
        Ok(_) => Ok(fds[0].any().unwrap_or(true)),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read(keyboard: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; DATA_MAX];
    match nix::unistd::read(keyboard, &mut bytes) {
        Ok(length) => bytes.truncate(length),
        // The other end of a pseudo terminal is gone.
        Err(Errno::EIO) => bytes.clear(),
        Err(error) => return Err(error.into()),
    }
    Ok(bytes)
}

/// Raw mode, until dropped. What is no terminal stays as it is.
struct Raw(Option<(OwnedFd, Termios)>);

impl Raw {
    fn enter(keyboard: BorrowedFd<'_>) -> io::Result<Self> {
        let Ok(before) = tcgetattr(keyboard) else { return Ok(Self(None)) };
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(keyboard, SetArg::TCSADRAIN, &raw)?;
        Ok(Self(Some((keyboard.try_clone_to_owned()?, before))))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some((keyboard, before)) = &self.0 {
            // A terminal that is gone needs no restoring.
            let _ = tcsetattr(keyboard.as_fd(), SetArg::TCSADRAIN, before);
        }
    }
}

nix::ioctl_read_bad!(get_size, libc::TIOCGWINSZ, libc::winsize);

fn size_of(screen: BorrowedFd<'_>) -> Size {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize.
    match unsafe { get_size(screen.as_raw_fd(), &raw mut size) } {
        Ok(_) if size.ws_row > 0 && size.ws_col > 0 => Size { rows: size.ws_row, cols: size.ws_col },
        _ => Size { rows: 24, cols: 80 },
    }
}
