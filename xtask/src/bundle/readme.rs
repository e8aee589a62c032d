//! `README.md` of a bundle: what is in it, and what is not.

use std::fmt::Write as _;

use super::{Failure, Known};
use crate::run::PAYLOAD;

/// What the bundle holds besides what every one has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// CRIU's images without pages of memory.
    pub images: bool,
    /// With them.
    pub memory: bool,
    /// All that the virtual machine is made of.
    pub vm: bool,
    /// The engine's daemon must be started.
    pub daemon: bool,
}

/// The text.
pub fn readme(failure: &Failure<'_>, known: &Known<'_>, holds: Holds) -> String {
    let mut text = format!("# {}\n\n{}\n\n", failure.cell.id, failure.verdict.sentence());
    let _ = writeln!(text, "{}.\n{}.\n", known.replays, known.verified);
    text.push_str(
        "| file | what |\n|---|---|\n\
         | `ISSUE.md` | the report, in the shape of the issue form |\n\
         | `reproduce.sh` | plays it as root on any machine with these versions, and says whether it fails as here |\n\
         | `reproduce-vm.sh` | boots such a machine with QEMU and runs `reproduce.sh` in it by `in-vm.sh`; no root is needed |\n\
         | `packages.txt` | what that machine is made of |\n\
         | `story.sh` | the commands themselves |\n\
         | `bin/` | the workload, compiled, for machines without a C compiler |\n\
         | `versions.txt`, `lock.toml` | what the guest reported; each package with its SHA-256 and address |\n\
         | `diagnosis.txt`, `diagnosis.json` | what the rules make of the logs |\n\
         | `neighbours.txt` | where else the same story was played, and passes or fails |\n\
         | `logs/` | the whole cell: every command with its output, CRIU's logs, dmesg, console, kernel configuration |\n\
         | `replays/` | the run in which it was played again |\n",
    );
    if holds.daemon {
        text.push_str(
            "| `daemon.sh` | how the engine's daemon was started; run it first where none runs |\n",
        );
    }
    if holds.images {
        text.push_str("| `images.tar` | CRIU's images of a replay |\n");
    }
    if holds.vm {
        text.push_str("| `vm/` | kernel, initrd and disks of the virtual machine |\n");
    }
    text.push('\n');
    text.push_str(&images(holds));
    text.push_str(
        "`logs/` and `replays/` hold host names, paths and open files of the guest.\n\
         `environment` in them tells the tasks' maps, open files and mounts as they were after the failure; of tasks \
         that were gone by then, and of the moment before the dump, there is nothing.\n",
    );
    if failure.workload.witness {
        text.push_str("The script does not compute the sums over the program's memory: of lost memory only the harness tells.\n");
    }
    if let Some(why) = failure.needs_more() {
        let _ = writeln!(text, "\nNot verified by itself: {why}.");
    }
    text
}

fn images(holds: Holds) -> String {
    match (holds.images, holds.memory) {
        (false, _) => "CRIU's images are not in it: none were left, or it was not played again.\n".to_owned(),
        (true, false) => {
            let left_out: Vec<String> = PAYLOAD.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "The images are without those that hold memory, files or data on its way: {}. The others still hold \
                 names, paths and the addresses of connections, and `core-*.img` the registers of each thread.\n",
                left_out.join(", ")
            )
        }
        (true, true) => {
            "The images hold the program's memory, with whatever secrets were in it. This one is a \
                         workload of the harness and has none of yours.\n"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_of_the_images_is_left_out() {
        let holds = Holds { images: true, ..Holds::default() };
        insta::assert_snapshot!(images(holds), @"The images are without those that hold memory, files or data on its way: `pages-*.img`, `ghost-file-*.img`, `tmpfs-*.img`, `pipes-data.img`, `fifo-data.img`, `sk-queues.img`, `tcp-stream-*.img`, `tty-data.img`, `ipcns-msg-*.img`, `bpfmap-data.img`. The others still hold names, paths and the addresses of connections, and `core-*.img` the registers of each thread.");
    }
}
