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
    /// All but the pages of memory.
    Metadata,
    /// The pages too: whatever the program held in memory is in them.
    All,
}

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
        Images::Metadata => " ! -name 'pages-*.img'",
        Images::All => "",
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
        for name in ["core-1.img", "pages-1.img", "dump.log"] {
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
        assert_eq!(packed(Images::All).as_deref(), Some("images/one/core-1.img images/one/pages-1.img"));
    }
}
