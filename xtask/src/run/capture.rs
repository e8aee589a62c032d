//! Everything that passes the interfaces of a cell's guests, kept with the cell: for stories whose containers publish a
//! port. Told of as a file; what is in it, no checker asks.

use super::cell::{CellRun, Hosts, Stop, in_guest};
use super::evidence;
use crate::engine::WORK_FOLDER;
use crate::host::Host;
use crate::model::{Command, Role};

/// The packets, and the names of the interfaces that they passed.
const FILES: &[&str] = &["capture.pcap", "capture.interfaces"];

/// It listens once it has written the file's head.
const BEGIN: &str = "setsid ./capture capture.pcap </dev/null >/dev/null 2>capture.interfaces & \
    pid=$!; echo $pid >capture.pid; \
    until [ -s capture.pcap ]; do kill -0 $pid || { cat capture.interfaces >&2; exit 1; }; sleep 0.05; done";

/// Whatever it has heard by then is in the file: it keeps nothing back.
const END: &str =
    "pid=$(cat capture.pid) && kill $pid && while kill -0 $pid 2>/dev/null; do sleep 0.05; done";

/// Begins to listen in every guest, before anything of the story has happened.
pub(super) fn begin(run: &CellRun<'_>, hosts: &mut Hosts) -> Result<(), Stop> {
    if run.story.settings.publish.is_none() {
        return Ok(());
    }
    for (role, host) in hosts {
        let begun = in_guest(host.as_mut(), &Command::new(BEGIN)).map_err(|how| Stop::Lost(*role, how))?;
        if !begun.exit.is_success() {
            let (role, why) = (role.name(), begun.stderr.trim());
            return Err(Stop::Broken(format!(
                "cannot capture the packets of the {role}: {}: {why}",
                begun.exit
            )));
        }
    }
    Ok(())
}

/// Ends it in a guest, and brings home what it heard. A capture that cannot be had is left out.
pub(super) fn end(run: &CellRun<'_>, role: Role, host: &mut dyn Host) {
    if run.story.settings.publish.is_none() || in_guest(host, &Command::new(END)).is_err() {
        return;
    }
    for file in FILES {
        let name = format!("{}/{file}", role.name());
        if evidence::keep(run, host, &format!("{WORK_FOLDER}/{file}"), &name).is_err() {
            return;
        }
    }
}
