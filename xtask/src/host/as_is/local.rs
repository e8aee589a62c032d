//! A host of this machine is an agent in namespaces of its own: what it starts ends with it, and what it writes is in
//! memory, but for what a story does to the machine's own kernel.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::host::Taken;
use crate::host::{Host, Launch, LaunchError, Provider};
use crate::model::HostAsk;
use crate::process;

/// How long the agent may take to call.
const FIRST_CALL: Duration = Duration::from_secs(30);

/// How often it is looked whether it still lives, in milliseconds.
const TURN: u16 = 200;

/// How the folder of a host begins, with the harness's process id behind.
const FOLDER: &str = "criu-matrix-local-";

/// What gives an agent its namespaces; what it runs comes behind.
pub(super) const NAMESPACES: &[&str] =
    &["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c"];

/// What comes before an agent, in namespaces of mounts and processes that nobody else is in; `$2` is CRIU's image. /opt,
/// /root and /run, where CRIU keeps what it knows of the kernel, are empty folders in memory from there on.
pub(super) const MOUNTS: &str = r#"set -e
mount -t tmpfs opt /opt
mkdir /opt/criu
mount -o loop,ro "$2" /opt/criu
mount -t tmpfs root /root
mount -t tmpfs run /run
cd /
"#;

/// The provider.
pub struct Local {
    /// The agent's program: it is static.
    pub agent: PathBuf,
    /// The ext4 image of each host's CRIU, or why there is none.
    pub crius: BTreeMap<HostAsk, Result<PathBuf, String>>,
}

impl Local {
    /// What it does to this machine, said before it does it.
    pub const NOTICE: &str = "local: everything runs as root on this machine's own kernel, in namespaces of mounts and \
        processes of its own; /root, /opt and /run are replaced by memory there, nothing is installed; no cell is isolated from this machine's load";
}

impl Provider for Local {
    fn name(&self) -> &str {
        "local"
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError> {
        let wrong = |reason: String| launch.wrong(reason);
        if !nix::unistd::geteuid().is_root() {
            return Err(wrong("--provider local wants root: CRIU and mounts do".to_owned()));
        }
        let criu = launch.installed(&self.crius)?;
        sweep();
        let prefix = format!("{FOLDER}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in("/tmp");
        let folder = folder.map_err(|error| wrong(format!("/tmp: {error}")))?;
        let (child, stream) =
            begin(&self.agent, criu, folder.path()).map_err(|error| wrong(error.to_string()))?;
        // Both hosts of a move are here.
        let address = Some("127.0.0.1".to_owned());
        Ok(Box::new(Taken::new(launch, "this machine".to_owned(), address, Some(folder), child, stream)))
    }
}

/// Removes the folders whose harness was killed. Nothing depends on their going.
fn sweep() {
    for folder in process::left_by_the_dead(Path::new("/tmp"), FOLDER) {
        let _gone = std::fs::remove_dir_all(folder);
    }
}

/// Starts the agent, and waits for its call.
fn begin(agent: &Path, criu: &Path, folder: &Path) -> io::Result<(Child, UnixStream)> {
    std::fs::copy(agent, folder.join("agent"))?;
    let listener = UnixListener::bind(folder.join("socket"))?;
    // `$1` is the folder with the agent and its socket.
    let begin = format!("{MOUNTS}exec \"$1/agent\" serve \"$1/socket\"");
    let mut command = process::command(NAMESPACES[0]);
    command.args(&NAMESPACES[1..]).args([begin.as_str(), "sh"]);
    process::own_group(&mut command);
    let mut child = command.arg(folder).arg(criu).spawn()?;
    match called(&listener, &mut child) {
        Ok(stream) => Ok((child, stream)),
        Err(error) => {
            let _ended = child.kill().and_then(|()| child.wait());
            Err(error)
        }
    }
}

/// The agent's call. One that has died is not waited for.
fn called(listener: &UnixListener, child: &mut Child) -> io::Result<UnixStream> {
    let deadline = Instant::now() + FIRST_CALL;
    while Instant::now() < deadline {
        let mut waited = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, TURN) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(listener.accept()?.0),
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("its agent ended, {status}: standard error says why")));
        }
    }
    Err(io::Error::other("its agent did not call within 30 s: standard error says why"))
}
