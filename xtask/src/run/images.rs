//! CRIU's images of a cell that has ended, as a tar, where somebody wants them.

use super::cell::{CellRun, in_guest};
use super::evidence;
use crate::engine::WORK_FOLDER;
use crate::host::Host;
use crate::model::{Command, Role};

/// Which of them are brought home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Images {
    /// None.
    #[default]
    None,
    /// All but what holds memory or data: see [`PAYLOAD`].
    Metadata,
    /// These too: whatever the program held, wrote or was sent is in them.
    All,
}

/// The images that hold a program's own: pages of memory, files that were deleted or are on a tmpfs, and what was on
/// its way in pipes, sockets, terminals and message queues.
pub const PAYLOAD: &[&str] = &[
    "pages-*.img",
    "ghost-file-*.img",
    "tmpfs-*.img",
    "pipes-data.img",
    "fifo-data.img",
    "sk-queues.img",
    "tcp-stream-*.img",
    "tty-data.img",
    "ipcns-msg-*.img",
    "bpfmap-data.img",
];

/// The name of the tar, below the folder of the role.
pub const IMAGES: &str = "images.tar";

/// Packs what is there, and brings it home. Images that cannot be had are left out.
pub(super) fn collect(run: &CellRun<'_>, role: Role, host: &mut dyn Host) {
    let Some(line) = pack(run.images, run.engine.daemons().folders) else { return };
    let packed = in_guest(host, &Command::new(line));
    if packed.is_ok_and(|packed| packed.exit.is_success()) {
        let name = format!("{}/{IMAGES}", role.name());
        let _kept = evidence::keep(run, host, &format!("{WORK_FOLDER}/{IMAGES}"), &name);
    }
}

/// From the work folder and from where the engine keeps its own.
fn pack(images: Images, folders: &[&str]) -> Option<String> {
    let but = match images {
        Images::None => return None,
        Images::Metadata => PAYLOAD.iter().map(|name| format!(" ! -name '{name}'")).collect(),
        Images::All => String::new(),
    };
    let folders = folders.join(" ");
    Some(format!(
        "find images checkpoints {folders} -name '*.img'{but} 2>/dev/null >images.list; \
         [ -s images.list ] && tar -cf {IMAGES} -T images.list 2>/dev/null"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_packed_only_where_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("images/one")).unwrap();
        let payload = [
            "pages-1.img",
            "ghost-file-2.img",
            "tmpfs-dev-9.tar.gz.img",
            "tmpfs-3.img",
            "pipes-data.img",
            "fifo-data.img",
            "sk-queues.img",
            "tcp-stream-4.img",
            "tty-data.img",
            "ipcns-msg-5.img",
            "bpfmap-data.img",
        ];
        for name in ["core-1.img", "dump.log"].iter().chain(&payload) {
            std::fs::write(folder.path().join("images/one").join(name), "x").unwrap();
        }
        let packed = |images| {
            let line = pack(images, &["/nonexistent"])?;
            let mut command = crate::process::command("sh");
            let script = format!("{line}; tar -tf {IMAGES}");
            let output = command.arg("-c").arg(script).current_dir(folder.path()).output().unwrap();
            let mut names: Vec<_> =
                String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
            names.sort();
            Some(names.join(" "))
        };
        assert_eq!(packed(Images::None), None);
        assert_eq!(packed(Images::Metadata).as_deref(), Some("images/one/core-1.img"));
        let all = packed(Images::All).unwrap();
        assert_eq!(all.split(' ').count(), 1 + payload.len(), "{all}");
    }
}
