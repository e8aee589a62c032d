//! A kernel to boot: the image, its configuration, its modules with what depmod makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::install::deb;
use crate::install::error::InstallError;
use crate::install::lock::LockedKernel;
use crate::install::machine;
use crate::install::vmlinux;
use crate::install::workshop::Workshop;
use crate::process;

/// The kind of entry that it is in the cache.
pub(super) const KIND: &str = "kernel";
/// Change it when a built kernel comes to look different.
const RECIPE: &str = "kernel 1";

/// A kernel, ready to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// What QEMU's `-kernel` takes: an uncompressed vmlinux where that boots, else the bzImage.
    pub image: PathBuf,
    /// Its `.config`, when it came with one.
    pub config: Option<PathBuf>,
    /// A folder that holds `lib/modules/RELEASE`, with modules.dep.
    pub modules: PathBuf,
    /// What it was built from, for keys of what is made of it.
    pub(crate) key: String,
}

impl LockedKernel {
    /// The key of what is made of it.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Debian { packages, .. } => deb::packages_key(RECIPE, packages),
            Self::Own { sha256, modules_sha256, .. } => cache::key([RECIPE, sha256, modules_sha256]),
        }
    }
}

impl Workshop<'_> {
    /// Makes that kernel ready to boot.
    ///
    /// # Errors
    /// When a package cannot be had, or holds no kernel.
    pub fn kernel(&self, locked: &LockedKernel) -> Result<Kernel, InstallError> {
        let release = locked.release().to_owned();
        let key = locked.key();
        let dir = self.built(KIND, &key, |dir| match locked {
            LockedKernel::Debian { packages, .. } => {
                let root = dir.join("unpacked");
                self.unpack(packages, &root)?;
                take_debian(&root, dir, &release)?;
                fs::remove_dir_all(&root).map_err(InstallError::file(&root))?;
                finish(dir, &release)
            }
            LockedKernel::Own { vmlinuz, modules, .. } => {
                take_own(vmlinuz, modules, dir, &release)?;
                finish(dir, &release)
            }
        })?;
        let vmlinux = dir.join("vmlinux");
        let config = dir.join("config");
        Ok(Kernel {
            release,
            image: if vmlinux.is_file() { vmlinux } else { dir.join("vmlinuz") },
            config: config.is_file().then_some(config),
            modules: dir,
            key,
        })
    }
}

/// The `lib/modules/RELEASE` that a user's folder holds or is.
pub(crate) fn own_modules(path: &Path) -> Result<PathBuf, InstallError> {
    let refuse = |reason: String| InstallError::NotUsable { path: path.to_owned(), reason };
    if path.join("modules.order").is_file() || path.join("kernel").is_dir() {
        return Ok(path.to_owned());
    }
    let dir =
        ["lib/modules", "usr/lib/modules"].map(|dir| path.join(dir)).into_iter().find(|dir| dir.is_dir());
    let dir = dir.ok_or_else(|| {
        refuse("no modules: give the folder of `make modules_install INSTALL_MOD_PATH=FOLDER`, or lib/modules/RELEASE in it".to_owned())
    })?;
    let mut releases: Vec<PathBuf> = fs::read_dir(&dir)
        .and_then(|items| items.map(|item| Ok(item?.path())).collect())
        .map_err(InstallError::file(&dir))?;
    releases.sort();
    match releases.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(refuse("lib/modules is empty".to_owned())),
        many => {
            let names: Vec<_> = many.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            Err(refuse(format!(
                "lib/modules has several releases, name one of their folders: {}",
                names.join(", ")
            )))
        }
    }
}

/// Takes what matters out of unpacked packages, wherever this Debian release puts it.
fn take_debian(root: &Path, dir: &Path, release: &str) -> Result<(), InstallError> {
    let modules = ["lib/modules", "usr/lib/modules"].map(|parent| root.join(parent).join(release));
    let modules = modules.into_iter().find(|path| path.is_dir()).ok_or_else(|| InstallError::NotUsable {
        path: root.to_owned(),
        reason: format!("the packages hold no modules of {release}"),
    })?;
    let boot = root.join("boot");
    let image = [boot.join(format!("vmlinuz-{release}")), modules.join("vmlinuz")];
    let image = image.into_iter().find(|path| path.is_file()).ok_or_else(|| InstallError::NotUsable {
        path: root.to_owned(),
        reason: format!("the packages hold no vmlinuz of {release}"),
    })?;
    rename(&image, &dir.join("vmlinuz"))?;
    let config = [boot.join(format!("config-{release}")), modules.join("config")];
    if let Some(config) = config.into_iter().find(|path| path.is_file()) {
        rename(&config, &dir.join("config"))?;
    }
    let parent = dir.join("lib/modules");
    fs::create_dir_all(&parent).map_err(InstallError::file(&parent))?;
    rename(&modules, &parent.join(release))
}

/// Copies the user's own. The sources that `build` and `source` point to stay where they are.
fn take_own(vmlinuz: &Path, modules: &Path, dir: &Path, release: &str) -> Result<(), InstallError> {
    let image = dir.join("vmlinuz");
    fs::copy(vmlinuz, &image).map_err(InstallError::file(vmlinuz))?;
    let parent = dir.join("lib/modules");
    fs::create_dir_all(&parent).map_err(InstallError::file(&parent))?;
    let copy = parent.join(release);
    process::output(process::command("cp").args(["-r", "--no-dereference"]).arg(modules).arg(&copy))?;
    let beside = [".config".to_owned(), "config".to_owned(), format!("config-{release}")];
    for config in beside.map(|name| vmlinuz.with_file_name(name)).into_iter().chain([modules.join("config")])
    {
        if config.is_file() {
            fs::copy(&config, dir.join("config")).map_err(InstallError::file(&config))?;
            break;
        }
    }
    Ok(())
}

fn finish(dir: &Path, release: &str) -> Result<(), InstallError> {
    let lists = dir.join("lib/modules").join(release);
    for list in ["modules.order", "modules.builtin"] {
        // depmod warns of a missing list on standard error and goes on; an empty one says the same quietly.
        let path = lists.join(list);
        if !path.exists() {
            fs::write(&path, "").map_err(InstallError::file(&path))?;
        }
    }
    process::output(process::command(machine::system_program("depmod")).arg("-b").arg(dir).arg(release))?;
    vmlinux::extract(&dir.join("vmlinuz"), &dir.join("vmlinux"))?;
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), InstallError> {
    fs::rename(from, to).map_err(InstallError::file(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_or_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let error = own_modules(dir.path()).unwrap_err().to_string();
        assert!(error.contains("make modules_install INSTALL_MOD_PATH=FOLDER"), "{error}");
        let one = dir.path().join("lib/modules/6.1.0-mine");
        fs::create_dir_all(one.join("kernel")).unwrap();
        assert_eq!(own_modules(dir.path()).unwrap(), one);
        assert_eq!(own_modules(&one).unwrap(), one);
        fs::create_dir_all(dir.path().join("lib/modules/6.2")).unwrap();
        let error = own_modules(dir.path()).unwrap_err().to_string();
        assert!(error.contains("6.1.0-mine, 6.2"), "{error}");
    }
}
