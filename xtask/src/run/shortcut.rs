//! The quick way to what a line of `sh` shows or waits for. Where there is none, the line is run.

use std::time::{Duration, Instant};

use crate::engine::{self, WORK_FOLDER};
use crate::guest::Guest;
use crate::model::{Beforehand, By, Command, Exit, Finished, Lost, Shortcut, Source, View, Wait};

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
pub(super) fn ended(guest: &mut dyn Guest, command: &Command) -> Result<Option<(Finished, By)>, Lost> {
    let (finished, by) = match command.beforehand {
        Some(beforehand) => (at_preparation(guest, beforehand)?, By::Preparation),
        None => (waited(guest, command)?, By::Agent),
    };
    Ok(finished.map(|finished| (finished, by)))
}

/// One that has failed then, and should not have, may do better now.
fn at_preparation(guest: &mut dyn Guest, beforehand: Beforehand) -> Result<Option<Finished>, Lost> {
    let Beforehand { file, may_fail } = beforehand;
    let begun = Instant::now();
    let files = ["", ".err", ".status"]
        .map(|ending| Shortcut::File { path: format!("{WORK_FOLDER}/{file}{ending}"), may_lack: false });
    let told = guest.told(&files.each_ref())?;
    let text = |at: usize| Some(String::from_utf8_lossy(told.get(at)?.as_ref()?).into_owned());
    let (Some(stdout), Some(stderr), Some(status)) = (text(0), text(1), text(2)) else { return Ok(None) };
    let Some(status) = status.trim().parse().ok().filter(|status| may_fail || *status == 0) else {
        return Ok(None);
    };
    Ok(Some(Finished { exit: Exit::Status(status), stdout, stderr, millis: millis_since(begun) }))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read, Write};

    use rstest::rstest;

    use super::*;
    use crate::guest::{Exec, Hello, TransferError};

    /// A guest that tells files, and in which every counter tells so many ticks.
    struct Told {
        files: BTreeMap<String, &'static str>,
        ticks: Vec<u64>,
        awaited: Vec<(String, String)>,
    }

    impl Told {
        fn new(files: &[(&str, &'static str)], ticks: &[u64]) -> Self {
            let path = |name: &str| format!("{WORK_FOLDER}/{name}");
            let files = files.iter().map(|(name, text)| (path(name), *text)).collect();
            Self { files, ticks: ticks.to_vec(), awaited: Vec::new() }
        }
    }

    impl Guest for Told {
        fn facts(&self) -> &Hello {
            unreachable!("nobody asks")
        }

        fn run(&mut self, exec: &Exec) -> Result<Finished, Lost> {
            unreachable!("nothing is run: {exec:?}")
        }

        fn told(&mut self, shortcuts: &[&Shortcut]) -> Result<Vec<Option<Vec<u8>>>, Lost> {
            let file = |shortcut: &&Shortcut| match shortcut {
                Shortcut::File { path, .. } => Some(self.files.get(path)?.as_bytes().to_vec()),
                _ => None,
            };
            Ok(shortcuts.iter().map(file).collect())
        }

        fn lines(
            &mut self,
            awaited: &[(String, String)],
            _: u32,
            _: Duration,
        ) -> Result<Option<Vec<u64>>, Lost> {
            self.awaited = awaited.to_vec();
            Ok(Some(self.ticks.clone()))
        }

        fn push(&mut self, _: &mut dyn Read, _: u64, path: &str, _: u32) -> Result<(), TransferError> {
            unreachable!("{path} is not pushed")
        }

        fn pull(&mut self, path: &str, _: &mut dyn Write) -> Result<u64, TransferError> {
            unreachable!("{path} is not pulled")
        }
    }

    #[rstest]
    #[case::well(&[("c", "4.1\n"), ("c.err", "warning\n"), ("c.status", "0\n")], false, Some(0))]
    #[case::failed(&[("c", ""), ("c.err", "no\n"), ("c.status", "127\n")], false, None)]
    #[case::may_fail(&[("c", ""), ("c.err", "no\n"), ("c.status", "1\n")], true, Some(1))]
    #[case::cut_short(&[("c", "4."), ("c.err", "")], true, None)]
    #[case::status_not_written(&[("c", "4."), ("c.err", ""), ("c.status", "")], true, None)]
    #[case::never_run(&[], true, None)]
    fn what_was_run_at_the_preparation(
        #[case] files: &[(&str, &'static str)],
        #[case] may_fail: bool,
        #[case] status: Option<i32>,
    ) {
        let command = Command::new("criu");
        let command = if may_fail { command.beforehand_or_failed("c") } else { command.beforehand("c") };
        let ended = ended(&mut Told::new(files, &[]), &command).unwrap();
        assert_eq!(
            ended.as_ref().map(|(finished, by)| (finished.exit, *by)),
            status.map(|status| { (Exit::Status(status), By::Preparation) })
        );
        if let Some((finished, _)) = ended {
            assert_eq!(finished.stdout, files[0].1);
            assert_eq!(finished.stderr, files[1].1);
        }
    }

    fn wait(source: Source) -> Command {
        Wait { more: 2, seconds: 3, counters: vec![("a".to_owned(), source)] }.command()
    }

    #[test]
    fn a_wait_for_ticks_is_the_agents() {
        let here = wait(Source::File("a.ticks".to_owned()));
        let mut guest = Told::new(&[], &[2]);
        let (finished, by) = ended(&mut guest, &here).unwrap().unwrap();
        assert_eq!((finished.exit, finished.stderr.as_str(), by), (Exit::Status(0), "", By::Agent));
        assert_eq!(guest.awaited, [(format!("{WORK_FOLDER}/a.ticks"), "who=a n=".to_owned())]);
        let (finished, _) = ended(&mut Told::new(&[], &[1]), &here).unwrap().unwrap();
        assert_eq!(finished.exit, Exit::Status(1));
        assert_eq!(finished.stderr, "after 3 s; a told 1 of 2 more ticks in a.ticks\n");
    }

    #[test]
    fn a_log_whose_place_nobody_tells_is_for_the_line_to_find() {
        let shown = |shortcut| {
            let view = View::of(Command::new("docker inspect"));
            wait(Source::Shown(View { shortcut, ..view }))
        };
        assert_eq!(ended(&mut Told::new(&[], &[2]), &shown(None)).unwrap(), None);
        let path = Shortcut::File { path: format!("{WORK_FOLDER}/where"), may_lack: false };
        let mut guest = Told::new(&[("where", "/var/log/a")], &[2]);
        assert!(ended(&mut guest, &shown(Some(path.clone()))).unwrap().is_some());
        assert_eq!(guest.awaited[0].0, "/var/log/a");
        // An empty path is none.
        assert_eq!(ended(&mut Told::new(&[("where", "")], &[2]), &shown(Some(path))).unwrap(), None);
    }
}
