//! A cell's hosts: brought up, asked what they are, and given what the workload needs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::cell::{CellRun, Hosts, Stop, transfer};
use super::facts;
use crate::engine::{self, Engine, PEER_ADDRESS, WORK_FOLDER};
use crate::guest::{Exec, Hello};
use crate::host::{Launch, Preparation, Put};
use crate::install::ENGINE_INTO_PLACE;
use crate::model::{Command, Event, HostAsk, Role};
use crate::plan::Plan;

/// What is moved comes back under its own pid, which must be free over there. In guests that have just booted it is often
/// a kernel thread's, of which another kernel has more; and the commands of both hosts would count through the same
/// numbers. So the source of a move goes on from a number that the destination never comes to.
const PIDS_OF_ITS_OWN: &str = "echo 20000 >/proc/sys/kernel/ns_last_pid";

impl CellRun<'_> {
    /// All hosts come up side by side: every one is begun before the first is waited for.
    pub(super) fn make_hosts(&self, hosts: &mut Hosts) -> Result<(), Stop> {
        let begun = Instant::now();
        for role in self.story.roles() {
            let Plan { memory_mib, cpus, .. } = *self.plan;
            let ask = self.cell.on(role);
            let prepare = preparation(self.engine, ask, self.files);
            let launch = Launch { ask, role, memory_mib, cpus, folder: self.folder, prepare: &prepare };
            let host = self.provider.launch(&launch);
            self.tell_notes();
            hosts.insert(role, host.map_err(|error| Stop::Broken(error.to_string()))?);
        }
        let hosts_are_two = hosts.len() > 1;
        for (&role, host) in hosts.iter_mut() {
            let lost = |how| Stop::Lost(role, how);
            let answered = host.guest().map(|_| ());
            self.tell_notes();
            answered.map_err(lost)?;
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (machine, came_up) = (host.machine(), host.came_up());
            let guest = host.guest().map_err(lost)?;
            came_up_whole(guest.facts()).map_err(Stop::Broken)?;
            if hosts_are_two && role == Role::Source {
                guest.run(&Exec::sh(PIDS_OF_ITS_OWN, "/", Duration::from_secs(60))).map_err(lost)?;
            }
            let mut facts = facts::ask(guest, machine).map_err(lost)?;
            facts.more.insert("came_up".to_owned(), came_up.to_string());
            self.tell(Event::HostReady { cell: self.id(), role, facts, millis });
        }
        self.introduce(hosts)
    }

    /// Tells each host of a pair where the other is, where they have a network.
    fn introduce(&self, hosts: &mut Hosts) -> Result<(), Stop> {
        let addresses: BTreeMap<Role, String> =
            hosts.iter().filter_map(|(role, host)| Some((*role, host.address()?))).collect();
        if !self.story.needs_network() {
            return Ok(());
        }
        for (&role, host) in hosts.iter_mut() {
            let other = addresses.iter().find(|(other, _)| **other != role);
            let (_, address) = other
                .ok_or_else(|| Stop::Broken(format!("nobody knows the {}'s peer's address", role.name())))?;
            let guest = host.guest().map_err(|how| Stop::Lost(role, how))?;
            let path = format!("{WORK_FOLDER}/{PEER_ADDRESS}");
            let line = format!("{address}\n");
            guest
                .push(&mut line.as_bytes(), line.len() as u64, &path, 0o644)
                .map_err(|error| transfer(role, &path, error))?;
        }
        Ok(())
    }

    fn tell_notes(&self) {
        for text in self.provider.notes() {
            self.tell(Event::Note { text });
        }
    }
}

/// What is done in every guest of a stack, whatever its story: so one saved guest serves them all. `files` are those
/// that workloads need, by name.
pub fn preparation(engine: &dyn Engine, host: &HostAsk, files: &BTreeMap<String, PathBuf>) -> Preparation {
    let put = |(name, source): (&String, &std::path::PathBuf)| Put {
        source: source.clone(),
        path: format!("{WORK_FOLDER}/{name}"),
        mode: 0o755,
    };
    if host.is_as_it_is() {
        // A machine that is in use is taken as it is.
        let facts = Command::new("touch engine-facts");
        return Preparation {
            files: files.iter().map(put).collect(),
            commands: vec![facts],
            asks: Vec::new(),
            folder: WORK_FOLDER.to_owned(),
        };
    }
    let mut commands = vec![
        // Without them a dump would fail for the harness's sake.
        Command::new(
            "[ -d \"/lib/modules/$(uname -r)\" ] || { echo 'no modules of this kernel' >&2; exit 1; }",
        ),
        // Some engines look for it in the usual places only, whatever their PATH.
        Command::new("[ -e /usr/sbin/criu ] || ln -s /opt/criu/sbin/criu /usr/sbin/criu; touch /etc/hosts"),
    ];
    if engine.recipe().is_some() {
        // A userland of the user's own has an engine of its own, in no version that could be asked for.
        let line = if host.engine.contains('@') {
            ENGINE_INTO_PLACE.to_owned()
        } else {
            format!("[ ! -d /opt/engine/root ] || {ENGINE_INTO_PLACE}")
        };
        commands.push(Command::new(line));
        commands.extend(engine.daemon());
        commands.extend(engine.image());
    }
    commands.push(Command::new(format!("{{ {}; }} >engine-facts 2>&1 || true", engine.questions())));
    Preparation {
        files: files.iter().map(put).collect(),
        commands,
        asks: [Command::new(facts::beforehand())]
            .into_iter()
            .chain(engine::criu_itself().map(|it| it.prepared()))
            .collect(),
        folder: WORK_FOLDER.to_owned(),
    }
}

/// A guest without its disks would answer from the initramfs, and its `criu: not found` would look like CRIU's.
pub(super) fn came_up_whole(hello: &Hello) -> Result<(), String> {
    let missing = match (hello.root, hello.criu) {
        (true, true) => return Ok(()),
        (false, _) => "its root file system",
        (true, false) => "CRIU's disk",
    };
    Err(format!("the guest came up without {missing}: {}", hello.failures.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::{Fake, Guest as _};

    #[rstest::rstest]
    #[case(true, true, None)]
    #[case(false, true, Some("without its root file system: no such disk"))]
    #[case(true, false, Some("without CRIU's disk: no such disk"))]
    fn whole_or_not(#[case] root: bool, #[case] criu: bool, #[case] expected: Option<&str>) {
        let mut hello = Fake::obedient().facts().clone();
        (hello.root, hello.criu, hello.failures) = (root, criu, vec!["no such disk".to_owned()]);
        let found = came_up_whole(&hello).err();
        assert_eq!(found.is_some(), expected.is_some());
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
    }
}
