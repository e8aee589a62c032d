//! What is brought home from a cell before its hosts go: logs, and what the guest's kernel said.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::capture;
use super::cell::{CellRun, in_guest};
use super::environment;
use super::images::{self, Images};
use super::shortcut;
use crate::engine;
use crate::guest::{Batch, CUT, TransferError};
use crate::host::Host;
use crate::model::{Command, Event, Lost, Role, Shortcut, View, criu_log};

/// What is kept of every guest, by the file's name.
fn of_every_guest() -> Vec<(&'static str, View)> {
    let file = |name, path: &str, may_lack| {
        let view = View::of(Command::new(format!("cat {path} 2>/dev/null")));
        (name, view.or(Shortcut::File { path: path.to_owned(), may_lack }))
    };
    let processes = View::of(Command::new("cat /proc/[0-9]*/stat 2>/dev/null"));
    vec![
        ("dmesg.log", View::of(Command::new("dmesg")).or(Shortcut::KernelLog)),
        file("mountinfo", "/proc/self/mountinfo", false),
        file("modules", "/proc/modules", true),
        file("cpuinfo", "/proc/cpuinfo", false),
        ("processes", processes.or(Shortcut::Processes)),
        ("workload.err", engine::file("workload.err", true)),
    ]
}

/// What `environment::questions` prints, below the folder of the role.
pub const ENVIRONMENT: &str = "environment";

/// Collects from every host that still answers, and more where the cell did not end well. What cannot be had is left out: the verdict stands on other things.
pub(super) fn collect(run: &CellRun<'_>, unwell: bool, hosts: &mut BTreeMap<Role, Box<dyn Host>>) {
    for (role, host) in hosts.iter_mut() {
        capture::end(run, *role, host.as_mut());
        let kept: Vec<(&str, View)> = of_every_guest().into_iter().chain(run.engine.evidence()).collect();
        for (name, text) in shown(host.as_mut(), &kept) {
            write(run, &format!("{}/{name}", role.name()), text.as_bytes());
        }
        if unwell || run.images != Images::None {
            let line = environment::questions(run.engine);
            if let Ok(finished) = in_guest(host.as_mut(), &Command::new(line).within(60)) {
                write(run, &format!("{}/{ENVIRONMENT}", role.name()), finished.stdout.as_bytes());
            }
            images::collect(run, *role, host.as_mut());
        }
        for name in host.traces() {
            tell_of(run, &name);
        }
    }
}

/// What views show, by their names, as far as they can be had.
fn shown<'a>(host: &mut dyn Host, views: &[(&'a str, View)]) -> Vec<(&'a str, String)> {
    let all: Vec<&View> = views.iter().map(|(_, view)| view).collect();
    let Ok(told) = host.guest().and_then(|guest| shortcut::seen(guest, &all)) else { return Vec::new() };
    let (mut shown, mut rest) = (Vec::new(), Vec::new());
    for ((name, view), told) in std::iter::zip(views, told) {
        match told {
            Some(text) => shown.push((*name, text)),
            None => rest.push((*name, &*view.command.line)),
        }
    }
    shown.extend(printed(host, &rest));
    shown
}

/// What lines print, by their names.
fn printed<'a>(host: &mut dyn Host, lines: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    if lines.is_empty() {
        return Vec::new();
    }
    let batch = Batch::new(lines.iter().map(|(_, line)| line));
    let Ok(finished) = in_guest(host, &Command::new(batch.line()).within(60)) else { return Vec::new() };
    let parts = batch.parts(&finished.stdout);
    if parts.len() == lines.len() && !finished.stdout.contains(CUT) {
        return std::iter::zip(lines, parts).map(|((name, _), part)| (*name, part.stdout)).collect();
    }
    // What was too long together, or has hung, is asked piece by piece.
    let mut one = |line: &str| in_guest(host, &Command::new(line).within(20)).ok();
    lines.iter().map_while(|(name, line)| Some((*name, one(line)?.stdout))).collect()
}

/// Pulls a file of the guest into the cell's folder, and tells whether it is there now. A file that is not there is no fault: the command that was to
/// write it may have failed before it did.
pub(super) fn keep(run: &CellRun<'_>, host: &mut dyn Host, path: &str, name: &str) -> Result<bool, Lost> {
    let target = run.folder.join(name);
    let Ok(mut file) = create(&target) else { return Ok(false) };
    match host.guest()?.pull(path, &mut file) {
        Ok(_) => {
            tell_of(run, name);
            return Ok(true);
        }
        Err(TransferError::Lost(how)) => return Err(how),
        Err(_) => {
            // Half a file is none.
            let _gone = fs::remove_file(&target);
        }
    }
    Ok(false)
}

fn write(run: &CellRun<'_>, name: &str, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let target = run.folder.join(name);
    if create(&target).and_then(|mut file| std::io::Write::write_all(&mut file, bytes)).is_ok() {
        tell_of(run, name);
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path)
}

fn tell_of(run: &CellRun<'_>, name: &str) {
    let path = run.folder.join(name);
    let Ok(metadata) = fs::metadata(&path) else { return };
    let error = if criu_log::is_log(name) { first_error(&path) } else { None };
    run.tell(Event::FileKept { cell: run.id(), name: name.to_owned(), bytes: metadata.len(), error });
}

fn first_error(path: &Path) -> Option<String> {
    let lines = BufReader::new(File::open(path).ok()?).split(b'\n').map_while(Result::ok);
    criu_log::first_error(lines.map(|line| String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump.log");
        let error = "Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds";
        std::fs::write(&path, format!("(00.01) Version: 3.17.1\n(00.02) {error}\n")).unwrap();
        assert_eq!(first_error(&path).as_deref(), Some(error));
        std::fs::write(&path, "(00.01) Warn  (criu/x.c:1): nothing\n").unwrap();
        assert_eq!(first_error(&path), None);
    }
}
