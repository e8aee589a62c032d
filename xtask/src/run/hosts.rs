//! A cell's hosts: brought up, asked what they are, and given what the workload needs.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use super::cell::{CellRun, Hosts, Stop, transfer};
use super::facts;
use crate::engine::WORK_FOLDER;
use crate::guest::Hello;
use crate::host::{Host, Launch, Preparation};
use crate::model::{Event, Role};
use crate::plan::Plan;

impl CellRun<'_> {
    /// All hosts come up side by side: every one is begun before the first is waited for.
    pub(super) fn make_hosts(&self, hosts: &mut Hosts) -> Result<(), Stop> {
        let begun = Instant::now();
        let prepare = Preparation { folder: WORK_FOLDER.to_owned(), ..Preparation::default() };
        for role in self.story.roles() {
            let Plan { memory_mib, cpus, .. } = *self.plan;
            let launch = Launch {
                ask: &self.cell.host,
                role,
                memory_mib,
                cpus,
                folder: self.folder,
                prepare: &prepare,
            };
            let host = self.provider.launch(&launch);
            self.tell_notes();
            hosts.insert(role, host.map_err(|error| Stop::Broken(error.to_string()))?);
        }
        for (&role, host) in hosts.iter_mut() {
            let lost = |how| Stop::Lost(role, how);
            let answered = host.guest().map(|_| ());
            self.tell_notes();
            answered.map_err(lost)?;
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (machine, came_up) = (host.machine(), host.came_up());
            let guest = host.guest().map_err(lost)?;
            came_up_whole(guest.facts()).map_err(Stop::Broken)?;
            let mut facts = facts::ask(guest, machine).map_err(lost)?;
            facts.more.insert("came_up".to_owned(), came_up.to_string());
            self.tell(Event::HostReady { cell: self.id(), role, facts, millis });
            self.furnish(role, host.as_mut())?;
        }
        Ok(())
    }

    fn tell_notes(&self) {
        for text in self.provider.notes() {
            self.tell(Event::Note { text });
        }
    }

    fn furnish(&self, role: Role, host: &mut dyn Host) -> Result<(), Stop> {
        for name in self.workload.files.iter().chain(&["more-ticks.sh"]) {
            let source = self
                .files
                .get(*name)
                .ok_or_else(|| Stop::Broken(format!("the workload's file {name} was not built")))?;
            self.push(role, host, source, name)?;
        }
        Ok(())
    }

    fn push(&self, role: Role, host: &mut dyn Host, source: &Path, name: &str) -> Result<(), Stop> {
        let local =
            |error: std::io::Error| Stop::Broken(format!("cannot read {}: {error}", source.display()));
        let mut file = File::open(source).map_err(local)?;
        let length = file.metadata().map_err(local)?.len();
        let path = format!("{WORK_FOLDER}/{name}");
        let guest = host.guest().map_err(|how| Stop::Lost(role, how))?;
        guest.push(&mut file, length, &path, 0o755).map_err(|error| transfer(role, &path, error))
    }
}

/// A guest without its disks would answer from the initramfs, and its `criu: not found` would look like CRIU's.
fn came_up_whole(hello: &Hello) -> Result<(), String> {
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
