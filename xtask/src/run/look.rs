//! One look at a workload: its outputs, its processes, and what the engine says of its container.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};

use super::cell::{CellRun, Hosts, Stop, host};
use super::shortcut;
use crate::engine;
use crate::guest::{Batch, CUT};
use crate::host::Host;
use crate::model::{Command, Event, Exit, Expectation, Observation, PEER, Place, Role, Shortcut, Verb, View};

/// What each process's id is in its own pid namespace.
const INSIDE: &str = "grep -s NSpid: /proc/[0-9]*/status || true";

/// Every process. One may end between the shell's listing and cat's reading.
const PROCESSES: &str = "cat /proc/[0-9]*/stat 2>/dev/null || true";

/// For how long nothing must come from a program that stands still, in milliseconds.
const REST: u8 = 100;
/// When that is no longer waited for: what comes all the same is for a checker.
const REST_WITHIN: Duration = Duration::from_secs(2);

/// Looks, and tells what was seen.
pub(super) fn observe(run: &CellRun<'_>, hosts: &mut Hosts, step: usize, place: &Place) -> Result<(), Stop> {
    let host = host(hosts, place.on)?;
    let look = run.engine.look(place.container.as_deref(), &run.scene());
    let mut eye = Eye { run, host, step, role: place.on };
    let mut outputs = look.outputs;
    if run.story.settings.publish.is_some() {
        outputs.push((PEER.file.to_owned(), engine::file(PEER.file, true)));
    }
    let stat = View::of(Command::new(PROCESSES)).or(Shortcut::Processes);
    let inside = View::of(Command::new(INSIDE)).or(Shortcut::Namespaces);
    // Whoever has told a tick is looked for only then, and at once.
    let views: Vec<&View> = outputs.iter().map(|(_, view)| view).collect();
    let told =
        if look.contained && stills(run, step, place) { eye.at_rest(&views)? } else { eye.see(&views)? };
    let outputs = outputs.iter().map(|(file, _)| file.clone()).zip(told).collect();
    let kernels = [&stat, &inside];
    let mut seen = eye.see(&kernels[..1 + usize::from(look.contained)])?.into_iter();
    let [stat, inside] = [(); 2].map(|()| seen.next().unwrap_or_default());
    let root = eye.see(&[&look.root])?.concat();
    let mut observation = Observation {
        role: place.on,
        container: place.container.clone(),
        outputs,
        stat,
        pid: root.lines().find_map(|line| line.trim().parse().ok()),
        ..Observation::default()
    };
    if look.contained {
        observation.inside = Some(inside);
        let word = root.lines().map(str::trim).find(|line| line.parse::<i32>().is_err());
        observation.listed = Some(word.unwrap_or_default().to_owned());
    }
    if let (Some(pid), true) = (observation.pid, compares(run)) {
        let line = format!("sh ./container-items.sh {pid}");
        observation.items = items(&eye.see(&[&View::of(Command::new(line))])?.concat());
    }
    run.tell(Event::Observed { cell: run.id(), step, observation });
    Ok(())
}

/// Whether the step ends or freezes what is looked at.
fn stills(run: &CellRun<'_>, step: usize, place: &Place) -> bool {
    let step = step.checked_sub(1).and_then(|index| run.story.steps.get(index));
    step.is_some_and(|step| {
        let stilled = match step.verb {
            Verb::Pause | Verb::Kill | Verb::Stop => true,
            Verb::Dump { leave_running, .. } => !leave_running,
            _ => false,
        };
        stilled && step.place() == *place
    })
}

/// Whether the story wants to know what the container is, item by item.
fn compares(run: &CellRun<'_>) -> bool {
    run.story
        .steps
        .iter()
        .any(|step| matches!(step.verb, Verb::Expect(Expectation::Unchanged | Expectation::SameNetwork)))
}

/// `NAME VALUE` lines.
fn items(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| line.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(pair).collect()
}

struct Eye<'a> {
    run: &'a CellRun<'a>,
    step: usize,
    host: &'a mut dyn Host,
    role: Role,
}

impl Eye<'_> {
    /// What each shows. A look that failed is no look at nothing.
    fn see(&mut self, views: &[&View]) -> Result<Vec<String>, Stop> {
        let lost = |how| Stop::Lost(self.role, how);
        let told = self.host.guest().and_then(|guest| shortcut::seen(guest, views)).map_err(lost)?;
        let rest = std::iter::zip(views, &told).filter(|(_, told)| told.is_none());
        let rest: Vec<&Command> = rest.map(|(view, _)| &view.command).collect();
        let mut printed = if rest.is_empty() { Vec::new() } else { self.run(&rest)? }.into_iter();
        Ok(told.into_iter().map(|told| told.or_else(|| printed.next()).unwrap_or_default()).collect())
    }

    /// What outputs show when nothing more comes: the last tick of a container goes through pipes and daemons, and may
    /// be on its way when whatever has ended or frozen the program is over. The start of a client takes longer than that.
    fn at_rest(&mut self, views: &[&View]) -> Result<Vec<String>, Stop> {
        let deadline = Instant::now() + REST_WITHIN;
        let mut before = self.see(views)?;
        while views.iter().all(|view| view.shortcut.is_some()) && Instant::now() < deadline {
            // Nothing but the time is waited for.
            let _ = poll(&mut [], PollTimeout::from(REST));
            let now = self.see(views)?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(before)
    }

    /// What each line prints.
    fn run(&mut self, commands: &[&Command]) -> Result<Vec<String>, Stop> {
        let batch = Batch::new(commands.iter().map(|command| &command.line));
        let deadline = commands.iter().map(|command| command.deadline).sum();
        let all = Command { deadline, ..Command::new(batch.line()) };
        let folder = self.run.folder_of(self.step);
        let lost = |how| Stop::Lost(self.role, how);
        let (finished, hang) = self.run.watched(self.host, &all, &folder).map_err(lost)?;
        let parts = batch.parts(&finished.stdout);
        let failed = commands.iter().zip(&parts).find(|(_, part)| part.status != 0);
        if failed.is_none() && parts.len() == commands.len() && !finished.stdout.contains(CUT) {
            return Ok(parts.into_iter().map(|part| part.stdout).collect());
        }
        let (line, exit) = match failed {
            Some((command, part)) => (command.line.as_str(), Exit::Status(part.status)),
            None => (batch.line_after(&parts), finished.exit),
        };
        let role = self.role.name();
        let why = hang.map_or_else(|| finished.stderr.trim().to_owned(), |hang| hang.clause());
        Err(Stop::Broken(format!("cannot look at the {role}: {line}: {exit}: {why}")))
    }
}
