//! The quick way to what a line of `sh` shows or waits for. Where there is none, the line is run.

use std::time::{Duration, Instant};

use crate::engine::{self, WORK_FOLDER};
use crate::guest::Guest;
use crate::model::{Command, Exit, Finished, Lost, Shortcut, Source, View, Wait};

/// What views show, as far as their shortcuts tell.
pub(super) fn seen(guest: &mut dyn Guest, views: &[&View]) -> Result<Vec<Option<String>>, Lost> {
    let shortcuts: Vec<&Shortcut> = views.iter().filter_map(|view| view.shortcut.as_ref()).collect();
    let mut told = guest.told(&shortcuts)?.into_iter();
    Ok(views
        .iter()
        .map(|view| {
            let shortcut = view.shortcut.as_ref()?;
            let told = told.next().flatten()?;
            match shortcut {
                Shortcut::Server { answer, .. } => engine::heard(*answer, &told),
                _ => Some(String::from_utf8_lossy(&told).into_owned()),
            }
        })
        .collect())
}

/// What a command came to, where its line need not be run: it was run beforehand, or waits for ticks and the guest can
/// wait by itself.
///
/// # Errors
/// When the guest is gone.
pub(super) fn ended(guest: &mut dyn Guest, command: &Command) -> Result<Option<Finished>, Lost> {
    match command.beforehand {
        Some(file) => prepared(guest, file),
        None => waited(guest, command),
    }
}

fn prepared(guest: &mut dyn Guest, file: &str) -> Result<Option<Finished>, Lost> {
    let begun = Instant::now();
    let [printed, status] = ["", ".status"]
        .map(|ending| Shortcut::File { path: format!("{WORK_FOLDER}/{file}{ending}"), may_lack: false });
    let [Some(printed), Some(status)] = &guest.told(&[&printed, &status])?[..] else { return Ok(None) };
    let Ok(status) = String::from_utf8_lossy(status).trim().parse() else { return Ok(None) };
    Ok(Some(Finished {
        exit: Exit::Status(status),
        stdout: String::from_utf8_lossy(printed).into_owned(),
        stderr: String::new(),
        millis: millis_since(begun),
    }))
}

fn waited(guest: &mut dyn Guest, command: &Command) -> Result<Option<Finished>, Lost> {
    let Some(wait) = &command.wait else { return Ok(None) };
    let begun = Instant::now();
    let Some(files) = places(guest, wait)? else { return Ok(None) };
    let needle = |who: &str| format!("who={who} n=");
    let awaited: Vec<_> = std::iter::zip(&wait.counters, &files)
        .map(|((who, _), file)| {
            let path = if file.starts_with('/') { file.clone() } else { format!("{WORK_FOLDER}/{file}") };
            (path, needle(who))
        })
        .collect();
    let Some(came) = guest.lines(&awaited, wait.more, Duration::from_secs(wait.seconds))? else {
        return Ok(None);
    };
    let late = wait.late(&came, &files);
    Ok(Some(Finished {
        exit: Exit::Status(late.is_some().into()),
        stdout: String::new(),
        stderr: late.unwrap_or_default(),
        millis: millis_since(begun),
    }))
}

fn millis_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Where the counters' ticks are. None where a path is not to be had quickly.
fn places(guest: &mut dyn Guest, wait: &Wait) -> Result<Option<Vec<String>>, Lost> {
    let shown: Vec<&View> = wait
        .counters
        .iter()
        .filter_map(|(_, source)| match source {
            Source::Shown(view) => Some(view),
            Source::File(_) => None,
        })
        .collect();
    let mut seen = seen(guest, &shown)?.into_iter();
    let place = |(_, source): &(String, Source)| match source {
        Source::File(name) => Some(name.clone()),
        Source::Shown(_) => seen.next().flatten().filter(|path| path.starts_with('/')),
    };
    Ok(wait.counters.iter().map(place).collect())
}
