//! The provider `ssh`: machines as they are, by this machine's OpenSSH and its own configuration, keys and known hosts.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::host::Taken;
use super::local::{MOUNTS, NAMESPACES};
use crate::host::remote::{AS_ROOT, Connections};
use crate::host::{Host, Launch, LaunchError, Provider};
use crate::model::{HostAsk, Role};
use crate::process::{self, ProcessError};

/// Why a machine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// Nobody said which.
    #[error("--provider ssh wants --host user@machine: one, or for stories that move two, the source first")]
    NoHost,
    /// It would be taken for an option.
    #[error("`{0}` is no host: user@machine is wanted")]
    Option(String),
    /// It cannot be reached, or has not what is needed.
    #[error("{host} cannot be used: {reason}")]
    Unusable {
        /// The machine.
        host: String,
        /// Its words.
        reason: ProcessError,
    },
    /// A folder of our own.
    #[error("cannot make a folder for ssh's sockets: {0}")]
    Folder(#[from] std::io::Error),
}

/// The provider.
pub struct Ssh {
    /// The machines, the source first.
    hosts: Vec<String>,
    agent: PathBuf,
    crius: BTreeMap<HostAsk, Result<PathBuf, String>>,
    connections: Connections,
    /// What is on which machine already: its path there, by host and file.
    there: Mutex<BTreeMap<(String, PathBuf), String>>,
}

impl Ssh {
    /// What it does to the machines, said before it does it.
    pub const NOTICE: &str = "ssh: everything runs as root on the kernel of each machine, in namespaces of mounts and \
        processes of its own; /root, /opt and /run are replaced by memory there, and files are copied to \
        /tmp/criu-matrix-ssh-*, which goes when the run ends; no cell is isolated from the machine's load";

    /// Reaches every machine once, and makes its folder there.
    ///
    /// # Errors
    /// See [`SshError`].
    pub fn new(
        hosts: Vec<String>,
        agent: PathBuf,
        crius: BTreeMap<HostAsk, Result<PathBuf, String>>,
    ) -> Result<Self, SshError> {
        if hosts.is_empty() {
            return Err(SshError::NoHost);
        }
        if let Some(host) = hosts.iter().find(|host| host.starts_with('-') || host.is_empty()) {
            return Err(SshError::Option(host.clone()));
        }
        let connections = Connections::new(None)?;
        let ssh = Self { hosts, agent, crius, connections, there: Mutex::default() };
        for host in &ssh.hosts {
            let line = format!("{AS_ROOT} true && uname -sm && mkdir -m 700 {}", ssh.folder());
            process::output(&mut ssh.connections.command(host, &line))
                .map_err(|reason| SshError::Unusable { host: host.clone(), reason })?;
        }
        Ok(ssh)
    }

    /// On every machine.
    fn folder(&self) -> String {
        format!("/tmp/criu-matrix-ssh-{}", self.connections.name())
    }

    /// The path of a file on a machine; it is copied there once.
    fn put(&self, host: &str, file: &Path) -> Result<String, String> {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), file.to_owned());
        if let Some(path) = there.get(&key) {
            return Ok(path.clone());
        }
        let path = format!("{}/{}", self.folder(), there.len());
        let source = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let line = format!("cat >{path} && chmod 700 {path}");
        process::output(self.connections.command(host, &line).stdin(source))
            .map_err(|error| error.to_string())?;
        there.insert(key, path.clone());
        Ok(path)
    }
}

impl Provider for Ssh {
    fn name(&self) -> &str {
        "ssh"
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError> {
        let wrong = |reason: String| launch.wrong(reason);
        let criu = launch.installed(&self.crius)?;
        let second = self.hosts.get(1).filter(|_| launch.role == Role::Destination);
        let host = second.unwrap_or(&self.hosts[0]);
        let agent = self.put(host, &self.agent).map_err(wrong)?;
        let criu = self.put(host, criu).map_err(wrong)?;
        let begin = format!("{MOUNTS}exec \"$1\" serve -");
        let words = NAMESPACES.iter().copied().chain([begin.as_str(), "sh", &agent, &criu]);
        let words = shlex::try_join(words).map_err(|error| wrong(error.to_string()))?;
        let line = format!("exec {AS_ROOT} {words}");
        let (child, stream) =
            self.connections.stream(host, &line).map_err(|error| wrong(error.to_string()))?;
        // What one machine calls another is not what we call it.
        let address = (self.hosts.len() == 1).then(|| "127.0.0.1".to_owned());
        Ok(Box::new(Taken::new(launch, format!("{host}, by ssh"), address, None, child, stream)))
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        for host in &self.hosts {
            // What cannot be removed is two files in a folder that says whose it is.
            let line = format!("rm -rf {}", self.folder());
            let _gone = process::output(&mut self.connections.command(host, &line));
            self.connections.close(host);
        }
    }
}
