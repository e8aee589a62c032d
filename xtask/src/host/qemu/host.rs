//! One host: woken where that can be done, booted else, prepared either way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{BOOT, Frame};
use super::machine::Running;
use super::provider::{Notes, place};
use super::warm::{Saved, WarmStates};
use crate::guest::{Agent, Guest, ShellError, interactive};
use crate::host::freshen::{fresh_id, freshen, rename, rename_in_place};
use crate::host::prepare::prepare;
use crate::host::{CameUp, Host, Launch, Preparation};
use crate::interrupt;
use crate::model::{Exit, Lost};

/// The files that a host keeps in the cell's folder.
pub(super) struct Traces {
    /// What the guest says on its console. Of one that was woken: since then.
    pub(super) console: PathBuf,
    /// What its preparation printed.
    pub(super) prepared: PathBuf,
}

/// A host.
pub(super) struct QemuHost {
    frame: Frame,
    traces: Traces,
    preparation: Preparation,
    notes: Arc<Notes>,
    /// None where its state could not even be made; `lost` says why.
    running: Option<Running>,
    /// What it was woken from; it stays while this is held.
    saved: Option<Saved>,
    /// Why there is no guest, from then on.
    lost: Option<Lost>,
    /// Whether the guest was prepared, and has its own name.
    prepared: bool,
    /// The name that it was woken by. Its disk may not have it yet when the power is cut.
    name: Option<String>,
}

impl QemuHost {
    /// Starts QEMU. The state to wake it from is made first, where it is wanted and is not there yet.
    pub(super) fn begin(
        frame: Frame,
        launch: &Launch<'_>,
        warm: Option<&WarmStates>,
        notes: &Arc<Notes>,
    ) -> io::Result<Self> {
        let role = launch.role.name();
        let mut host = Self {
            frame,
            traces: Traces {
                console: launch.folder.join(format!("console-{role}.log")),
                prepared: launch.folder.join(format!("prepare-{role}.log")),
            },
            preparation: launch.prepare.clone(),
            notes: Arc::clone(notes),
            running: None,
            saved: None,
            lost: None,
            prepared: false,
            name: None,
        };
        let Some(warm) = warm else {
            host.running = Some(host.frame.boot(&host.traces.console)?);
            return Ok(host);
        };
        match warm.saved(&host.frame, &host.preparation, &host.traces, notes) {
            Ok(Some(saved)) => host.wake(saved)?,
            Ok(None) => host.running = Some(host.frame.boot(&host.traces.console)?),
            Err(lost) => host.lost = Some(lost),
        }
        Ok(host)
    }

    fn wake(&mut self, saved: Saved) -> io::Result<()> {
        match saved.wake(&self.frame, &self.traces.console) {
            Ok(running) => {
                // A log that cannot be placed is missed by nobody but its reader.
                let _lost = place(&saved.prepare_log(), &self.traces.prepared);
                self.running = Some(running);
                self.saved = Some(saved);
            }
            Err(why) => {
                self.give_state_up(&saved, &why);
                self.running = Some(self.frame.boot(&self.traces.console)?);
            }
        }
        Ok(())
    }

    /// The next guest of the stack makes a new one.
    fn give_state_up(&self, saved: &Saved, why: &str) {
        self.notes.add(format!("a saved guest did not wake, and another was booted in its place: {why}"));
        if let Err(error) = saved.discard() {
            self.notes.add(format!("the state that does not wake stays in the cache: {error}"));
        }
    }

    /// From a process to a guest that may be given out; after a power cut, to one that may be given out again.
    fn come_up(&mut self) -> Result<(), Lost> {
        if self.saved.is_some() && !self.prepared { self.come_up_woken() } else { self.come_up_booted() }
    }

    fn come_up_woken(&mut self) -> Result<(), Lost> {
        let running = self.running.as_mut().ok_or_else(gone)?;
        let name = fresh_id()?;
        let woken =
            running.agent().and_then(|agent| freshen(agent).and_then(|()| rename_in_place(agent, &name)));
        match woken {
            Ok(()) => {
                self.prepared = true;
                self.name = Some(name);
                Ok(())
            }
            Err(lost) if interrupt::happened() => Err(lost),
            // Nothing was asked of the guest yet: it is the state that does not work.
            Err(lost) => {
                self.running = None;
                if let Some(saved) = self.saved.take() {
                    self.give_state_up(&saved, &lost.to_string());
                }
                let booted =
                    self.frame.boot(&self.traces.console).map_err(|error| Lost::Ended(error.to_string()))?;
                self.running = Some(booted);
                self.come_up_booted()
            }
        }
    }

    fn come_up_booted(&mut self) -> Result<(), Lost> {
        let running = self.running.as_mut().ok_or_else(gone)?;
        let agent = running.agent()?;
        freshen(agent)?;
        if !self.prepared {
            self.prepared = true;
            prepare_anew(agent, &self.preparation, &self.traces.prepared)?;
            // As a woken guest has it: whatever the preparation did to the clock.
            freshen(agent)?;
        }
        self.name.as_ref().map_or(Ok(()), |name| rename_in_place(agent, name))
    }
}

/// A guest that has just booted: its own name, then what the stack's preparation wants. One without its root file
/// system is left as it is: whoever asks for the guest sees what it lacks.
pub(super) fn prepare_anew(agent: &mut Agent, preparation: &Preparation, log: &Path) -> Result<(), Lost> {
    if !agent.facts().root {
        return Ok(());
    }
    rename(agent)?;
    let cannot = |error: io::Error| Lost::Unprepared(format!("cannot write {}: {error}", log.display()));
    // It may be there as a link to a saved state's log, which is not ours to write.
    let _none = std::fs::remove_file(log);
    prepare(agent, preparation, &mut File::create(log).map_err(cannot)?)
}

fn gone() -> Lost {
    Lost::Ended("it was never started".to_owned())
}

impl Host for QemuHost {
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        if !self.running.as_ref().is_some_and(Running::is_met)
            && let Err(lost) = self.come_up()
        {
            self.lost = Some(lost.clone());
            return Err(lost);
        }
        let running = self.running.as_mut().ok_or_else(gone)?;
        running.agent().map(|agent| agent as &mut dyn Guest)
    }

    fn came_up(&self) -> CameUp {
        if self.saved.is_some() { CameUp::Woken } else { CameUp::Booted }
    }

    fn power_cut(&mut self) -> Result<(), Lost> {
        // Whatever becomes of it, it has come up before it goes down.
        self.guest()?;
        self.running.as_mut().ok_or_else(gone)?.power_cut(BOOT)
    }

    fn machine(&self) -> String {
        format!("QEMU {}, {}", self.frame.program.version, self.frame.accelerator)
    }

    fn fault(&mut self) -> Option<Lost> {
        self.running.as_ref()?.fault()
    }

    fn shell(&mut self) -> Result<Exit, ShellError> {
        self.guest().map_err(ShellError::Lost)?;
        let running = self.running.as_mut().ok_or_else(|| ShellError::Lost(gone()))?;
        let agent = running.agent().map_err(ShellError::Lost)?;
        interactive(agent)
    }

    fn traces(&self) -> Vec<String> {
        let names =
            [&self.traces.console, &self.traces.prepared].into_iter().filter_map(|path| path.file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.push("kernel.config".to_owned());
        names
    }
}
