//! A command that is still running at its deadline: what is collected of it while it hangs, and how that comes home.
//!
//! A cell's guests are made for it and go with it, so nobody is ever given one in which something hangs.

use std::time::Duration;

use super::cell::{CellRun, in_guest};
use super::evidence;
use crate::engine::{Daemons, WORK_FOLDER};
use crate::guest::Exec;
use crate::host::Host;
use crate::model::{Command, Exit, Finished, Hang, Lost};

/// How many files are kept of one hang.
const FILES_MAX: usize = 200;

impl CellRun<'_> {
    /// Runs a command in the work folder. One that hangs is looked at before it is killed, and what was found is kept
    /// in `folder`.
    pub(super) fn watched(
        &self,
        host: &mut dyn Host,
        command: &Command,
        folder: &str,
    ) -> Result<(Finished, Option<Hang>), Lost> {
        let look = line(&self.engine.daemons());
        let exec = Exec::sh(&command.line, WORK_FOLDER, command.deadline).looked_at_by(look);
        let finished = host.guest()?.run(&exec)?;
        if finished.exit != Exit::TimedOut {
            return Ok((finished, None));
        }
        let hang = self.bring(host, command.deadline, folder)?;
        Ok((finished, Some(hang)))
    }

    fn bring(&self, host: &mut dyn Host, deadline: Duration, folder: &str) -> Result<Hang, Lost> {
        let ask = |line: String| Command::new(line).within(20);
        let found = in_guest(host, &ask("cat hang/where".to_owned()))?.stdout;
        let list = format!("find hang -type f -size +0 | sort | head -n {FILES_MAX}");
        let names = in_guest(host, &ask(list))?.stdout;
        let mut files = 0;
        for name in names.lines() {
            let kept =
                evidence::keep(self, host, &format!("{WORK_FOLDER}/{name}"), &format!("{folder}/{name}"))?;
            files += usize::from(kept);
        }
        Ok(Hang::parse(deadline.as_secs(), files, &found))
    }
}

/// The line that is run at the deadline.
fn line(daemons: &Daemons) -> String {
    let Daemons { names, dumps, logs, folders } = daemons;
    let dumps: Vec<_> = dumps.iter().map(|(name, glob)| format!("{name}={glob}")).collect();
    format!(
        "sh ./hang.sh \"$HUNG\" '{}' '{}' '{}' '{}'",
        names.join(" "),
        dumps.join(" "),
        logs.join(" "),
        folders.join(" ")
    )
}
