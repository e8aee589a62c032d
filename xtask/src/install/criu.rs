//! A CRIU that starts in any userland: an ext4 image that a guest mounts at /opt/criu.
//!
//! With its own libc it carries every library and the dynamic loader.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::install::deb;
use crate::install::elf;
use crate::install::error::InstallError;
use crate::install::ext4::Ext4;
use crate::install::lock::LockedCriu;
use crate::install::package::Package;
use crate::install::relocate;
use crate::install::workshop::Workshop;
use crate::model::Libc;
use crate::process;

/// The kind of entry that it is in the cache.
pub(super) const KIND: &str = "criu";
/// Change it when an image comes to look different.
const RECIPE: &str = "criu 2";
/// Where a guest has its libraries.
const LIB: &str = "/opt/criu/lib";

/// A CRIU, ready to be given to a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criu {
    /// An ext4 image; the guest mounts it read-only at `/opt/criu` and has `/opt/criu/sbin` in its PATH.
    pub image: PathBuf,
    /// Upstream's version, when it is Debian's.
    pub version: Option<String>,
    /// Debian's version, when it is Debian's.
    pub package: Option<String>,
    /// On which libc it runs.
    pub libc: Libc,
    /// For the userland's libc: the oldest glibc on which it starts, as `2.38`.
    pub needs_glibc: Option<String>,
}

impl LockedCriu {
    /// The key of what is made of it.
    pub(super) fn key(&self) -> String {
        let of = match self {
            Self::Debian { packages, .. } => deb::packages_key(RECIPE, packages),
            Self::Own { sha256, .. } => sha256.clone(),
        };
        cache::key([RECIPE.to_owned(), self.libc().to_string(), of])
    }
}

impl Workshop<'_> {
    /// Makes that CRIU ready for guests.
    ///
    /// # Errors
    /// When a package cannot be had, or a library that it needs is missing.
    pub fn criu(&self, locked: &LockedCriu) -> Result<Criu, InstallError> {
        let libc = locked.libc();
        let dir = self.built(KIND, &locked.key(), |dir| {
            let tree = dir.join("tree");
            let files = match locked {
                LockedCriu::Debian { packages, .. } => self.take_debian(packages, libc, &tree)?,
                LockedCriu::Own { path, .. } => take_own(path, libc, &tree)?,
            };
            if libc == Libc::Userland {
                let needs = elf::needs_glibc(files.iter().map(PathBuf::as_path))?;
                let path = dir.join("needs-glibc");
                fs::write(&path, needs.unwrap_or_default()).map_err(InstallError::file(&path))?;
            }
            let how = Ext4 { label: "criu", uuid: "c51c0000-0000-4000-8000-000000000001", room_mib: 0 };
            self.ext4_of_tree(&tree, &dir.join("criu.ext4"), &how)
        })?;
        let needs = fs::read_to_string(dir.join("needs-glibc")).ok().filter(|needs| !needs.is_empty());
        let (version, package) = match locked {
            LockedCriu::Debian { upstream, version, .. } => (Some(upstream.clone()), Some(version.clone())),
            LockedCriu::Own { .. } => (None, None),
        };
        Ok(Criu { image: dir.join("criu.ext4"), version, package, libc, needs_glibc: needs })
    }

    /// The programs of Debian's packages, and the libraries that they need out of the same packages.
    fn take_debian(
        &self,
        packages: &[Package],
        libc: Libc,
        tree: &Path,
    ) -> Result<Vec<PathBuf>, InstallError> {
        let root = self.unpacked(packages)?;
        let programs = [("usr/sbin/criu", "sbin/criu"), ("usr/bin/compel", "bin/compel")]
            .map(|(from, to)| (root.join(from), to))
            .into_iter()
            .filter(|(from, _)| from.is_file())
            .collect::<Vec<_>>();
        if programs.first().is_none_or(|(_, to)| *to != "sbin/criu") {
            let reason = "the packages hold no usr/sbin/criu".to_owned();
            return Err(InstallError::NotUsable { path: root, reason });
        }
        let dirs = deb::library_dirs(&root);
        let find = |name: &str| {
            dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file()).ok_or_else(|| {
                InstallError::NotUsable {
                    path: root.clone(),
                    reason: format!("no package holds the library {name}"),
                }
            })
        };
        take(&programs, libc, tree, find)
    }
}

/// The binary in what the user gave: the file itself, or in a source tree or an installation.
pub(crate) fn own_binary(path: &Path) -> Result<PathBuf, InstallError> {
    let places = ["", "criu/criu", "sbin/criu", "usr/sbin/criu", "usr/local/sbin/criu", "bin/criu", "criu"];
    let found =
        places.into_iter().map(|place| if place.is_empty() { path.to_owned() } else { path.join(place) });
    let found = found.into_iter().find(|path| path.is_file()).ok_or_else(|| InstallError::NotUsable {
        path: path.to_owned(),
        reason: "no CRIU: give the binary, or a folder with criu/criu, sbin/criu or usr/sbin/criu in it"
            .to_owned(),
    })?;
    let head = fs::read(&found).map_err(InstallError::file(&found))?;
    if !elf::is_elf(&head) {
        let reason = "no 64-bit program: a compiled criu is wanted".to_owned();
        return Err(InstallError::NotUsable { path: found, reason });
    }
    Ok(found)
}

/// The user's binary with this machine's libraries, as its own loader finds them.
fn take_own(binary: &Path, libc: Libc, tree: &Path) -> Result<Vec<PathBuf>, InstallError> {
    if libc == Libc::Userland {
        let to = relocate::place(binary, &tree.join("sbin/criu"))?;
        return Ok(vec![to]);
    }
    let output = process::output(process::command("ldd").env("LC_ALL", "C").arg(binary))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let find = |name: &str| {
        ldd_path(&text, name).ok_or_else(|| InstallError::NotUsable {
            path: binary.to_owned(),
            reason: format!("needs the library {name}, which this machine does not have: install it, or say libc = \"userland\""),
        })
    };
    take(&[(binary.to_owned(), "sbin/criu")], libc, tree, find)
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or the loader's line, which is a path alone.
fn ldd_path(text: &str, name: &str) -> Option<PathBuf> {
    let paths = text.lines().filter_map(|line| {
        let line = line.trim().split(" (").next()?;
        let (soname, path) = line.split_once(" => ").unwrap_or((line.rsplit('/').next()?, line));
        (soname.trim() == name && path.starts_with('/')).then(|| PathBuf::from(path))
    });
    // A library that is opened at run time stands in no list: it lies beside libc.
    paths.into_iter().next().or_else(|| {
        let libc = (name != "libc.so.6").then(|| ldd_path(text, "libc.so.6"))??;
        Some(libc.with_file_name(name)).filter(|path| path.is_file())
    })
}

/// Copies programs and all that they need, and makes them find it below [`LIB`]. Returns the copies.
fn take(
    programs: &[(PathBuf, &str)],
    libc: Libc,
    tree: &Path,
    find: impl Fn(&str) -> Result<PathBuf, InstallError>,
) -> Result<Vec<PathBuf>, InstallError> {
    let mut wanted = Vec::new();
    let mut copies = Vec::new();
    for (from, to) in programs {
        wanted.extend(elf::needed(from)?);
        let copy = relocate::place(from, &tree.join(to))?;
        relocate::program(&copy, LIB, libc)?;
        copies.push(copy);
    }
    copies.extend(relocate::libraries(wanted, libc, &tree.join("lib"), find)?);
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_criu_says_what_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let error = own_binary(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no CRIU: give the binary"), "{error}");
        fs::create_dir(dir.path().join("criu")).unwrap();
        fs::write(dir.path().join("criu/criu"), "#!/bin/sh\n").unwrap();
        let error = own_binary(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no 64-bit program"), "{error}");
        fs::write(dir.path().join("criu/criu"), b"\x7fELF\x02\x01").unwrap();
        assert_eq!(own_binary(dir.path()).unwrap(), dir.path().join("criu/criu"));
    }

    #[rstest::rstest]
    #[case("libc.so.6", Some("/lib/x86_64-linux-gnu/libc.so.6"))]
    #[case("ld-linux-x86-64.so.2", Some("/lib64/ld-linux-x86-64.so.2"))]
    #[case("libnet.so.1", None)]
    fn ldd_is_read(#[case] name: &str, #[case] expected: Option<&str>) {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibnet.so.1 => not found\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        assert_eq!(ldd_path(text, name), expected.map(PathBuf::from));
    }
}
