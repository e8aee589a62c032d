//! The files of an engine's packages, as they lie in a root with a merged /usr.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use crate::install::error::InstallError;

/// For people and other shells: nothing of it is ever run.
const LEFT_OUT: &[&str] = &[
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/bash-completion",
    "usr/share/zsh",
    "usr/share/fish",
    "usr/include",
    // Links of the userland, and a folder that is empty at boot.
    "run",
    "var/run",
    "var/lock",
];
/// What is a link into /usr in a root with a merged /usr.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib64"];
/// Where the linker's own libraries and archives lie: those come privately.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Links that a package's scripts make with update-alternatives: the link, and what it leads to when that is there.
const ALTERNATIVES: &[(&str, &str)] = &[
    ("usr/sbin/iptables", "iptables-nft"),
    ("usr/sbin/iptables-save", "iptables-nft-save"),
    ("usr/sbin/iptables-restore", "iptables-nft-restore"),
    ("usr/sbin/ip6tables", "ip6tables-nft"),
    ("usr/sbin/ip6tables-save", "ip6tables-nft-save"),
    ("usr/sbin/ip6tables-restore", "ip6tables-nft-restore"),
    ("usr/sbin/arptables", "arptables-nft"),
    ("usr/sbin/arptables-save", "arptables-nft-save"),
    ("usr/sbin/arptables-restore", "arptables-nft-restore"),
    ("usr/sbin/ebtables", "ebtables-nft"),
    ("usr/sbin/ebtables-save", "ebtables-nft-save"),
    ("usr/sbin/ebtables-restore", "ebtables-nft-restore"),
];

/// Moves the files of unpacked packages into a new root with a merged /usr, but for documents and plain libraries.
/// Links that leave their folder are made anew for the place where they lie then.
pub(crate) fn take(unpacked: &Path, root: &Path) -> Result<(), InstallError> {
    for path in all(unpacked)? {
        let from = path.strip_prefix(unpacked).unwrap_or(&path);
        let to = merged(from);
        if LEFT_OUT.iter().any(|left| to.starts_with(left)) {
            continue;
        }
        let meta = fs::symlink_metadata(&path).map_err(InstallError::file(&path))?;
        if meta.is_dir() {
            continue;
        }
        if to.parent() == Some(Path::new(LIBRARIES)) {
            // A later look for libraries finds it where it is.
            continue;
        }
        let to = root.join(&to);
        let parent = to.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(InstallError::file(parent))?;
        if meta.is_symlink() {
            let target = fs::read_link(&path).map_err(InstallError::file(&path))?;
            link(&relinked(from, &target), &to)?;
        } else {
            fs::rename(&path, &to).map_err(InstallError::file(&to))?;
        }
    }
    for (name, target) in ALTERNATIVES {
        let place = root.join(name);
        if fs::symlink_metadata(place.with_file_name(target)).is_ok() {
            link(Path::new(target), &place)?;
        }
    }
    Ok(())
}

/// All plain files below a folder.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let is_file = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    Ok(all(root)?.into_iter().filter(is_file).collect())
}

/// Everything below a folder, sorted, folders before what is in them.
fn all(root: &Path) -> Result<Vec<PathBuf>, InstallError> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            found.push(entry.path());
            if entry.file_type()?.is_dir() {
                walk(&entry.path(), found)?;
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(root, &mut found).map_err(InstallError::file(root))?;
    found.sort();
    Ok(found)
}

/// `sbin/x` is `usr/sbin/x`.
fn merged(path: &Path) -> PathBuf {
    if MERGED.iter().any(|dir| path.starts_with(dir)) { Path::new("usr").join(path) } else { path.to_owned() }
}

/// What a link says once it and its target lie in a merged /usr. One that stays in its folder says what it said.
fn relinked(from: &Path, target: &Path) -> PathBuf {
    if target.components().count() == 1 {
        return target.to_owned();
    }
    let mut names: Vec<Component<'_>> = from.parent().unwrap_or(from).components().collect();
    for part in target.components() {
        match part {
            Component::ParentDir => drop(names.pop()),
            Component::Normal(_) => names.push(part),
            _ => {}
        }
    }
    Path::new("/").join(merged(&names.iter().collect::<PathBuf>()))
}

fn link(target: &Path, place: &Path) -> Result<(), InstallError> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(target, place),
    }
    .map_err(InstallError::file(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }

    #[test]
    fn files_lie_as_on_a_debian_with_a_merged_usr() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for name in [
            "sbin/runc",
            "usr/share/doc/runc/README",
            "usr/share/containers/seccomp.json",
            "usr/lib/x86_64-linux-gnu/libcriu.so.2.0",
            "usr/lib/x86_64-linux-gnu/xtables/libxt_mark.so",
            "usr/sbin/xtables-nft-multi",
            "etc/docker.conf",
        ] {
            put(&from, name);
        }
        fs::create_dir_all(from.join("usr/bin")).unwrap();
        symlink("../../sbin/runc", from.join("usr/bin/runc")).unwrap();
        symlink("xtables-nft-multi", from.join("usr/sbin/iptables-nft")).unwrap();
        take(&from, &to).unwrap();
        let mut said: Vec<String> = all(&to)
            .unwrap()
            .iter()
            .filter(|path| !path.is_dir() || path.is_symlink())
            .map(|path| {
                let name = path.strip_prefix(&to).unwrap().display().to_string();
                fs::read_link(path).map_or(name.clone(), |target| format!("{name} -> {}", target.display()))
            })
            .collect();
        said.sort();
        assert_eq!(
            said,
            [
                "etc/docker.conf",
                "usr/bin/runc -> /usr/sbin/runc",
                "usr/lib/x86_64-linux-gnu/xtables/libxt_mark.so",
                "usr/sbin/iptables -> iptables-nft",
                "usr/sbin/iptables-nft -> xtables-nft-multi",
                "usr/sbin/runc",
                "usr/sbin/xtables-nft-multi",
                "usr/share/containers/seccomp.json",
            ]
        );
    }
}
