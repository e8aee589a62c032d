//! What is done in a guest before any cell: files put there, commands run, all of it written down.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use super::{Preparation, Put};
use crate::guest::{Exec, Guest, TransferError};
use crate::model::{Finished, Lost};

/// How long making a folder may take.
const MKDIR: Duration = Duration::from_secs(60);

/// How many lines of a failed command's standard error its reader gets.
const TAIL: usize = 12;

/// Prepares a guest. Every command is written to `log` with its output as soon as it has ended.
///
/// # Errors
/// [`Lost::Unprepared`] with the command's line, end and last words when one fails, or a file cannot be put there;
/// else what became of the guest.
pub(super) fn prepare(
    guest: &mut dyn Guest,
    preparation: &Preparation,
    log: &mut dyn Write,
) -> Result<(), Lost> {
    let folder = if preparation.folder.is_empty() { "/" } else { &preparation.folder };
    let made = guest.run(&Exec {
        argv: ["mkdir", "-p", folder].map(str::to_owned).to_vec(),
        ..Exec::sh("", "/", MKDIR)
    })?;
    must_succeed(&format!("mkdir -p {folder}"), &made)?;
    for file in &preparation.files {
        put(guest, file)?;
    }
    let must = preparation.commands.iter().map(|command| (command, true));
    let may = preparation.asks.iter().map(|command| (command, false));
    for (command, must) in must.chain(may) {
        let finished = guest.run(&Exec::sh(&command.line, folder, command.deadline))?;
        let Finished { exit, stdout, stderr, millis } = &finished;
        // A log that cannot be written is missed by nobody but its reader.
        let _lost = writeln!(log, "$ {}\n{stdout}{stderr}[{exit}, {millis} ms]\n", command.line);
        if must {
            must_succeed(&command.line, &finished)?;
        }
    }
    Ok(())
}

fn put(guest: &mut dyn Guest, file: &Put) -> Result<(), Lost> {
    let cannot = |why: String| Lost::Unprepared(format!("{} to {}: {why}", file.source.display(), file.path));
    let mut source = File::open(&file.source).map_err(|error| cannot(error.to_string()))?;
    let length = source.metadata().map_err(|error| cannot(error.to_string()))?.len();
    guest.push(&mut source, length, &file.path, file.mode).map_err(|error| match error {
        TransferError::Lost(lost) => lost,
        other => cannot(other.to_string()),
    })
}

fn must_succeed(line: &str, finished: &Finished) -> Result<(), Lost> {
    if finished.exit.is_success() {
        return Ok(());
    }
    // What failed often says why on the wrong stream.
    let said = if finished.stderr.trim().is_empty() { &finished.stdout } else { &finished.stderr };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
    Err(Lost::Unprepared(format!("`{line}`: {}: {tail}", finished.exit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Fake;
    use crate::model::Command;

    fn preparation() -> Preparation {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into();
        Preparation {
            files: vec![Put { source, path: "/etc/x.toml".to_owned(), mode: 0o640 }],
            commands: vec![Command::new("one"), Command::new("two")],
            asks: vec![Command::new("three")],
            folder: "/root/cell".to_owned(),
        }
    }

    #[test]
    fn files_come_first_then_commands_in_their_folder_and_all_is_written_down() {
        let mut guest = Fake::new(|exec| Ok(Fake::printed(&format!("{}\n", exec.argv.join(" ")))));
        let mut log = Vec::new();
        prepare(&mut guest, &preparation(), &mut log).unwrap();
        assert_eq!(guest.files["/etc/x.toml"].0, 0o640);
        let ran: Vec<_> = guest.ran.iter().map(|exec| (exec.argv.join(" "), exec.cwd.as_str())).collect();
        let expected = [
            ("mkdir -p /root/cell", "/"),
            ("/bin/sh -c one", "/root/cell"),
            ("/bin/sh -c two", "/root/cell"),
            ("/bin/sh -c three", "/root/cell"),
        ];
        assert_eq!(ran, expected.map(|(line, folder)| (line.to_owned(), folder)));
        let log = String::from_utf8(log).unwrap();
        assert!(log.contains("$ one\n/bin/sh -c one\n[exit status 0, 1 ms]\n"), "{log}");
    }

    #[test]
    fn the_first_failure_ends_it_and_is_told_with_its_last_words() {
        let fails = |exec: &Exec| {
            Ok(match exec.argv[2].as_str() {
                "one" => Fake::failed(3, "first\nno such image\n"),
                _ => Fake::printed(""),
            })
        };
        let mut guest = Fake::new(fails);
        let lost = prepare(&mut guest, &preparation(), &mut Vec::new()).unwrap_err();
        let words = "the guest could not be prepared: `one`: exit status 3: first\nno such image";
        assert_eq!(lost.to_string(), words);
        assert_eq!(guest.ran.len(), 2);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let mut preparation = preparation();
        preparation.files[0].source = "/no/such".into();
        let lost = prepare(&mut Fake::obedient(), &preparation, &mut Vec::new()).unwrap_err();
        assert!(lost.to_string().contains("/no/such to /etc/x.toml: No such file"), "{lost}");
    }
}
