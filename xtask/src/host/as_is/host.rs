//! One host on a machine that is taken as it is, by its agent.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::guest::{Agent, Guest, ShellError, interactive};
use crate::host::prepare::prepare;
use crate::host::{CameUp, Host, Launch, Preparation};
use crate::model::{Exit, Lost};

/// How long the agent may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// A host. Whatever it holds ends with it.
pub(super) struct Taken {
    child: Child,
    /// Until the first question.
    stream: Option<UnixStream>,
    agent: Option<Agent>,
    preparation: Preparation,
    log: PathBuf,
    lost: Option<Lost>,
    /// Which machine, for the record.
    machine: String,
    /// Where the other host reaches it.
    address: Option<String>,
    /// What it needs on this machine for as long as it lives.
    _folder: Option<TempDir>,
}

impl Taken {
    pub(super) fn new(
        launch: &Launch<'_>,
        machine: String,
        address: Option<String>,
        folder: Option<TempDir>,
        child: Child,
        stream: UnixStream,
    ) -> Self {
        Self {
            child,
            stream: Some(stream),
            agent: None,
            preparation: launch.prepare.clone(),
            log: launch.folder.join(format!("prepare-{}.log", launch.role.name())),
            lost: None,
            machine,
            address,
            _folder: folder,
        }
    }

    fn come_up(&mut self, stream: UnixStream) -> Result<(), Lost> {
        let mut agent = Agent::meet(stream, ANSWER, Arc::new(|| None))?;
        // It was started with CRIU in its place, or not at all.
        agent.has_everything();
        let cannot =
            |error: io::Error| Lost::Unprepared(format!("cannot write {}: {error}", self.log.display()));
        prepare(&mut agent, &self.preparation, &mut File::create(&self.log).map_err(cannot)?)?;
        self.agent = Some(agent);
        Ok(())
    }
}

impl Host for Taken {
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        if let Some(stream) = self.stream.take()
            && let Err(lost) = self.come_up(stream)
        {
            self.lost = Some(lost.clone());
            return Err(lost);
        }
        let agent = self.agent.as_mut().map(|agent| agent as &mut dyn Guest);
        agent.ok_or_else(|| Lost::Ended("it never answered".to_owned()))
    }

    fn came_up(&self) -> CameUp {
        CameUp::There
    }

    fn power_cut(&mut self) -> Result<(), Lost> {
        Err(Lost::Ended("nobody cuts the power of a machine that is in use".to_owned()))
    }

    fn address(&self) -> Option<String> {
        self.address.clone()
    }

    fn machine(&self) -> String {
        self.machine.clone()
    }

    fn fault(&mut self) -> Option<Lost> {
        None
    }

    fn shell(&mut self) -> Result<Exit, ShellError> {
        self.guest().map_err(ShellError::Lost)?;
        let never = || ShellError::Lost(Lost::Ended("it never answered".to_owned()));
        let agent = self.agent.as_mut().ok_or_else(never)?;
        interactive(agent)
    }

    fn traces(&self) -> Vec<String> {
        self.log.file_name().map(|name| name.to_string_lossy().into_owned()).into_iter().collect()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // `--kill-child`: the namespace's first process goes with it, and all the others go with that.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}
