//! One look at a workload: its outputs, its processes, and what the engine says of its container.

use std::collections::BTreeMap;

use super::cell::{CellRun, Hosts, Stop, host};
use crate::guest::{Batch, CUT};
use crate::host::Host;
use crate::model::{Command, Event, Exit, Expectation, Observation, PEER, Place, Role, Stream, Verb};

/// What each process's id is in its own pid namespace.
const INSIDE: &str = "grep -s NSpid: /proc/[0-9]*/status || true";

/// Looks, and tells what was seen.
pub(super) fn observe(run: &CellRun<'_>, hosts: &mut Hosts, step: usize, place: &Place) -> Result<(), Stop> {
    let host = host(hosts, place.on)?;
    let look = run.engine.look(place.container.as_deref(), &run.scene());
    let mut eye = Eye { run, host, step, role: place.on };
    let mut outputs = look.outputs;
    if run.story.settings.publish.is_some() {
        let Stream { file, .. } = PEER;
        outputs.push((file.to_owned(), Command::new(format!("[ ! -e {file} ] || cat {file}"))));
    }
    let inside = look.contained.then(|| Command::new(INSIDE));
    let commands: Vec<&Command> =
        outputs.iter().map(|(_, command)| command).chain([&look.stat, &look.root]).chain(&inside).collect();
    let mut seen = eye.see(&commands)?.into_iter();
    let outputs = outputs.iter().map(|(file, _)| file.clone()).zip(seen.by_ref()).collect();
    let [stat, root, inside] = [(); 3].map(|()| seen.next().unwrap_or_default());
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
        observation.items =
            items(&eye.see(&[&Command::new(format!("sh ./container-items.sh {pid}"))])?.concat());
    }
    run.tell(Event::Observed { cell: run.id(), step, observation });
    Ok(())
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
    /// What each prints. A look that failed is no look at nothing.
    fn see(&mut self, commands: &[&Command]) -> Result<Vec<String>, Stop> {
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
