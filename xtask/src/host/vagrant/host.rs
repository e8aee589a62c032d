//! One machine as a cell's host.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use super::fleet::{PRISTINE, VagrantError};
use super::provider::{PLACE, Yard};
use crate::guest::{Agent, Guest, ShellError, interactive};
use crate::host::console::Console;
use crate::host::freshen::freshen;
use crate::host::prepare::prepare;
use crate::host::remote::AS_ROOT;
use crate::host::{CameUp, Host, Launch, Preparation, Stack};
use crate::interrupt;
use crate::model::{Exit, Lost};
use crate::process;

/// How long the agent may take to answer: a login under emulation takes seconds.
const ANSWER: Duration = Duration::from_secs(120);

/// Puts the disks in their places; `$1` is the folder with their files.
pub(super) const MOUNT: &str = r#"set -e
for disk in criu engine modules; do
	file=$1/$disk.ext4
	[ -e "$file" ] || continue
	case $disk in modules) place=/lib/modules ;; *) place=/opt/$disk ;; esac
	mkdir -p "$place"
	mountpoint -q "$place" || mount -o loop,ro,noatime "$file" "$place"
done"#;

/// A host.
pub(super) struct VagrantHost {
    yard: Arc<Yard>,
    name: String,
    stack: Stack,
    snapshot: String,
    preparation: Preparation,
    /// A restore of the snapshot that is under way.
    restoring: Option<Child>,
    link: Option<Link>,
    lost: Option<Lost>,
    console: Console,
    /// The machine's console, how long it was before the cell, and the cell's copy.
    traces: Traces,
    machine: String,
    address: String,
    came_up: CameUp,
}

struct Traces {
    console: PathBuf,
    from: u64,
    copy: PathBuf,
    prepared: PathBuf,
}

/// An agent over ssh.
struct Link {
    agent: Agent,
    child: Child,
}

impl Drop for Link {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl VagrantHost {
    /// Begins to take the machine back to its snapshot, where there is one.
    pub(super) fn begin(
        yard: &Arc<Yard>,
        name: &str,
        stack: &Stack,
        snapshot: String,
        launch: &Launch<'_>,
        machine: String,
    ) -> io::Result<Self> {
        let console = yard.fleet.tool.folder.join(format!("console-{name}.log"));
        let role = launch.role.name();
        let traces = Traces {
            from: std::fs::metadata(&console).map_or(0, |it| it.len()),
            copy: launch.folder.join(format!("console-{role}.log")),
            prepared: launch.folder.join(format!("prepare-{role}.log")),
            console,
        };
        let mut host = Self {
            yard: Arc::clone(yard),
            name: name.to_owned(),
            stack: stack.clone(),
            snapshot,
            preparation: launch.prepare.clone(),
            restoring: None,
            link: None,
            lost: None,
            console: Console::from_now(&traces.console),
            traces,
            machine,
            address: yard.fleet.address(name).unwrap_or_default(),
            came_up: CameUp::Woken,
        };
        if host.is_ready() {
            yard.fleet.connections.close(name);
            let words = ["snapshot", "restore", "--no-provision", name, &host.snapshot];
            host.restoring = Some(yard.fleet.tool.start(&words)?);
            host.watch_anew();
        }
        Ok(host)
    }

    /// libvirt starts QEMU anew for a snapshot, and the console's file with it.
    fn watch_anew(&mut self) {
        self.traces.from = 0;
        self.console = Console::new(&self.traces.console);
    }

    fn come_up(&mut self) -> Result<(), Lost> {
        if let Some(mut child) = self.restoring.take() {
            let ended = child.wait().map_err(|error| Lost::Ended(error.to_string()))?;
            if !ended.success() {
                let log = self.yard.fleet.tool.folder.join("vagrant.log");
                let words = format!("vagrant snapshot restore {}: {ended}: see {}", self.name, log.display());
                return Err(Lost::Ended(words));
            }
        } else if !self.is_ready() {
            self.make_ready()?;
        }
        self.mark(|state| state.pristine = false);
        let link = self.link()?;
        let link = self.link.insert(link);
        freshen(&mut link.agent)
    }

    fn is_ready(&self) -> bool {
        self.yard.states().get(&self.name).is_some_and(|state| state.ready.contains(&self.snapshot))
    }

    /// From a pristine machine to one in which the stack's cells can begin, and that is kept.
    fn make_ready(&mut self) -> Result<(), Lost> {
        let pristine = self.yard.states().get(&self.name).is_some_and(|state| state.pristine);
        if !pristine {
            self.yard.restore(&self.name, PRISTINE).map_err(unprepared)?;
            self.watch_anew();
        }
        self.mark(|state| state.pristine = false);
        self.install().map_err(unprepared)?;
        let mut link = self.link()?;
        freshen(&mut link.agent)?;
        let path = &self.traces.prepared;
        let cannot = |error: io::Error| Lost::Unprepared(format!("cannot write {}: {error}", path.display()));
        prepare(&mut link.agent, &self.preparation, &mut File::create(path).map_err(cannot)?)?;
        // Nothing of ours runs in the machine while it is saved.
        drop(link);
        self.yard.fleet.connections.close(&self.name);
        let words = ["snapshot", "save", &self.name, &self.snapshot];
        self.yard.fleet.tool.run(&words).map_err(|error| unprepared(error.into()))?;
        let snapshot = self.snapshot.clone();
        self.mark(|state| {
            state.ready.insert(snapshot.clone());
        });
        Ok(())
    }

    fn mark(&self, change: impl FnOnce(&mut super::provider::State)) {
        if let Some(state) = self.yard.states().get_mut(&self.name) {
            change(state);
        }
    }

    /// The harness's files, and the disks in their places.
    fn install(&self) -> Result<(), VagrantError> {
        let disks = [
            ("criu.ext4", Some(&self.stack.criu)),
            ("engine.ext4", self.stack.engine.as_ref()),
            ("modules.ext4", self.stack.modules.as_ref()),
            ("agent", Some(&self.yard.agent)),
        ];
        for (name, file) in disks {
            if let Some(file) = file {
                self.yard.fleet.put(&self.name, file, &format!("{PLACE}/{name}"))?;
            }
        }
        self.mount()
    }

    fn mount(&self) -> Result<(), VagrantError> {
        let line = shlex::try_join(["sh", "-c", MOUNT, "sh", PLACE]).unwrap_or_default();
        let line = format!("{AS_ROOT} chmod 755 {PLACE}/agent && {AS_ROOT} {line}");
        process::output(&mut self.yard.fleet.connections.command(&self.name, &line))?;
        Ok(())
    }

    fn link(&self) -> Result<Link, Lost> {
        let line = format!("cd / && exec {AS_ROOT} {PLACE}/agent serve -");
        let ended = |error: io::Error| Lost::Ended(error.to_string());
        let (child, stream): (Child, UnixStream) =
            self.yard.fleet.connections.stream(&self.name, &line).map_err(ended)?;
        let mut agent = Agent::meet(stream, ANSWER, Arc::new(interrupted))?;
        // It was installed with all of it, or not at all.
        agent.has_everything();
        Ok(Link { agent, child })
    }

    fn cut(&mut self) -> Result<(), VagrantError> {
        self.link = None;
        self.yard.fleet.connections.close(&self.name);
        self.yard.fleet.tool.run(&["halt", "--force", &self.name])?;
        self.yard.fleet.tool.run(&["up", "--no-provision", &self.name])?;
        self.watch_anew();
        self.mount()
    }
}

/// Whoever is asked for nothing any more.
fn interrupted() -> Option<Lost> {
    interrupt::happened().then(|| Lost::Ended("interrupted".to_owned()))
}

impl Drop for VagrantHost {
    fn drop(&mut self) {
        // Vagrant takes one order for a machine at a time.
        if let Some(mut child) = self.restoring.take() {
            let _ended = child.wait();
        }
    }
}

impl Host for VagrantHost {
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        if self.link.is_none()
            && let Err(lost) = self.come_up()
        {
            self.lost = Some(lost.clone());
            return Err(lost);
        }
        let agent = self.link.as_mut().map(|link| &mut link.agent as &mut dyn Guest);
        agent.ok_or_else(|| Lost::Ended("it never answered".to_owned()))
    }

    fn came_up(&self) -> CameUp {
        self.came_up
    }

    fn power_cut(&mut self) -> Result<(), Lost> {
        self.guest()?;
        self.came_up = CameUp::Booted;
        let link = self.cut().map_err(|error| Lost::Ended(error.to_string())).and_then(|()| self.link());
        match link {
            Ok(link) => freshen(&mut self.link.insert(link).agent),
            Err(lost) => {
                self.lost = Some(lost.clone());
                Err(lost)
            }
        }
    }

    fn address(&self) -> Option<String> {
        Some(self.address.clone())
    }

    fn machine(&self) -> String {
        self.machine.clone()
    }

    fn fault(&mut self) -> Option<Lost> {
        self.console.fault()
    }

    fn shell(&mut self) -> Result<Exit, ShellError> {
        self.guest().map_err(ShellError::Lost)?;
        let never = || ShellError::Lost(Lost::Ended("it never answered".to_owned()));
        interactive(&mut self.link.as_mut().ok_or_else(never)?.agent)
    }

    fn traces(&self) -> Vec<String> {
        // A console that cannot be copied is missed by nobody but its reader.
        let _lost = copy_from(&self.traces);
        let paths = [&self.traces.copy, &self.traces.prepared];
        let there = paths.into_iter().filter(|path| path.exists()).filter_map(|path| path.file_name());
        there.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

/// What the console has said since the cell began.
fn copy_from(traces: &Traces) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom};
    let mut console = File::open(&traces.console)?;
    let from = if console.metadata()?.len() < traces.from { 0 } else { traces.from };
    console.seek(SeekFrom::Start(from))?;
    io::copy(&mut console, &mut File::create(&traces.copy)?).map(drop)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where an error is mapped")]
fn unprepared(error: VagrantError) -> Lost {
    Lost::Unprepared(error.to_string())
}
