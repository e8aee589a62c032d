//! Programs that start in any userland: each gets a loader and a DT_RPATH of our own, and all libraries go along.
//!
//! A RUNPATH would not do, as the libraries' own needs do not inherit it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::install::elf;
use crate::install::error::InstallError;
use crate::model::Libc;
use crate::process;

/// The loader's file.
pub(crate) const LOADER: &str = "ld-linux-x86-64.so.2";
/// What belongs to glibc itself, and stays behind when the userland's libc is used.
const GLIBC: &[&str] = &[
    LOADER,
    "libc.so.6",
    "libm.so.6",
    "libmvec.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libBrokenLocale.so.1",
    "libthread_db.so.1",
];
/// Opened at run time: `pthread_exit` and `pthread_cancel` of glibc ask for it.
const OPENED: &[&str] = &["libgcc_s.so.1"];

/// Makes a program look for its libraries in `lib` alone, a folder of the guest; with its own libc it gets the loader
/// from there too.
pub(crate) fn program(file: &Path, lib: &str, libc: Libc) -> Result<(), InstallError> {
    let mut command = process::command("patchelf");
    if libc == Libc::Own {
        command.args(["--set-interpreter", &format!("{lib}/{LOADER}")]);
    }
    command.args(["--force-rpath", "--set-rpath", lib]).arg(file);
    process::output(&mut command).map(drop).map_err(InstallError::from)
}

/// Copies the wanted libraries and all that they need into a folder. With its own libc come that libc, the loader and
/// what it opens at run time. Returns the copies.
pub(crate) fn libraries(
    wanted: Vec<String>,
    libc: Libc,
    into: &Path,
    find: impl Fn(&str) -> Result<PathBuf, InstallError>,
) -> Result<Vec<PathBuf>, InstallError> {
    let mut todo = wanted;
    if libc == Libc::Own {
        todo.extend(OPENED.iter().chain([&LOADER]).map(|name| (*name).to_owned()));
    }
    let mut done = BTreeSet::new();
    let mut copies = Vec::new();
    while let Some(name) = todo.pop() {
        if libc == Libc::Userland && GLIBC.contains(&name.as_str()) || !done.insert(name.clone()) {
            continue;
        }
        let from = find(&name)?;
        todo.extend(elf::needed(&from)?);
        let copy = place(&from, &into.join(&name))?;
        forget_run_path(&copy)?;
        copies.push(copy);
    }
    Ok(copies)
}

/// A RUNPATH of its own would make a library look past the program's DT_RPATH.
pub(crate) fn forget_run_path(library: &Path) -> Result<(), InstallError> {
    if elf::has_run_path(library)? {
        process::output(process::command("patchelf").arg("--remove-rpath").arg(library))?;
    }
    Ok(())
}

/// Copies a file, with the folders above it, for everyone to run. Returns the copy.
pub(crate) fn place(from: &Path, to: &Path) -> Result<PathBuf, InstallError> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(InstallError::file(parent))?;
    fs::copy(from, to).map_err(InstallError::file(from))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).map_err(InstallError::file(to))?;
    Ok(to.to_owned())
}
