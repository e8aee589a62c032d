//! The machines of one run: brought up side by side, reached by a key of the run's own, gone at its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};

use super::machines::{Machine, Machines};
use super::tool::Tool;
use crate::host::remote::{AS_ROOT, Connections};
use crate::interrupt;
use crate::process::{self, ProcessError};

/// How the folder of a run's machines begins, with the harness's process id behind.
const FOLDER: &str = "run-";
/// In the folder of machines that stay.
const KEPT: &str = "kept";
/// The snapshot that every machine has as soon as it is up.
pub(super) const PRISTINE: &str = "pristine";

/// What becomes of the machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stay {
    /// They stay when the run ends.
    pub keep: bool,
    /// They are those of this folder, which stayed.
    pub reuse: Option<PathBuf>,
}

/// Why there are no machines.
#[derive(Debug, thiserror::Error)]
pub enum VagrantError {
    /// A command.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of ours.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What Vagrant says of a machine.
    #[error("vagrant ssh-config says no {what} of {machine}")]
    Unreachable {
        /// The machine.
        machine: String,
        /// What is missing.
        what: &'static str,
    },
    /// Other ones are wanted.
    #[error(
        "the machines of {} are others than this run wants: play the same profile, or leave out --reuse", .0.display()
    )]
    Others(PathBuf),
    /// By whoever started the run.
    #[error("interrupted")]
    Interrupted,
    /// Another harness has them.
    #[error("the machines of {} are in use by another run", .0.display())]
    InUse(PathBuf),
    /// They are gone.
    #[error("{} holds no machines that stayed: --keep prints the folder to name", .0.display())]
    NoneKept(PathBuf),
}

/// The machines.
pub struct Fleet {
    pub(super) tool: Tool,
    pub(super) connections: Connections,
    /// Whether nobody has used them yet.
    pub(super) is_new: bool,
    /// Whether they stay when the run ends.
    pub(super) stays: bool,
    /// That they are in use.
    _mine: Flock<File>,
    addresses: BTreeMap<String, String>,
}

impl Fleet {
    /// Brings them up. `base` is where folders of runs lie and Vagrant keeps its boxes, `project` the Vagrantfile's.
    /// `machines` gets the folder, and says what is wanted.
    ///
    /// # Errors
    /// See [`VagrantError`].
    pub fn up(
        base: &Path,
        project: &Path,
        stay: &Stay,
        machines: &dyn Fn(&Path) -> Machines,
    ) -> Result<Self, VagrantError> {
        let home = base.join("home");
        make_folder(&home)?;
        sweep(base, project, &home);
        let folder = match &stay.reuse {
            Some(folder) => folder.clone(),
            None => {
                let folder = base.join(format!("{FOLDER}{}-{}", std::process::id(), stamp()));
                make_folder(&folder)?;
                folder
            }
        };
        let (hosts, key) = (folder.join("hosts.json"), folder.join("key"));
        let mine = hold(&folder)?;
        let wanted = machines(&folder);
        let file = |source| VagrantError::File { path: folder.clone(), source };
        if stay.reuse.is_some() {
            let text = fs::read_to_string(&hosts).map_err(|_| VagrantError::NoneKept(folder.clone()))?;
            // Whoever reads what we wrote can write it again.
            if !serde_json::from_str::<Machines>(&text).is_ok_and(|there| there.alike(&wanted)) {
                return Err(VagrantError::Others(folder));
            }
            if !folder.join(KEPT).exists() {
                return Err(VagrantError::NoneKept(folder));
            }
        } else {
            let text = serde_json::to_string_pretty(&wanted).unwrap_or_default();
            fs::write(&hosts, text).map_err(file)?;
            let mut generate = process::command("ssh-keygen");
            process::output(generate.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
        }
        let tool = Tool::new(folder.clone(), project, &home).map_err(file)?;
        let config = folder.join("ssh_config");
        let connections = Connections::new(Some(config.clone())).map_err(file)?;
        let address = |machine: &Machine| (machine.name.clone(), machine.address.clone());
        let addresses = wanted.machines.iter().map(address).collect();
        // Those that stayed are not lost to what goes wrong before they are used.
        let stays = stay.keep || stay.reuse.is_some();
        let fleet = Self { tool, connections, is_new: stay.reuse.is_none(), stays, _mine: mine, addresses };
        fleet.tool.run(&["up", "--parallel", "--no-provision"])?;
        if interrupt::happened() {
            return Err(VagrantError::Interrupted);
        }
        fs::write(&config, fleet.ssh_config(&key)?).map_err(file)?;
        if stay.reuse.is_none() {
            for machine in &wanted.machines {
                fleet.exchange_keys(&machine.name, &key, &home)?;
            }
            fleet.tool.run(&["snapshot", "save", PRISTINE])?;
        }
        Ok(fleet)
    }

    /// ssh_config(5) for this run alone: its own key, its own known hosts. A machine that has just been taken back to a
    /// snapshot may not answer at once: ssh tries again each second.
    fn ssh_config(&self, key: &Path) -> Result<String, VagrantError> {
        let told = self.tool.run(&["ssh-config"])?;
        let known = self.tool.folder.join("known_hosts");
        let common = format!(
            "  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  UserKnownHostsFile \"{}\"\n  StrictHostKeyChecking \
             accept-new\n  LogLevel ERROR\n  ConnectionAttempts 30\n",
            key.display(),
            known.display()
        );
        let mut config = String::new();
        for block in told.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let word = |name: &str| block.lines().find_map(|line| line.trim().strip_prefix(name));
            let machine = word("Host ").unwrap_or("a machine").to_owned();
            let missing = |what| VagrantError::Unreachable { machine: machine.clone(), what };
            let address = word("HostName ").ok_or_else(|| missing("address"))?;
            let user = word("User ").ok_or_else(|| missing("user"))?;
            let port = word("Port ").ok_or_else(|| missing("port"))?;
            config.push_str(&format!(
                "Host {machine}\n  HostName {address}\n  User {user}\n  Port {port}\n{common}\n"
            ));
        }
        Ok(config)
    }

    /// The key that everybody has is good for one command: it puts ours in its place.
    fn exchange_keys(&self, machine: &str, key: &Path, home: &Path) -> Result<(), VagrantError> {
        let public = key.with_extension("pub");
        let public =
            fs::read_to_string(&public).map_err(|source| VagrantError::File { path: public, source })?;
        let line = format!("umask 077; echo {} >.ssh/authorized_keys", quoted(public.trim()));
        let everybodys = home.join("insecure_private_key");
        let mut command = process::command("ssh");
        command.arg("-F").arg(self.tool.folder.join("ssh_config")).arg("-i").arg(everybodys);
        process::output(command.args(["-o", "BatchMode=yes", "--", machine, &line]))?;
        Ok(())
    }

    /// A file of this machine on one of ours, compressed on the way: encryption is slow under emulation.
    pub(super) fn put(&self, machine: &str, file: &Path, place: &str) -> Result<(), VagrantError> {
        let folder = place.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let line = format!("{AS_ROOT} sh -c 'mkdir -p {folder} && gzip -dc >{place}'");
        let mut pack = process::command("gzip");
        pack.args(["-1", "-c"]).arg(file).stdout(Stdio::piped());
        let start = |source| VagrantError::File { path: file.to_owned(), source };
        let mut packing = pack.spawn().map_err(start)?;
        let packed = packing.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let sent = process::output(self.connections.command(machine, &line).stdin(packed));
        let ended = packing.wait().map_err(start)?;
        sent?;
        match ended.success() {
            true => Ok(()),
            false => Err(start(io::Error::other(format!("gzip: {ended}")))),
        }
    }

    /// How to get at the machines that stay, a sentence each.
    pub(super) fn how_to_reach(&self, machines: &[String]) -> Vec<String> {
        let folder = self.tool.folder.display();
        let ssh = machines.iter().map(|name| format!("ssh -F {folder}/ssh_config {name}"));
        vec![
            format!("the machines stay: {}", ssh.collect::<Vec<_>>().join("; ")),
            format!(
                "they are taken again with --reuse {folder}, and end with: sh {folder}/vagrant destroy -f"
            ),
        ]
    }

    /// A machine's address in the network that they share.
    pub(super) fn address(&self, machine: &str) -> Option<String> {
        self.addresses.get(machine).cloned()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.stays && fs::write(self.tool.folder.join(KEPT), "").is_ok() {
            return;
        }
        // What cannot be destroyed stays with its folder, and the next run tries again.
        match self.tool.run(&["destroy", "-f"]) {
            Ok(_) => {
                let _gone = fs::remove_dir_all(&self.tool.folder);
            }
            Err(error) => eprintln!("vagrant's machines stay: {error}"),
        }
    }
}

/// Destroys the machines of runs that were killed.
fn sweep(base: &Path, project: &Path, home: &Path) {
    for folder in process::left_by_the_dead(base, FOLDER) {
        // Some stay, and some are used by another harness than the one that made them.
        let Ok(_mine) = hold(&folder) else { continue };
        if folder.join(KEPT).exists() {
            continue;
        }
        let none = !folder.join("hosts.json").exists();
        let destroyed = || Tool::new(folder.clone(), project, home).ok()?.run(&["destroy", "-f"]).ok();
        if none || destroyed().is_some() {
            let _gone = fs::remove_dir_all(folder);
        }
    }
}

/// Takes the machines of a folder, for as long as the answer lives.
fn hold(folder: &Path) -> Result<Flock<File>, VagrantError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|source| VagrantError::File { path, source })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| VagrantError::InUse(folder.to_owned()))
}

fn make_folder(path: &Path) -> Result<(), VagrantError> {
    fs::create_dir_all(path).map_err(|source| VagrantError::File { path: path.to_owned(), source })
}

fn quoted(text: &str) -> String {
    shlex::try_quote(text).map(std::borrow::Cow::into_owned).unwrap_or_default()
}

/// Seconds: two runs of one process do not share a folder.
fn stamp() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
