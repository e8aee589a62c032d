//! One cell: make its hosts, play its steps, bring its logs home. Everything learnt is told as an event.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::capture;
use super::evidence;
use super::images::Images;
use super::look;
use super::power;
use super::shortcut;
use crate::engine::{Engine, Probe, Scene, WORK_FOLDER};
use crate::guest::{Exec, TransferError};
use crate::host::{Host, Provider};
use crate::interrupt;
use crate::model::{
    Action, CellId, Command, Event, Exit, Finished, Lost, Place, Role, Stage, Step, Telling, Verb, Workload,
};
use crate::plan::{Plan, PlannedCell};
use crate::scenario::Story;

/// All that a cell needs; nothing of it changes while it is played.
pub struct CellRun<'a> {
    /// The plan that it is from.
    pub plan: &'a Plan,
    /// Which cell.
    pub cell: &'a PlannedCell,
    /// Its story.
    pub story: &'a Story,
    /// The story's workload.
    pub workload: &'a Workload,
    /// Who drives CRIU.
    pub engine: &'a dyn Engine,
    /// Who makes hosts.
    pub provider: &'a dyn Provider,
    /// The files that workloads need, by name.
    pub files: &'a BTreeMap<String, PathBuf>,
    /// The cell's folder.
    pub folder: &'a Path,
    /// Which of CRIU's images are brought home when it has ended.
    pub images: Images,
    /// Who is told.
    pub tell: &'a dyn Telling,
}

/// How the playing of a cell ended. What it means is the judge's to say.
pub enum Played {
    /// Its record is whole.
    Ended,
    /// Its record is whole, and its hosts still stand, because they were to be kept.
    Kept(BTreeMap<Role, Box<dyn Host>>),
    /// It was cut short from outside, and is to be played again.
    Interrupted,
}

/// Why the steps stopped before the last.
pub(super) enum Stop {
    /// A decisive command failed, or a feature is missing: told already.
    Told,
    Lost(Role, Lost),
    Broken(String),
}

pub(super) type Hosts = BTreeMap<Role, Box<dyn Host>>;

impl CellRun<'_> {
    /// Plays the cell from its first event to its last. `keep` is asked, when it has ended, whether its hosts are
    /// to be kept.
    pub fn play(&self, keep: &dyn Fn() -> bool) -> Played {
        let begun = Instant::now();
        self.tell(Event::CellStarted { cell: self.id(), at: Timestamp::now().to_string() });
        let mut hosts = Hosts::new();
        let stop = self.make_hosts(&mut hosts).and_then(|()| self.play_steps(&mut hosts)).err();
        if interrupt::happened() {
            return Played::Interrupted;
        }
        let unwell = stop.is_some();
        match stop {
            Some(Stop::Lost(role, how)) => self.tell(Event::GuestLost { cell: self.id(), role, how }),
            Some(Stop::Broken(reason)) => self.tell(Event::Broken { cell: self.id(), reason }),
            Some(Stop::Told) | None => {}
        }
        evidence::collect(self, unwell, &mut hosts);
        if interrupt::happened() {
            return Played::Interrupted;
        }
        for (role, host) in &mut hosts {
            if let Some(how) = host.fault() {
                self.tell(Event::GuestLost { cell: self.id(), role: *role, how });
            }
        }
        self.tell(Event::CellEnded { cell: self.id(), seconds: begun.elapsed().as_secs_f64() });
        if interrupt::happened() || !keep() { Played::Ended } else { Played::Kept(hosts) }
    }

    /// Tells of the cell that it is not played, and why.
    pub fn skip(&self, reason: &str) {
        self.tell(Event::CellStarted { cell: self.id(), at: Timestamp::now().to_string() });
        self.tell(Event::Unfit { cell: self.id(), reason: reason.to_owned() });
        self.tell(Event::CellEnded { cell: self.id(), seconds: 0.0 });
    }

    fn play_steps(&self, hosts: &mut Hosts) -> Result<(), Stop> {
        self.probe(hosts)?;
        capture::begin(self, hosts)?;
        let mut seen = vec![Place::host(Role::Source)];
        for (index, step) in self.story.steps.iter().enumerate() {
            let number = index + 1;
            self.begin(number, self.story.stage(index), &step.to_string());
            let actions = self
                .engine
                .lower(step, &self.scene())
                .map_err(|refusal| Stop::Broken(format!("planned although {refusal}")))?;
            for (at, action) in actions.iter().enumerate() {
                let last = at + 1 == actions.len();
                let acted = self.act(hosts, number, step, action, last);
                if last && matches!(acted, Err(Stop::Told)) && step.on == Role::Destination {
                    // What has failed stays a failure, whatever becomes of the way back.
                    if self.fall_back(hosts, number, step).is_err() {
                        let text = format!("{}: the way back of the move could not be seen", self.cell.id);
                        self.tell(Event::Note { text });
                    }
                }
                acted?;
            }
            if matches!(step.verb, Verb::PowerCut { .. }) {
                power::cut(self, hosts, number, step.on)?;
            }
            // Whoever looks would hang as well.
            if step.hangs || matches!(step.verb, Verb::StopDaemon(_)) {
                continue;
            }
            if matches!(step.verb, Verb::Transfer { .. }) {
                seen.push(Place::host(Role::Destination));
            }
            let place = step.place();
            if !seen.contains(&place) {
                seen.push(place);
            }
            for place in &seen {
                look::observe(self, hosts, number, place)?;
            }
        }
        Ok(())
    }

    /// What every guest is asked before the story.
    fn probe(&self, hosts: &mut Hosts) -> Result<(), Stop> {
        self.begin(0, Stage::Check, "CRIU starts and says what it can");
        let mut probes = self.engine.probes(&self.story.features);
        probes.extend(self.workload.needs.iter().map(|program| Probe::Feature {
            works: Command::new(":"),
            has: Command::new(format!("[ -n \"$(command -v {program})\" ]")),
            name: format!("{program} (a program of the userland)"),
        }));
        let mut missing = Vec::new();
        for role in self.story.roles() {
            for probe in &probes {
                match probe {
                    Probe::Needed(command) => self.decide(hosts, 0, role, command)?,
                    Probe::Evidence(command) => {
                        self.run(hosts, 0, role, command, false)?;
                    }
                    Probe::Feature { works, has, name } => {
                        if self.run(hosts, 0, role, works, false)?.exit.is_success()
                            && self.lacks(hosts, role, has)?
                            && !missing.contains(name)
                        {
                            missing.push(name.clone());
                        }
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        for feature in missing {
            self.tell(Event::FeatureMissing { cell: self.id(), feature });
        }
        Err(Stop::Told)
    }

    /// `criu check --feature` ends with 1 where the feature is not there; any other end is no answer.
    fn lacks(&self, hosts: &mut Hosts, role: Role, has: &Command) -> Result<bool, Stop> {
        match self.run(hosts, 0, role, has, false)?.exit {
            Exit::Status(0) => Ok(false),
            Exit::Status(1) => Ok(true),
            exit => Err(Stop::Broken(format!("{} gave no answer: {exit}", has.line))),
        }
    }

    /// One action of a step; what must be refused, or must hang, is the `last` of its commands.
    fn act(
        &self,
        hosts: &mut Hosts,
        number: usize,
        step: &Step,
        action: &Action,
        last: bool,
    ) -> Result<(), Stop> {
        let within = |command: &Command| match step.deadline {
            Some(seconds) => command.clone().within(seconds.into()),
            None => command.clone(),
        };
        match action {
            Action::Run(role, command) if last && (step.refused || step.hangs) => {
                self.run(hosts, number, *role, &within(command), false).map(|_| ())
            }
            // What makes a container ready for a restore is neither the restore nor CRIU's doing.
            Action::Run(role, command)
                if !last
                    && step.by.is_none()
                    && !step.cpuinfo
                    && matches!(step.verb, Verb::Dump { .. } | Verb::Restore { .. }) =>
            {
                let finished = self.run(hosts, number, *role, command, false)?;
                if finished.exit.is_success() {
                    return Ok(());
                }
                let why = finished.stderr.trim();
                Err(Stop::Broken(format!(
                    "{step} cannot be prepared: {}: {}: {why}",
                    command.line, finished.exit
                )))
            }
            // Waiting within an expectation is for the checker to judge.
            Action::Run(role, command) if matches!(step.verb, Verb::Expect(_)) => {
                self.run(hosts, number, *role, command, false).map(|_| ())
            }
            Action::Run(role, command) => self.decide(hosts, number, *role, &within(command)),
            Action::Carry(file) => self.carry(hosts, file),
        }
    }

    fn decide(&self, hosts: &mut Hosts, step: usize, role: Role, command: &Command) -> Result<(), Stop> {
        if self.run(hosts, step, role, command, true)?.exit.is_success() { Ok(()) } else { Err(Stop::Told) }
    }

    pub(super) fn run(
        &self,
        hosts: &mut Hosts,
        step: usize,
        role: Role,
        command: &Command,
        decisive: bool,
    ) -> Result<Finished, Stop> {
        let host = host(hosts, role)?;
        let folder = self.folder_of(step);
        let lost = |how| Stop::Lost(role, how);
        let ended = host.guest().and_then(|guest| shortcut::ended(guest, command)).map_err(lost)?;
        let (finished, hang, by) = match ended {
            Some((finished, by)) => (finished, None, Some(by)),
            None => {
                let (finished, hang) = self.watched(host, command, &folder).map_err(lost)?;
                (finished, hang, None)
            }
        };
        self.tell(Event::CommandEnded {
            cell: self.id(),
            step,
            role,
            line: command.line.clone(),
            decisive,
            finished: finished.clone(),
            hang,
            by,
        });
        if let Some(line) = &command.after {
            in_guest(host, &Command::new(line)).map_err(|how| Stop::Lost(role, how))?;
        }
        for file in &command.keep {
            let name =
                Path::new(file).file_name().map_or(file.as_str(), |name| name.to_str().unwrap_or(file));
            evidence::keep(self, host, &format!("{WORK_FOLDER}/{file}"), &format!("{folder}/{name}"))
                .map_err(|how| Stop::Lost(role, how))?;
        }
        Ok(finished)
    }

    /// Where what a step leaves is kept, below the cell's folder: `03-dump`.
    pub(super) fn folder_of(&self, step: usize) -> String {
        let stage = if step == 0 { Stage::Check } else { self.story.stage(step - 1) };
        format!("{step:02}-{stage}")
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        Scene { workload: self.workload, settings: &self.story.settings }
    }

    /// By way of a file of ours that is never seen by name: it is gone with its handle.
    fn carry(&self, hosts: &mut Hosts, file: &str) -> Result<(), Stop> {
        let path = format!("{WORK_FOLDER}/{file}");
        let local = |error: std::io::Error| Stop::Broken(format!("cannot carry {file}: {error}"));
        let mut parcel = tempfile::tempfile_in(self.folder).map_err(local)?;
        let guest = host(hosts, Role::Source)?.guest().map_err(|how| Stop::Lost(Role::Source, how))?;
        let length = guest.pull(&path, &mut parcel).map_err(|error| transfer(Role::Source, &path, error))?;
        std::io::Seek::rewind(&mut parcel).map_err(local)?;
        let guest =
            host(hosts, Role::Destination)?.guest().map_err(|how| Stop::Lost(Role::Destination, how))?;
        guest
            .push(&mut parcel, length, &path, 0o600)
            .map_err(|error| transfer(Role::Destination, &path, error))
    }

    fn begin(&self, step: usize, stage: Stage, text: &str) {
        self.tell(Event::StepStarted { cell: self.id(), step, stage, text: text.to_owned() });
    }

    pub(super) fn id(&self) -> CellId {
        self.cell.id.clone()
    }

    pub(super) fn tell(&self, event: Event) {
        self.tell.tell(event);
    }
}

/// Ends the record of a cell whose playing came to no end: it is broken.
pub fn give_up(tell: &dyn Telling, cell: &CellId, reason: &str) {
    tell.tell(Event::Broken { cell: cell.clone(), reason: reason.to_owned() });
    tell.tell(Event::CellEnded { cell: cell.clone(), seconds: 0.0 });
}

pub(super) fn host(hosts: &mut Hosts, role: Role) -> Result<&mut dyn Host, Stop> {
    match hosts.get_mut(&role) {
        Some(host) => Ok(host.as_mut()),
        None => Err(Stop::Broken(format!("the cell has no {}", role.name()))),
    }
}

/// Runs a command in the work folder.
pub(super) fn in_guest(host: &mut dyn Host, command: &Command) -> Result<Finished, Lost> {
    host.guest()?.run(&Exec::sh(&command.line, WORK_FOLDER, command.deadline))
}

pub(super) fn transfer(role: Role, path: &str, error: TransferError) -> Stop {
    match error {
        TransferError::Lost(how) => Stop::Lost(role, how),
        other => Stop::Broken(format!("cannot move {path} of the {}: {other}", role.name())),
    }
}
