//! One QEMU process and the agent in it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::QemuProgram;
use super::arguments::{Machine, arguments};
use crate::guest::{Agent, Guest as _, Watch};
use crate::host::console::Console;
use crate::interrupt;
use crate::model::Lost;
use crate::process;

/// A QEMU process: it ends when this is dropped, and when the thread that started it does.
pub(super) struct Running {
    vitals: Arc<Mutex<Vitals>>,
    channel: Option<UnixStream>,
    agent: Option<Agent>,
    deadline: Duration,
    console: PathBuf,
    started: Instant,
}

/// The clock of a guest begins before its first instruction, and not by more than this.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// What tells that a guest is gone although its channel says nothing.
struct Vitals {
    child: Child,
    console: Console,
    stderr: PathBuf,
}

impl Running {
    /// Starts QEMU; `machine.channel` is set here. `deadline` is for the agent's first word.
    pub(super) fn start(program: &QemuProgram, machine: Machine<'_>, deadline: Duration) -> io::Result<Self> {
        let started = Instant::now();
        let (ours, theirs) = UnixStream::pair()?;
        let stderr = machine.console.with_extension("qemu.log");
        let child = spawn(program, machine, &theirs.into(), &stderr)?;
        let console = Console::new(machine.console);
        Ok(Self {
            vitals: Arc::new(Mutex::new(Vitals { child, console, stderr })),
            channel: Some(ours),
            agent: None,
            deadline,
            console: machine.console.to_owned(),
            started,
        })
    }

    /// The agent, once it answers.
    pub(super) fn agent(&mut self) -> Result<&mut Agent, Lost> {
        if let Some(channel) = self.channel.take() {
            let vitals = Arc::clone(&self.vitals);
            let watch: Watch = Arc::new(move || lock(&vitals).gone());
            let agent = Agent::meet(channel, self.deadline, watch)?;
            sane_clock(agent.facts().uptime_ms, self.started.elapsed())?;
            self.agent = Some(agent);
        }
        self.agent.as_mut().ok_or_else(|| Lost::Ended("its agent never answered".to_owned()))
    }

    /// What the console says of the kernel's health.
    pub(super) fn fault(&self) -> Option<Lost> {
        lock(&self.vitals).console.fault()
    }

    pub(super) fn console(&self) -> &Path {
        &self.console
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.agent = None;
        let mut vitals = lock(&self.vitals);
        // It may have ended by itself; either way it is reaped.
        let _gone = vitals.child.kill();
        let _status = vitals.child.wait();
        if std::fs::metadata(&vitals.stderr).is_ok_and(|file| file.len() == 0) {
            let _gone = std::fs::remove_file(&vitals.stderr);
        }
    }
}

impl Vitals {
    fn gone(&mut self) -> Option<Lost> {
        if interrupt::happened() {
            return Some(Lost::Ended("interrupted".to_owned()));
        }
        if let Some(lost) = self.console.fault() {
            return Some(lost);
        }
        let status = self.child.try_wait().ok().flatten()?;
        Some(self.ended(status))
    }

    fn ended(&mut self, status: std::process::ExitStatus) -> Lost {
        if let Some(lost) = self.console.fault() {
            return lost;
        }
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        let words = stderr.lines().last().unwrap_or("it said nothing");
        Lost::Ended(format!("QEMU: {status}: {words}"))
    }
}

fn spawn(program: &QemuProgram, machine: Machine<'_>, channel: &OwnedFd, stderr: &Path) -> io::Result<Child> {
    let machine = Machine { channel: channel.as_raw_fd(), ..machine };
    let (first, rest) = program.argv.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut command = process::command(first);
    command
        .args(rest)
        .envs(program.env.iter().cloned())
        .args(arguments(&machine))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(stderr)?);
    process::own_group(&mut command);
    process::inherit(&mut command, channel);
    command.spawn()
}

fn lock(vitals: &Mutex<Vitals>) -> std::sync::MutexGuard<'_, Vitals> {
    vitals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guest that has been up for longer than it exists has misjudged its clock: every time-out in it would lie.
fn sane_clock(uptime_ms: u64, since: Duration) -> Result<(), Lost> {
    if Duration::from_millis(uptime_ms) <= since + CLOCK_SLACK {
        return Ok(());
    }
    let (uptime, since) = (uptime_ms / 1000, since.as_secs());
    Err(Lost::Ended(format!("its clock is wrong: it says {uptime} s since a start that was {since} s ago")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last row is the guest that took 29 MHz for 2,596.
    #[rstest::rstest]
    #[case(3_000, 3, true)]
    #[case(4_900, 3, true)]
    #[case(5_100, 3, false)]
    #[case(289_370, 4, false)]
    fn clocks(#[case] uptime_ms: u64, #[case] since: u64, #[case] sane: bool) {
        assert_eq!(sane_clock(uptime_ms, Duration::from_secs(since)).is_ok(), sane);
    }
}
