//! One look at a workload: its outputs, its processes, and what the engine says of its container.

use std::collections::BTreeMap;

use super::cell::{CellRun, Hosts, Stop, host};
use crate::guest::CUT;
use crate::host::Host;
use crate::model::{Command, Event, Expectation, Observation, PEER, Place, Role, Stream, Verb};

/// What each process's id is in its own pid namespace.
const INSIDE: &str = "grep -s NSpid: /proc/[0-9]*/status || true";

/// Looks, and tells what was seen.
pub(super) fn observe(run: &CellRun<'_>, hosts: &mut Hosts, step: usize, place: &Place) -> Result<(), Stop> {
    let host = host(hosts, place.on)?;
    let look = run.engine.look(place.container.as_deref(), &run.scene());
    let mut eye = Eye { run, host, step, role: place.on };
    let mut outputs = BTreeMap::new();
    for (file, command) in &look.outputs {
        outputs.insert(file.clone(), eye.see(command)?);
    }
    if run.story.settings.publish.is_some() {
        let Stream { file, .. } = PEER;
        let line = format!("[ ! -e {file} ] || cat {file}");
        outputs.insert(file.to_owned(), eye.see(&Command::new(line))?);
    }
    let stat = eye.see(&look.stat)?;
    let root = eye.see(&look.root)?;
    let mut observation = Observation {
        role: place.on,
        container: place.container.clone(),
        outputs,
        stat,
        pid: root.lines().find_map(|line| line.trim().parse().ok()),
        ..Observation::default()
    };
    if look.contained {
        observation.inside = Some(eye.see(&Command::new(INSIDE))?);
        let word = root.lines().map(str::trim).find(|line| line.parse::<i32>().is_err());
        observation.listed = Some(word.unwrap_or_default().to_owned());
    }
    if let (Some(pid), true) = (observation.pid, compares(run)) {
        observation.items = items(&eye.see(&Command::new(format!("sh ./container-items.sh {pid}")))?);
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
    /// A look that failed is no look at nothing.
    fn see(&mut self, command: &Command) -> Result<String, Stop> {
        let folder = self.run.folder_of(self.step);
        let lost = |how| Stop::Lost(self.role, how);
        let (finished, hang) = self.run.watched(self.host, command, &folder).map_err(lost)?;
        if finished.exit.is_success() && !finished.stdout.contains(CUT) {
            return Ok(finished.stdout);
        }
        let (role, line) = (self.role.name(), &command.line);
        let why = hang.map_or_else(|| finished.stderr.trim().to_owned(), |hang| hang.clause());
        Err(Stop::Broken(format!("cannot look at the {role}: {line}: {}: {why}", finished.exit)))
    }
}
