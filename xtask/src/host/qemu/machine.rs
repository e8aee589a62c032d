//! One QEMU process and the agent in it.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::QemuProgram;
use super::arguments::{Machine, Sockets, arguments};
use super::qmp::{Qmp, QmpError};
use crate::guest::{Agent, Guest as _, Watch};
use crate::host::console::Console;
use crate::interrupt;
use crate::model::Lost;
use crate::process;

/// How long QEMU may take for an answer on its control channel. It may still be starting, on a busy machine.
pub(super) const CONTROL: Duration = Duration::from_secs(30);

/// A QEMU process: it ends when this is dropped, and when the thread that started it does.
pub(super) struct Running {
    vitals: Arc<Mutex<Vitals>>,
    /// Ours of the pair whose other end is the agent's.
    channel: UnixStream,
    control: Qmp,
    agent: Option<Agent>,
    deadline: Duration,
    started: Instant,
    /// How long its guest had been up when it started.
    slept: Duration,
    /// Whether a reset is a reset, and not the end.
    may_reset: bool,
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
    /// Starts QEMU; `machine.sockets` are set here. `deadline` is for the agent's first word. `slept` is how long a
    /// guest that is woken had been up, and zero for others.
    pub(super) fn start(
        program: &QemuProgram,
        machine: Machine<'_>,
        deadline: Duration,
        slept: Duration,
    ) -> io::Result<Self> {
        let started = Instant::now();
        let (channel, agent_end) = UnixStream::pair()?;
        let (control, control_end) = UnixStream::pair()?;
        let stderr = machine.console.with_extension("qemu.log");
        // Of a machine before this one: QEMU empties the file only when it gets there.
        let _none = std::fs::remove_file(machine.console);
        let child = spawn(program, machine, &agent_end.into(), &control_end.into(), &stderr)?;
        let console = Console::new(machine.console);
        let vitals = Arc::new(Mutex::new(Vitals { child, console, stderr }));
        let control = Qmp::new(control, watch(&vitals)).map_err(io::Error::other)?;
        Ok(Self { vitals, channel, control, agent: None, deadline, started, slept, may_reset: false })
    }

    /// The agent, once it answers.
    pub(super) fn agent(&mut self) -> Result<&mut Agent, Lost> {
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.meet()?,
        };
        Ok(self.agent.insert(agent))
    }

    /// Whether the agent has answered since the guest came up.
    pub(super) fn is_met(&self) -> bool {
        self.agent.is_some()
    }

    fn meet(&mut self) -> Result<Agent, Lost> {
        let ours = self.channel.try_clone().map_err(|error| Lost::Ended(format!("its channel: {error}")))?;
        let agent = Agent::meet(ours, self.deadline, watch(&self.vitals))?;
        sane_clock(agent.facts().uptime_ms, self.slept + self.started.elapsed())?;
        if std::mem::take(&mut self.may_reset) {
            self.control.execute("set-action", &json!({ "reboot": "shutdown" }), CONTROL)?;
        }
        Ok(agent)
    }

    /// QEMU itself.
    pub(super) fn control(&mut self) -> &mut Qmp {
        &mut self.control
    }

    /// How long the guest has been up, as this machine's clock has it.
    pub(super) fn age(&self) -> Duration {
        self.slept + self.started.elapsed()
    }

    /// Ends QEMU in good order: what it holds for its disks is in their files then.
    pub(super) fn quit(mut self) -> Result<(), QmpError> {
        self.agent = None;
        self.control.quit(CONTROL)
    }

    /// Resets the machine under the guest's feet; the next [`Running::agent`] waits for `deadline` for the new boot.
    pub(super) fn power_cut(&mut self, deadline: Duration) -> Result<(), Lost> {
        self.agent = None;
        // `-no-reboot` makes an end of every reset, and is to do so again for a guest that panics. Not before this one
        // is up: SeaBIOS, when it finds itself in memory, resets the machine once more.
        self.may_reset = true;
        self.control.execute("set-action", &json!({ "reboot": "reset" }), CONTROL)?;
        self.control.execute("system_reset", &json!({}), CONTROL)?;
        self.control.event("RESET", CONTROL)?;
        drain(&self.channel).map_err(|error| Lost::Ended(format!("its channel: {error}")))?;
        (self.started, self.slept, self.deadline) = (Instant::now(), Duration::ZERO, deadline);
        Ok(())
    }

    /// What the console says of the kernel's health.
    pub(super) fn fault(&self) -> Option<Lost> {
        lock(&self.vitals).console.fault()
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

fn watch(vitals: &Arc<Mutex<Vitals>>) -> Watch {
    let vitals = Arc::clone(vitals);
    Arc::new(move || lock(&vitals).gone())
}

fn spawn(
    program: &QemuProgram,
    machine: Machine<'_>,
    agent: &OwnedFd,
    control: &OwnedFd,
    stderr: &Path,
) -> io::Result<Child> {
    let sockets = Sockets { agent: agent.as_raw_fd(), control: control.as_raw_fd() };
    let machine = Machine { sockets, ..machine };
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
    process::inherit(&mut command, agent);
    process::inherit(&mut command, control);
    command.spawn()
}

fn lock(vitals: &Mutex<Vitals>) -> std::sync::MutexGuard<'_, Vitals> {
    vitals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what an earlier guest has said on the channel.
fn drain(channel: &UnixStream) -> io::Result<()> {
    channel.set_nonblocking(true)?;
    let mut bytes = [0; 4096];
    loop {
        match (&mut &*channel).read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
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
