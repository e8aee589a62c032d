//! Packages unpacked into a folder, and programs run out of such a folder by its own loader.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::cache;
use crate::install::error::InstallError;
use crate::install::package::Package;
use crate::install::workshop::Workshop;
use crate::process;

/// Change it when unpacking comes to mean something else.
const RECIPE: &str = "root 2";

impl Workshop<'_> {
    /// The folder with all these packages unpacked: no scripts run, nothing owned by root.
    pub(crate) fn unpacked(&self, packages: &[Package]) -> Result<PathBuf, InstallError> {
        self.built("root", &packages_key(RECIPE, packages), |dir| self.unpack(packages, dir))
    }

    /// Unpacks these packages into that folder, one over the other.
    pub(crate) fn unpack(&self, packages: &[Package], dir: &Path) -> Result<(), InstallError> {
        self.fetch(packages)?;
        for package in packages {
            let deb = self.deb(package)?;
            process::output(process::command("dpkg-deb").arg("-x").arg(deb).arg(dir))?;
        }
        keep_links_inside(dir, 0).map_err(InstallError::file(dir))
    }

    /// The package's file, which has been fetched.
    pub(crate) fn deb(&self, package: &Package) -> Result<PathBuf, InstallError> {
        self.cache.blob(&package.sha256).ok_or_else(|| InstallError::Offline { what: package.to_string() })
    }
}

/// An absolute link of a package leads out of the folder that it was unpacked into: makes each relative.
/// `depth` is how many folders `dir` is below the root.
fn keep_links_inside(dir: &Path, depth: usize) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            keep_links_inside(&path, depth + 1)?;
        } else if kind.is_symlink()
            && let Ok(inside) = fs::read_link(&path)?.strip_prefix("/")
        {
            let relative: PathBuf = std::iter::repeat_n("..", depth).collect();
            fs::remove_file(&path)?;
            symlink(relative.join(inside), &path)?;
        }
    }
    Ok(())
}

/// A key of a recipe and exact packages.
pub(crate) fn packages_key(recipe: &str, packages: &[Package]) -> String {
    let mut hashes: Vec<&str> = packages.iter().map(|package| package.sha256.as_str()).collect();
    hashes.sort_unstable();
    cache::key(std::iter::once(recipe).chain(hashes))
}

/// The folders of an unpacked root that hold its libraries.
pub(crate) fn library_dirs(root: &Path) -> Vec<PathBuf> {
    [
        "usr/lib/x86_64-linux-gnu",
        "lib/x86_64-linux-gnu",
        "usr/lib64",
        "lib64",
        "usr/lib/x86_64-linux-gnu/pulseaudio",
    ]
    .into_iter()
    .map(|dir| root.join(dir))
    .filter(|dir| dir.is_dir())
    .collect()
}

/// The command words that run a program of an unpacked root with that root's own loader and libraries.
pub(crate) fn by_own_loader(root: &Path, program: &str) -> Result<Vec<OsString>, InstallError> {
    let dirs = library_dirs(root);
    let loader =
        dirs.iter().map(|dir| dir.join("ld-linux-x86-64.so.2")).find(|path| is_elf(path)).ok_or_else(
            || InstallError::NotUsable {
                path: root.to_owned(),
                reason: "has no ld-linux-x86-64.so.2".to_owned(),
            },
        )?;
    let paths: Vec<String> = dirs.iter().map(|dir| dir.to_string_lossy().into_owned()).collect();
    let words: [OsString; 4] =
        [loader.into(), "--library-path".into(), paths.join(":").into(), root.join(program).into()];
    Ok(words.into())
}

/// A command out of such words.
pub(crate) fn command_of(words: &[OsString]) -> Command {
    let mut words = words.iter();
    let mut command = process::command(words.next().map_or("false".as_ref(), OsString::as_os_str));
    command.args(words);
    command
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_links_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib64")).unwrap();
        fs::create_dir_all(root.path().join("lib/x")).unwrap();
        fs::write(root.path().join("lib/x/ld.so"), "ours").unwrap();
        symlink("/lib/x/ld.so", root.path().join("usr/lib64/ld.so")).unwrap();
        symlink("/lib/x/ld.so", root.path().join("ld.so")).unwrap();
        symlink("lib/x/ld.so", root.path().join("as-it-was")).unwrap();
        keep_links_inside(root.path(), 0).unwrap();
        for link in ["usr/lib64/ld.so", "ld.so", "as-it-was"] {
            assert_eq!(fs::read_to_string(root.path().join(link)).unwrap(), "ours", "{link}");
        }
    }
}
