//! Machines by this machine's OpenSSH: every command to one shares a connection.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process;

/// Whoever is no root there becomes it without being asked, or not at all.
pub(super) const AS_ROOT: &str = "$([ \"$(id -u)\" = 0 ] || echo sudo -n)";

/// How the folder of the sockets begins.
const FOLDER: &str = "criu-matrix-";

/// Connections to machines, each from its first command on.
pub(super) struct Connections {
    /// ssh's control sockets.
    control: tempfile::TempDir,
    /// ssh's configuration, where it is not the user's own.
    config: Option<PathBuf>,
}

impl Connections {
    /// None so far. `config` is ssh_config(5) to be used in place of the user's.
    pub(super) fn new(config: Option<PathBuf>) -> io::Result<Self> {
        // A socket's path may not be long.
        let control = tempfile::Builder::new().prefix(FOLDER).tempdir_in("/tmp")?;
        Ok(Self { control, config })
    }

    /// A name that no other harness uses at this time.
    pub(super) fn name(&self) -> String {
        let name = self.control.path().file_name().unwrap_or_default().to_string_lossy();
        name.trim_start_matches(FOLDER).to_owned()
    }

    /// ssh with a line of sh for a machine.
    pub(super) fn command(&self, host: &str, line: &str) -> Command {
        let mut command = self.ssh();
        command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ControlMaster=auto"]);
        command.args(["-o", "ControlPersist=60", "--", host, line]);
        process::own_group(&mut command);
        command
    }

    /// Starts a line on a machine, with its input and output as one stream.
    pub(super) fn stream(&self, host: &str, line: &str) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = self.command(host, line);
        command
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)));
        Ok((command.spawn()?, ours))
    }

    /// Ends the connection to a machine. One that was never begun is no matter.
    pub(super) fn close(&self, host: &str) {
        let mut end = self.ssh();
        let _ended = process::output(end.args(["-O", "exit", "--", host]));
    }

    fn ssh(&self) -> Command {
        let mut command = process::command("ssh");
        if let Some(config) = &self.config {
            command.arg("-F").arg(config);
        }
        command.arg("-o").arg(socket(self.control.path()));
        command
    }
}

fn socket(folder: &Path) -> String {
    format!("ControlPath={}/%C", folder.display())
}
