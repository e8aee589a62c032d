//! A container engine that starts in any userland: an ext4 image that a guest mounts at /opt/engine.
//!
//! `root/` is what the engine's packages hold, where Debian puts it; `lib/` the loader and all libraries that its
//! programs need. What is in `root/` is linked into place by [`ENGINE_INTO_PLACE`], which is a command for the guest.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::install::confine;
use crate::install::deb;
use crate::install::elf::{self, Kind};
use crate::install::engine_tree;
use crate::install::error::InstallError;
use crate::install::ext4::Ext4;
use crate::install::lock::LockedEngine;
use crate::install::package::Package;
use crate::install::relocate;
use crate::install::workshop::Workshop;
use crate::model::Libc;

/// The kind of entry that it is in the cache.
pub(super) const KIND: &str = "engine";
/// Change it when an image comes to look different.
const RECIPE: &str = "engine 2";
/// Where a guest has the private libraries.
const LIB: &str = "/opt/engine/lib";
/// The loader that its programs ask for: no longer than Debian's own path, so that it fits into its bytes.
const LOADER: &str = "/opt/engine/lib/ld.so";
/// Name services that glibc opens by name; part of libc itself from 2.34 on.
const NAME_SERVICES: &[&str] = &["libnss_files.so.2", "libnss_dns.so.2"];

/// A shell command that links every file of the engine to where Debian has it, in a guest that has the engine's disk.
pub const ENGINE_INTO_PLACE: &str = "cp -rs --remove-destination /opt/engine/root/. /";

/// An engine, ready to be given to a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// An ext4 image; the guest mounts it read-only at `/opt/engine`.
    pub image: PathBuf,
    /// Upstream's version: `20.10.24`.
    pub upstream: String,
    /// Debian's version.
    pub package: String,
}

impl LockedEngine {
    /// The key of what is made of it.
    pub(super) fn key(&self) -> String {
        let Self { packages, take, opened, .. } = self;
        cache::key([deb::packages_key(RECIPE, packages), take.join(" "), opened.join(" ")])
    }
}

impl Workshop<'_> {
    /// Makes that engine ready for guests.
    ///
    /// # Errors
    /// When a package cannot be had, or a library that a program names is in none of them.
    pub fn engine(&self, locked: &LockedEngine) -> Result<Engine, InstallError> {
        let dir = self.built(KIND, &locked.key(), |dir| {
            self.say(format!(
                "building {} {}",
                locked.take.first().map_or("", String::as_str),
                locked.upstream
            ));
            let (taken, rest): (Vec<Package>, Vec<Package>) =
                locked.packages.iter().cloned().partition(|package| locked.take.contains(&package.name));
            let (own, others, tree) = (dir.join("taken"), dir.join("rest"), dir.join("tree"));
            self.unpack(&taken, &own)?;
            self.unpack(&rest, &others)?;
            engine_tree::take(&own, &tree.join("root"))?;
            libraries(&tree, &[&own, &others], &locked.opened)?;
            for unpacked in [&own, &others] {
                cache::remove_tree(unpacked).map_err(InstallError::file(unpacked))?;
            }
            let how = Ext4 { label: "engine", uuid: "c51c0000-0000-4000-8000-000000000003", room_mib: 0 };
            self.ext4_of_tree(&tree, &dir.join("engine.ext4"), &how)
        })?;
        Ok(Engine {
            image: dir.join("engine.ext4"),
            upstream: locked.upstream.clone(),
            package: locked.version.clone(),
        })
    }
}

/// Gives the programs below `root/` their loader and libraries, which come out of unpacked packages into `lib/`.
fn libraries(tree: &Path, unpacked: &[&Path], opened: &[String]) -> Result<(), InstallError> {
    let dirs: Vec<PathBuf> = unpacked.iter().flat_map(|root| deb::library_dirs(root)).collect();
    let find = |name: &str| dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    let services = NAME_SERVICES.iter().map(|name| (*name).to_owned());
    let mut wanted: Vec<String> =
        opened.iter().cloned().chain(services).filter(|name| find(name).is_some()).collect();
    for file in engine_tree::files(&tree.join("root"))? {
        match elf::kind(&file)? {
            Kind::Other => continue,
            Kind::Library => {}
            Kind::Program => confine::program(&file, LOADER)?,
        }
        relocate::forget_run_path(&file)?;
        wanted.extend(elf::needed(&file)?);
    }
    let find_or_say = |name: &str| {
        find(name).ok_or_else(|| InstallError::NotUsable {
            path: tree.to_owned(),
            reason: format!("no package holds the library {name}"),
        })
    };
    let lib = tree.join("lib");
    relocate::libraries(wanted, Libc::Own, &lib, find_or_say)?;
    confine::loader(&lib.join(relocate::LOADER), LIB)?;
    let link = lib.join("ld.so");
    symlink(relocate::LOADER, &link).map_err(InstallError::file(&link))
}
