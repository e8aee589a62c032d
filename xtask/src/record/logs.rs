//! The files that a cell left beside its record: kept one by one, packed into one, or dropped. The record itself
//! always stays, so every report can still be made.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Paths;
use super::folder::set_aside;
use super::paths::{EVENTS, LOGS, RECORD};
use crate::model::CellId;

/// How hard logs are packed.
const LEVEL: i32 = 3;

/// What becomes of the logs of cells that pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PassingLogs {
    /// They stay as files that can be browsed.
    #[default]
    Keep,
    /// They become one compressed tar.
    Pack,
    /// They go.
    Drop,
}

impl PassingLogs {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Pack, Self::Drop];

    /// `keep`, `pack`, `drop`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Pack => "pack",
            Self::Drop => "drop",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Does so with a cell that has ended.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn settle(self, paths: &Paths, cell: &CellId) -> io::Result<()> {
        if self == Self::Keep {
            return Ok(());
        }
        let folder = paths.cell(cell);
        if self == Self::Pack {
            let packed = tempfile::NamedTempFile::new_in(paths.cells())?;
            pack(&folder, packed.as_file())?;
            packed.persist(folder.join(LOGS)).map_err(|error| error.error)?;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name() == RECORD || entry.file_name() == LOGS && self == Self::Pack {
                continue;
            }
            let path = entry.path();
            if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }
}

/// Packs what is in a cell's folder, its record apart.
///
/// # Errors
/// When the file system refuses.
pub fn pack(folder: &Path, into: &File) -> io::Result<()> {
    let mut tar = tar::Builder::new(zstd::Encoder::new(into, LEVEL)?);
    tar.follow_symlinks(false);
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if [RECORD, LOGS, EVENTS].iter().any(|ours| name == *ours) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            tar.append_dir_all(&name, entry.path())?;
        } else {
            tar.append_path_with_name(entry.path(), &name)?;
        }
    }
    tar.into_inner()?.finish()?;
    Ok(())
}

/// Lays what was packed into a folder.
///
/// # Errors
/// When the file is none of ours, or the file system refuses.
pub fn unpack(packed: &Path, folder: &Path) -> io::Result<()> {
    tar::Archive::new(zstd::Decoder::new(File::open(packed)?)?).unpack(folder)
}

/// Makes the folder of a cell that is not played; what an interrupted attempt left is set aside. Returns it.
///
/// # Errors
/// When the file system refuses.
pub fn room_for(paths: &Paths, cell: &CellId) -> io::Result<PathBuf> {
    let folder = paths.cell(cell);
    set_aside(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    fn cell() -> (tempfile::TempDir, Paths, CellId) {
        let dir = tempfile::tempdir().unwrap();
        let (paths, id) = (Paths(dir.path().to_owned()), sample::id("counter"));
        let folder = paths.cell(&id);
        fs::create_dir_all(folder.join("01-dump")).unwrap();
        for (name, text) in [("story.log", "s"), ("01-dump/dump.log", "d"), (RECORD, "r")] {
            fs::write(folder.join(name), text).unwrap();
        }
        (dir, paths, id)
    }

    fn names(folder: &Path) -> Vec<String> {
        let names =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[rstest::rstest]
    #[case(PassingLogs::Keep, &["01-dump", RECORD, "story.log"])]
    #[case(PassingLogs::Pack, &[RECORD, LOGS])]
    #[case(PassingLogs::Drop, &[RECORD])]
    fn what_stays(#[case] logs: PassingLogs, #[case] expected: &[&str]) {
        let (_dir, paths, id) = cell();
        logs.settle(&paths, &id).unwrap();
        assert_eq!(names(&paths.cell(&id)), expected);
        assert_eq!(fs::read_to_string(paths.cell_record(&id)).unwrap(), "r");
        assert_eq!(names(&paths.cells()), [id.as_str()], "nothing is left beside it");
        assert_eq!(PassingLogs::named(logs.name()), Some(logs));
    }

    #[test]
    fn what_was_packed_comes_back_without_the_record() {
        let (dir, paths, id) = cell();
        PassingLogs::Pack.settle(&paths, &id).unwrap();
        let back = dir.path().join("back");
        unpack(&paths.cell_logs(&id), &back).unwrap();
        assert_eq!(names(&back), ["01-dump", "story.log"]);
        assert_eq!(fs::read_to_string(back.join("01-dump/dump.log")).unwrap(), "d");
    }
}
