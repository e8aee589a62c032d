//! One command: how it is started, what it prints, how it ends.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guest::wire::{DATA_MAX, Exec, How, LAST_LOOK, Reply, Size};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::{PtyMaster, Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd;

use crate::family;

/// What a command has in its environment before the harness adds to it.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/opt/criu/sbin:/opt/criu/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LANG", "C"),
    ("TERM", "linux"),
];

/// How much input waits for a command that does not read it. A file is the way for more.
const STDIN_MAX: usize = 16 * 1024 * 1024;

/// How long a killed command may take to die. One that sleeps in the kernel for good is left behind.
const DYING: Duration = Duration::from_secs(5);

/// How long the last words of a terminal are waited for: they pass through a work queue of the kernel.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The two ways that a command prints on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    Err,
}

/// Where a command is in its life.
enum Life {
    Running,
    /// At its deadline: somebody looks at it before it is killed.
    LookedAt(Look),
    /// Killed at its deadline, not yet dead.
    Dying(Instant),
    /// Dead; its terminal may still have something to say until then.
    Dead(How, Instant),
}

/// The line that is run at a command's deadline, as it runs.
#[derive(Clone, Copy)]
struct Look {
    pid: i32,
    until: Instant,
    /// Whether it has ended.
    over: bool,
    /// Whether the command itself has ended meanwhile. It was late all the same.
    gone: bool,
}

/// A command that was started.
pub(crate) struct Running {
    pid: i32,
    life: Life,
    deadline: Option<Instant>,
    at_deadline: Option<(String, String)>,
    stdin: Option<OwnedFd>,
    input: VecDeque<u8>,
    input_ends: bool,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    tty: bool,
}

impl Running {
    /// Starts a command in a session of its own.
    pub(crate) fn start(exec: &Exec) -> Result<Self, String> {
        let (program, arguments) = exec.argv.split_first().ok_or("no program is named")?;
        if !Path::new(&exec.cwd).is_dir() {
            return Err(format!("{}: no such folder", exec.cwd));
        }
        let mut command = command(program);
        command.args(arguments).current_dir(&exec.cwd).env_clear().envs(ENVIRONMENT);
        command.envs(exec.env.iter().map(|(name, value)| (name, value)));
        let started = match exec.tty {
            Some(size) => on_terminal(&mut command, size),
            None => on_pipes(&mut command, exec.stdin),
        };
        let mut running = started.map_err(|error| format!("cannot start {program}: {error}"))?;
        running.deadline =
            exec.deadline_ms.and_then(|millis| Instant::now().checked_add(Duration::from_millis(millis)));
        running.at_deadline = exec.at_deadline.clone().map(|line| (line, exec.cwd.clone()));
        Ok(running)
    }

    /// Where it prints, while that is open.
    pub(crate) fn output(&self, way: Way) -> Option<BorrowedFd<'_>> {
        match way {
            Way::Out => self.stdout.as_ref(),
            Way::Err => self.stderr.as_ref(),
        }
        .map(AsFd::as_fd)
    }

    /// Where it reads, while something is to be written there.
    pub(crate) fn hungry(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().filter(|_| !self.input.is_empty()).map(AsFd::as_fd)
    }

    /// Takes input for it; none at all is its end.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.stdin.is_none() {
            return Ok(());
        }
        if bytes.is_empty() {
            self.input_ends = true;
        }
        if self.input.len() + bytes.len() > STDIN_MAX {
            return Err(format!("more than {STDIN_MAX} bytes of input wait unread; push a file instead"));
        }
        self.input.extend(bytes);
        self.write();
        Ok(())
    }

    /// Writes input as far as it goes.
    pub(crate) fn write(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        while !self.input.is_empty() {
            match unistd::write(stdin, self.input.as_slices().0) {
                Ok(length) => drop(self.input.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // It does not want to read any more.
                Err(_) => {
                    self.input.clear();
                    self.stdin = None;
                    return;
                }
            }
        }
        if self.input_ends {
            self.stdin = None;
        }
    }

    /// Reads once what it printed.
    pub(crate) fn read(&mut self, way: Way) -> Option<Reply> {
        let end = match way {
            Way::Out => &mut self.stdout,
            Way::Err => &mut self.stderr,
        };
        let mut bytes = vec![0; DATA_MAX];
        match unistd::read(end.as_ref()?, &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            // A terminal that nobody holds open any more gives EIO.
            Ok(0) | Err(_) => {
                *end = None;
                None
            }
            Ok(length) => {
                bytes.truncate(length);
                Some(match way {
                    Way::Out => Reply::Stdout(bytes),
                    Way::Err => Reply::Stderr(bytes),
                })
            }
        }
    }

    pub(crate) fn resize(&self, size: Size) {
        if let Some(master) = self.stdout.as_ref().filter(|_| self.tty) {
            // SAFETY: TIOCSWINSZ reads one winsize.
            let _ = unsafe { set_size(master.as_raw_fd(), &winsize(size)) };
        }
    }

    /// Takes note of the end of a process, which may be the command's or that of whoever looks at it.
    pub(crate) fn buried(&mut self, pid: i32, how: How) {
        match &mut self.life {
            Life::LookedAt(look) if look.pid == pid => look.over = true,
            Life::LookedAt(look) if self.pid == pid => look.gone = true,
            _ if self.pid == pid => self.died(how),
            _ => {}
        }
    }

    fn died(&mut self, how: How) {
        let how = if matches!(self.life, Life::Dying(_)) { How::TimedOut } else { how };
        let linger = if self.tty { LAST_WORDS } else { Duration::ZERO };
        self.life = Life::Dead(how, Instant::now() + linger);
    }

    /// Kills all that it has started.
    pub(crate) fn kill(&self) {
        if let Life::LookedAt(look) = self.life
            && !look.over
        {
            family::kill_all(look.pid);
        }
        if !matches!(self.life, Life::Dead(..) | Life::LookedAt(Look { gone: true, .. })) {
            family::kill_all(self.pid);
        }
    }

    /// When it wants to be looked at again, whatever happens.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        match self.life {
            Life::Running => self.deadline,
            Life::LookedAt(look) => Some(look.until),
            Life::Dying(until) | Life::Dead(_, until) => Some(until),
        }
    }

    /// Acts on what time it is; `Some` when it is over.
    pub(crate) fn look(&mut self, now: Instant) -> Option<How> {
        match self.life {
            Life::Running if self.deadline.is_some_and(|deadline| now >= deadline) => {
                match self.look_at(now) {
                    Some(look) => self.life = Life::LookedAt(look),
                    None => self.end(now),
                }
                None
            }
            Life::Running => None,
            Life::LookedAt(look) if look.over || now >= look.until => {
                self.end(now);
                None
            }
            Life::LookedAt(_) => None,
            Life::Dying(until) => (now >= until).then_some(How::TimedOut),
            Life::Dead(how, until) => (now >= until || self.stdout.is_none()).then_some(how),
        }
    }

    /// Runs the line that was given for the deadline, in a session of its own; none where there is none, or where it
    /// cannot be started.
    fn look_at(&self, now: Instant) -> Option<Look> {
        let (line, cwd) = self.at_deadline.as_ref()?;
        let mut command = command("/bin/sh");
        command.args(["-c", line]).current_dir(cwd).env_clear().envs(ENVIRONMENT);
        command.env("HUNG", self.pid.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        lead(&mut command, false);
        let pid = command.spawn().ok()?.id().cast_signed();
        Some(Look { pid, until: now + LAST_LOOK, over: false, gone: false })
    }

    /// Ends what is late, and whoever still looks at it.
    fn end(&mut self, now: Instant) {
        self.kill();
        let gone = matches!(self.life, Life::LookedAt(Look { gone: true, .. }));
        self.life = if gone { Life::Dead(How::TimedOut, now) } else { Life::Dying(now + DYING) };
    }

    /// What its pipes hold at this moment. A daemon that it left may hold them open, and print for ever.
    pub(crate) fn last_words(mut self, mut say: impl FnMut(Reply)) {
        for way in [Way::Out, Way::Err] {
            let Some(held) = self.output(way).and_then(|end| held(end).ok()) else { continue };
            let mut left = held;
            while left > 0 {
                let Some(Reply::Stdout(bytes) | Reply::Stderr(bytes)) = self.read(way) else { break };
                left = left.saturating_sub(bytes.len());
                say(if way == Way::Out { Reply::Stdout(bytes) } else { Reply::Stderr(bytes) });
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place in a guest where commands are made")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn on_pipes(command: &mut Command, stdin: bool) -> io::Result<Running> {
    command.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    lead(command, false);
    let mut child = command.spawn()?;
    let stdin = child.stdin.take().map(OwnedFd::from);
    let stdout = child.stdout.take().map(OwnedFd::from);
    let stderr = child.stderr.take().map(OwnedFd::from);
    for end in [&stdin, &stdout, &stderr].into_iter().flatten() {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(running(child.id(), stdin, stdout, stderr, false))
}

fn on_terminal(command: &mut Command, size: Size) -> io::Result<Running> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let master: PtyMaster = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let terminal =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(ptsname_r(&master)?)?;
    // SAFETY: TIOCSWINSZ reads one winsize.
    unsafe { set_size(master.as_raw_fd(), &winsize(size)) }?;
    command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    lead(command, true);
    let child = command.spawn()?;
    // The command's own ends are closed with it, or its death would not hang up the terminal.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let stdout = File::from(master.as_fd().try_clone_to_owned()?);
    Ok(running(child.id(), Some(master.as_fd().try_clone_to_owned()?), Some(stdout.into()), None, true))
}

/// Makes the command lead a session, with no signal blocked, and with a terminal if it has one.
fn lead(command: &mut Command, tty: bool) {
    let prepare = move || {
        unistd::setsid()?;
        if tty {
            // SAFETY: TIOCSCTTY takes a plain number.
            unsafe { take_terminal(0, 0) }?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(())
    };
    // SAFETY: between fork and exec, three system calls are made; none allocates or locks.
    unsafe { command.pre_exec(prepare) };
}

fn running(
    pid: u32,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    tty: bool,
) -> Running {
    Running {
        pid: pid.cast_signed(),
        life: Life::Running,
        deadline: None,
        at_deadline: None,
        stdin,
        input: VecDeque::new(),
        input_ends: false,
        stdout,
        stderr,
        tty,
    }
}

fn winsize(size: Size) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 }
}

fn held(end: BorrowedFd<'_>) -> nix::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    unsafe { bytes_held(end.as_raw_fd(), &raw mut bytes) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, Winsize);
nix::ioctl_write_int_bad!(take_terminal, libc::TIOCSCTTY);
nix::ioctl_read_bad!(bytes_held, libc::FIONREAD, libc::c_int);
