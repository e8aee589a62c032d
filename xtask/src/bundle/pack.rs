//! A folder copied, and a folder packed as a `tar.zst`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// How hard it compresses: a compromise of zstd's own.
const LEVEL: i32 = 9;

/// Copies the files below a folder, and makes the folders that they need. Links are not followed: what a guest has
/// sent home leads nowhere else.
///
/// # Errors
/// When one cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Packs a folder under its own name into `archive`, every file owned by root; large ones may be sparse.
///
/// # Errors
/// When one cannot be read, or the archive cannot be written.
pub fn pack(folder: &Path, archive: &Path) -> io::Result<()> {
    let name = folder.file_name().ok_or_else(|| io::Error::other("the folder has no name"))?;
    let out = zstd::Encoder::new(BufWriter::new(File::create(archive)?), LEVEL)?;
    let mut tar = tar::Builder::new(out);
    tar.mode(tar::HeaderMode::Deterministic);
    tar.follow_symlinks(false);
    tar.append_dir_all(name, folder)?;
    tar.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("counter@k7.2");
        fs::create_dir_all(dir.path().join("from/logs")).unwrap();
        fs::write(dir.path().join("from/logs/dump.log"), "why").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("from/link")).unwrap();
        copy(&dir.path().join("from"), &folder).unwrap();
        assert!(!folder.join("link").exists());
        let archive = dir.path().join("x.tar.zst");
        pack(&folder, &archive).unwrap();
        let mut tar = tar::Archive::new(zstd::Decoder::new(File::open(&archive).unwrap()).unwrap());
        tar.unpack(dir.path().join("again")).unwrap();
        let again = dir.path().join("again/counter@k7.2/logs/dump.log");
        assert_eq!(fs::read_to_string(again).unwrap(), "why");
    }
}
