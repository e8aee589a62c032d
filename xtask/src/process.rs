//! Commands on this machine. Each dies with the harness, even when the harness is killed with SIGKILL.

use std::ffi::OsStr;
use std::fmt;
use std::fs::DirEntry;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, geteuid, getpid, getppid};

/// Why a command of this machine did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started at all.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program's name or path.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It ended with another status than 0.
    #[error("{line}: {status}{}", Tail(.stderr))]
    Failed {
        /// The whole command, quoted for a shell.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed on standard error.
        stderr: String,
    },
}

/// The last lines of a command's standard error, set off below the message.
struct Tail<'a>(&'a str);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.0.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(12)..].iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// A command that gets SIGKILL when the thread that starts it ends: start it from the thread that waits for it.
#[expect(clippy::disallowed_methods, reason = "the one place on this machine where commands are made")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    die_with(&mut command, getpid());
    command
}

/// Asks the kernel for SIGKILL at our end, and looks whether that end came before the asking.
fn die_with(command: &mut Command, parent: Pid) {
    let arm = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != parent {
            return Err(io::Error::other("the harness ended"));
        }
        Ok(())
    };
    // SAFETY: between fork and exec, only prctl(2) and getppid(2) are called; neither allocates nor locks.
    unsafe { command.pre_exec(arm) };
}

/// This user's folders in `dir` that are named `PREFIX`, a process id, `-` and more, and whose process is dead: what was
/// killed has left them.
pub fn left_by_the_dead(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let is_left = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        let own = || entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == geteuid().as_raw());
        pid.is_some_and(|pid| own() && !Path::new("/proc").join(pid.to_string()).exists())
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(is_left).map(|entry| entry.path()).collect()
}

/// Runs a command to its end and keeps what it prints.
///
/// # Errors
/// When it cannot be started, or ends with another status than 0.
pub fn output(command: &mut Command) -> Result<Output, ProcessError> {
    let output =
        command.output().map_err(|source| ProcessError::Start { program: program(command), source })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(ProcessError::Failed {
        line: line(command),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The command as a person would type it.
pub fn line(command: &Command) -> String {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// Puts the command into a process group of its own: Ctrl-C at the terminal is the harness's, which brings the
/// evidence home before it ends what it started.
pub fn own_group(command: &mut Command) {
    command.process_group(0);
}

/// Leaves a file open in the command, under the number that it has here.
pub fn inherit(command: &mut Command, file: &OwnedFd) {
    let number = file.as_raw_fd();
    let keep = move || {
        // SAFETY: the file is open in the child of the fork, under the same number, until exec.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: between fork and exec, only fcntl(2) is called.
    unsafe { command.pre_exec(keep) };
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
