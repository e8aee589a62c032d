//! One cell: make its hosts, play its steps, bring its logs home. Everything learnt is told as an event.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::evidence;
use crate::engine::{Engine, Look, Probe, WORK_FOLDER};
use crate::guest::{CUT, Exec, TransferError};
use crate::host::{Host, Provider};
use crate::interrupt;
use crate::model::{
    Action, CellId, Command, Event, Exit, Finished, Lost, Observation, Role, Stage, Step, Telling, Verb,
    Workload,
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
        match stop {
            Some(Stop::Lost(role, how)) => self.tell(Event::GuestLost { cell: self.id(), role, how }),
            Some(Stop::Broken(reason)) => self.tell(Event::Broken { cell: self.id(), reason }),
            Some(Stop::Told) | None => {}
        }
        evidence::collect(self, &mut hosts);
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
        let look = self.engine.look(self.workload);
        let mut seen = vec![Role::Source];
        for (index, step) in self.story.steps.iter().enumerate() {
            let number = index + 1;
            self.begin(number, self.story.stage(index), &step.to_string());
            let actions = self
                .engine
                .lower(step, self.workload)
                .map_err(|refusal| Stop::Broken(format!("planned although {refusal}")))?;
            for action in &actions {
                self.act(hosts, number, step, action)?;
            }
            if matches!(step.verb, Verb::Transfer { .. }) {
                seen.push(Role::Destination);
            }
            for &role in &seen {
                self.observe(hosts, number, role, &look)?;
            }
        }
        Ok(())
    }

    /// What every guest is asked before the story.
    fn probe(&self, hosts: &mut Hosts) -> Result<(), Stop> {
        self.begin(0, Stage::Check, "CRIU starts and says what it can");
        let probes = self.engine.probes(&self.story.features);
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

    fn act(&self, hosts: &mut Hosts, number: usize, step: &Step, action: &Action) -> Result<(), Stop> {
        match action {
            // Waiting within an expectation is for the checker to judge.
            Action::Run(role, command) if matches!(step.verb, Verb::Expect(_)) => {
                self.run(hosts, number, *role, command, false).map(|_| ())
            }
            Action::Run(role, command) => self.decide(hosts, number, *role, command),
            Action::Carry(file) => self.carry(hosts, file),
        }
    }

    fn decide(&self, hosts: &mut Hosts, step: usize, role: Role, command: &Command) -> Result<(), Stop> {
        if self.run(hosts, step, role, command, true)?.exit.is_success() { Ok(()) } else { Err(Stop::Told) }
    }

    fn run(
        &self,
        hosts: &mut Hosts,
        step: usize,
        role: Role,
        command: &Command,
        decisive: bool,
    ) -> Result<Finished, Stop> {
        let host = host(hosts, role)?;
        let finished = in_guest(host, command).map_err(|how| Stop::Lost(role, how))?;
        self.tell(Event::CommandEnded {
            cell: self.id(),
            step,
            role,
            line: command.line.clone(),
            decisive,
            finished: finished.clone(),
        });
        let stage = if step == 0 { Stage::Check } else { self.story.stage(step - 1) };
        for file in &command.keep {
            let name =
                Path::new(file).file_name().map_or(file.as_str(), |name| name.to_str().unwrap_or(file));
            evidence::keep(
                self,
                host,
                &format!("{WORK_FOLDER}/{file}"),
                &format!("{step:02}-{stage}/{name}"),
            )
            .map_err(|how| Stop::Lost(role, how))?;
        }
        Ok(finished)
    }

    fn observe(&self, hosts: &mut Hosts, step: usize, role: Role, look: &Look) -> Result<(), Stop> {
        let host = host(hosts, role)?;
        let mut outputs = BTreeMap::new();
        // A look that failed is no look at nothing.
        let mut see = |command: &Command| {
            let finished = in_guest(host, command).map_err(|how| Stop::Lost(role, how))?;
            if finished.exit.is_success() && !finished.stdout.contains(CUT) {
                return Ok(finished.stdout);
            }
            let (line, why) = (&command.line, finished.stderr.trim());
            Err(Stop::Broken(format!("cannot look at the {}: {line}: {}: {why}", role.name(), finished.exit)))
        };
        for (file, command) in &look.outputs {
            outputs.insert(file.clone(), see(command)?);
        }
        let stat = see(&look.stat)?;
        let pid = see(&look.pid)?.trim().parse().ok();
        let observation = Observation { role, outputs, stat, pid };
        self.tell(Event::Observed { cell: self.id(), step, observation });
        Ok(())
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

fn host(hosts: &mut Hosts, role: Role) -> Result<&mut dyn Host, Stop> {
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
