//! The root file system of a guest: a Debian suite by mmdebstrap, or a tar of the user's own.
//!
//! mmdebstrap is given a repository of exactly the locked packages, which have been verified; what it installs is
//! compared with the lock afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::install::deb;
use crate::install::error::InstallError;
use crate::install::ext4::{self, Ext4};
use crate::install::lock::LockedUserland;
use crate::install::machine;
use crate::install::package::Package;
use crate::install::workshop::Workshop;
use crate::process;

/// The kind of entry that it is in the cache.
pub(super) const KIND: &str = "userland";
/// Change it when an image comes to look different.
const RECIPE: &str = "userland 3";
/// Room for what a scenario writes, in MiB. The file is sparse.
const ROOM_MIB: u64 = 512;
/// A merged /usr before anything is unpacked, as the installer makes it on a real host.
const MERGED_USR: &str = r#"mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64" && for d in bin sbin lib lib64; do ln -s "usr/$d" "$1/$d"; done"#;

/// Our own options, the repository of the moment, and what differs from build to build, do not belong into it.
const FORGET: &str = r#"rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/sources.list" "$1/var/cache/ldconfig/aux-cache" && rm -rf "$1/var/lib/apt/lists" "$1/var/log/apt" && mkdir -p "$1/var/lib/apt/lists/partial" && : > "$1/var/log/dpkg.log""#;

/// Runs a command; at SIGTERM the whole process group is killed.
const DIE_TOGETHER: &str = r#"trap 'kill -KILL 0' TERM; "$0" "$@" & wait $!"#;
/// How folders for building begin, with the process's number behind.
const SCRATCH: &str = "criu-matrix-build-";

/// A userland, ready to be the base of a guest's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Userland {
    /// An ext4 image: the read-only base.
    pub image: PathBuf,
    /// Its packages with their versions; empty for the user's own.
    pub packages: BTreeMap<String, String>,
    /// Its glibc, as `2.36`, when that is known.
    pub glibc: Option<String>,
}

impl LockedUserland {
    /// The key of what is made of it.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Debian { packages, .. } => deb::packages_key(RECIPE, packages),
            Self::Own { sha256, .. } => cache::key([RECIPE, sha256]),
        }
    }
}

impl Workshop<'_> {
    /// Makes that userland.
    ///
    /// # Errors
    /// When a package cannot be had, user namespaces are off, or the user's tar is no root file system.
    pub fn userland(&self, locked: &LockedUserland) -> Result<Userland, InstallError> {
        let dir = self.built(KIND, &locked.key(), |dir| match locked {
            LockedUserland::Debian { suite, packages } => self.bootstrap(suite, packages, dir),
            LockedUserland::Own { tar, .. } => self.take_tar(tar, dir),
        })?;
        let glibc = fs::read_to_string(dir.join("glibc")).ok().filter(|version| !version.is_empty());
        let packages =
            locked.packages().iter().map(|package| (package.name.clone(), package.version.clone())).collect();
        Ok(Userland { image: dir.join("userland.ext4"), packages, glibc })
    }

    fn bootstrap(&self, suite: &str, packages: &[Package], dir: &Path) -> Result<(), InstallError> {
        self.say(format!("building the userland {suite}: {} packages", packages.len()));
        let tar = dir.join("root.tar");
        self.root_tar(suite, packages, None, &tar)?;
        let glibc = packages.iter().find(|package| package.name == "libc6");
        let glibc = glibc.map(|package| package.version.split('-').next().unwrap_or_default().to_owned());
        self.finish(&tar, dir, glibc)?;
        fs::remove_file(&tar).map_err(InstallError::file(&tar))
    }

    /// A root of exactly these packages as a tar. `recipe` is a folder whose `customize.sh` is run with the root and the
    /// folder before it is packed.
    pub(super) fn root_tar(
        &self,
        suite: &str,
        packages: &[Package],
        recipe: Option<&Path>,
        tar: &Path,
    ) -> Result<(), InstallError> {
        let root = nix::unistd::geteuid().is_root();
        if !root {
            machine::user_namespaces()?;
        }
        self.fetch(packages)?;
        // Not below the cache: as another user of the namespace, apt may not look into a private home.
        sweep_scratch(&std::env::temp_dir());
        let scratch = tempfile::Builder::new().prefix(&format!("{SCRATCH}{}-", std::process::id())).tempdir();
        let scratch = scratch.map_err(InstallError::file(std::env::temp_dir()))?;
        open_to_all(scratch.path())?;
        self.repository(suite, packages, &scratch.path().join("repo"))?;
        let made = scratch.path().join("root.tar");
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        // mmdebstrap has children, which would outlive it: they are a process group, which dies with us.
        let mut command = process::command("setpriv");
        command
            .process_group(0)
            .args(["--pdeathsig", "TERM", "sh", "-c", DIE_TOGETHER])
            // As root, what it mounts is to vanish with it too; in unshare mode it sees to that itself.
            .args(if root { &["unshare", "--mount", "mmdebstrap"][..] } else { &["mmdebstrap"] })
            .env("SOURCE_DATE_EPOCH", ext4::EPOCH)
            .env("TMPDIR", scratch.path())
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg(if root { "--mode=root" } else { "--mode=unshare" })
            .args(["--quiet", "--format=tar", "--architectures=amd64"])
            .arg("--variant=required")
            .arg(format!("--include={}", names.join(",")))
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            // A root that is half-built is thrown away: dpkg need not sync each file.
            .arg("--dpkgopt=force-unsafe-io")
            .arg(format!("--setup-hook={MERGED_USR}"))
            .arg(format!("--customize-hook={FORGET}"));
        if let Some(recipe) = recipe {
            let copy = scratch.path().join("recipe");
            copy_for_all(recipe, &copy)?;
            let copy = copy.display();
            command.arg(format!("--customize-hook=sh {copy}/customize.sh \"$1\" {copy}"));
        }
        command
            .arg(suite)
            .arg(&made)
            .arg(format!("deb [trusted=yes] copy:{} ./", scratch.path().join("repo").display()));
        process::output(&mut command)?;
        verify(&made, packages, suite)?;
        fs::copy(&made, tar).map(drop).map_err(InstallError::file(tar))
    }

    /// A flat repository of the locked packages, for mmdebstrap alone. Their hashes were checked when they came in.
    fn repository(&self, suite: &str, packages: &[Package], repo: &Path) -> Result<(), InstallError> {
        fs::create_dir(repo).map_err(InstallError::file(repo))?;
        open_to_all(repo)?;
        let mut index = String::new();
        for package in packages {
            let deb = self.deb(package)?;
            let name = format!("{}.deb", package.sha256);
            let copy = repo.join(&name);
            fs::copy(&deb, &copy).map_err(InstallError::file(&deb))?;
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))
                .map_err(InstallError::file(&copy))?;
            let control = process::output(process::command("dpkg-deb").arg("-f").arg(&deb))?;
            let control = String::from_utf8_lossy(&control.stdout).into_owned();
            index.push_str(control.trim_end());
            index.push_str(&format!(
                "\nFilename: ./{name}\nSize: {}\nSHA256: {}\n\n",
                package.size, package.sha256
            ));
        }
        let packages = repo.join("Packages");
        write_for_all(&packages, &index)?;
        let hash = cache::hash_file(&packages).map_err(InstallError::file(&packages))?;
        // mmdebstrap picks required packages by the archive's name.
        let release = format!(
            "Suite: {suite}\nCodename: {suite}\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nArchitectures: amd64\nSHA256:\n {hash} {} Packages\n",
            index.len()
        );
        write_for_all(&repo.join("Release"), &release)
    }

    fn take_tar(&self, tar: &Path, dir: &Path) -> Result<(), InstallError> {
        self.say(format!("taking {} as a userland", tar.display()));
        let plain = dir.join("root.tar");
        decompress(tar, &plain)?;
        let listing = process::output(process::command("tar").arg("-tf").arg(&plain));
        let listing = listing.map_err(|_| not_a_root(tar, "is no tar, or is cut short"))?;
        let names = String::from_utf8_lossy(&listing.stdout).into_owned();
        let has = |wanted: &[&str]| {
            names.lines().any(|name| wanted.contains(&name.trim_start_matches("./").trim_end_matches('/')))
        };
        if !has(&["bin/sh", "usr/bin/sh"]) {
            return Err(not_a_root(tar, "is no root file system: neither bin/sh nor usr/bin/sh is in it"));
        }
        if !has(&["etc"]) && !names.lines().any(|name| name.trim_start_matches("./").starts_with("etc/")) {
            return Err(not_a_root(tar, "is no root file system: no etc/ is in it"));
        }
        let glibc = glibc_in(&plain, &names);
        self.finish(&plain, dir, glibc)?;
        fs::remove_file(&plain).map_err(InstallError::file(&plain))
    }

    fn finish(&self, tar: &Path, dir: &Path, glibc: Option<String>) -> Result<(), InstallError> {
        let path = dir.join("glibc");
        fs::write(&path, glibc.unwrap_or_default()).map_err(InstallError::file(&path))?;
        let how =
            Ext4 { label: "userland", uuid: "c51c0000-0000-4000-8000-000000000002", room_mib: ROOM_MIB };
        self.ext4(tar, &dir.join("userland.ext4"), &how)
    }
}

/// The files of a folder, for every user to read.
fn copy_for_all(from: &Path, to: &Path) -> Result<(), InstallError> {
    fs::create_dir(to).map_err(InstallError::file(to))?;
    open_to_all(to)?;
    for entry in fs::read_dir(from).map_err(InstallError::file(from))? {
        let path = entry.map_err(InstallError::file(from))?.path();
        let text = fs::read_to_string(&path).map_err(InstallError::file(&path))?;
        write_for_all(&to.join(path.file_name().unwrap_or_default()), &text)?;
    }
    Ok(())
}

/// Removes this user's folders for building whose process is dead.
fn sweep_scratch(dir: &Path) {
    for folder in process::left_by_the_dead(dir, SCRATCH) {
        // Nothing depends on its going. What belongs to subordinate ids only a user namespace can remove.
        if fs::remove_dir_all(&folder).is_err() {
            let mut command = process::command("mmdebstrap");
            command.args(["--unshare-helper", "rm", "-rf"]).arg(&folder);
            let _ = process::output(&mut command);
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// That the tar's dpkg status has exactly the locked packages, all installed.
fn verify(tar: &Path, packages: &[Package], suite: &str) -> Result<(), InstallError> {
    let mut command = process::command("tar");
    let output = process::output(command.arg("-xOf").arg(tar).arg("./var/lib/dpkg/status"))?;
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    match difference(&status, packages) {
        None => Ok(()),
        Some(difference) => Err(InstallError::Unexpected { what: format!("userland {suite}"), difference }),
    }
}

/// The first package that is not installed as it was locked, or is installed and was not.
fn difference(status: &str, packages: &[Package]) -> Option<String> {
    let mut locked: BTreeMap<&str, &str> =
        packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
    for stanza in status.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let (name, version) = (field("Package: ")?, field("Version: ").unwrap_or_default());
        if field("Status: ") != Some("install ok installed") {
            return Some(format!("{name} {version} is not wholly installed"));
        }
        match locked.remove(name) {
            Some(wanted) if wanted == version => {}
            Some(wanted) => return Some(format!("{name} is {version}, {wanted} is wanted")),
            None => return Some(format!("{name} {version} is installed and was not asked for")),
        }
    }
    locked.into_iter().next().map(|(name, version)| format!("{name} {version} is not installed"))
}

/// Writes the tar without its compression.
pub(super) fn decompress(tar: &Path, plain: &Path) -> Result<(), InstallError> {
    let mut magic = [0; 6];
    let mut file = File::open(tar).map_err(InstallError::file(tar))?;
    let length = file.read(&mut magic).map_err(InstallError::file(tar))?;
    let program = match &magic[..length] {
        [0x1f, 0x8b, ..] => "gzip",
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [b'B', b'Z', b'h', ..] => "bzip2",
        _ => return fs::copy(tar, plain).map(drop).map_err(InstallError::file(plain)),
    };
    let input = File::open(tar).map_err(InstallError::file(tar))?;
    let output = File::create(plain).map_err(InstallError::file(plain))?;
    let ran = process::output(process::command(program).arg("-dc").stdin(input).stdout(output));
    ran.map(drop)
        .map_err(|error| not_a_root(tar, &format!("cannot be unpacked, it may be cut short: {error}")))
}

/// The version that a tar's own libc.so.6 says of itself, when it is glibc.
fn glibc_in(tar: &Path, names: &str) -> Option<String> {
    let is_libc = |name: &&str| {
        let file = name.rsplit('/').next().unwrap_or_default();
        file.starts_with("libc-2.") && file.ends_with(".so") || file == "libc.so.6"
    };
    for name in names.lines().filter(is_libc) {
        let output = process::output(process::command("tar").arg("-xOf").arg(tar).arg(name)).ok()?;
        if let Some(version) = glibc_banner(&output.stdout) {
            return Some(version);
        }
    }
    None
}

/// `GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.`
fn glibc_banner(libc: &[u8]) -> Option<String> {
    let mut reader = BufReader::new(libc);
    let mut line = Vec::new();
    while {
        line.clear();
        reader.read_until(b'\n', &mut line).ok()? > 0
    } {
        let text = String::from_utf8_lossy(&line);
        if let Some((_, rest)) = text.split_once("release version ") {
            let version: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            return Some(version.trim_end_matches('.').to_owned());
        }
    }
    None
}

fn not_a_root(tar: &Path, reason: &str) -> InstallError {
    InstallError::NotUsable {
        path: tar.to_owned(),
        reason: format!("{reason}; a tar (.gz, .xz, .zst) of a root file system is wanted"),
    }
}

fn write_for_all(path: &Path, content: &str) -> Result<(), InstallError> {
    fs::write(path, content).map_err(InstallError::file(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).map_err(InstallError::file(path))
}

fn open_to_all(dir: &Path) -> Result<(), InstallError> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(InstallError::file(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        let [arch, sha256, uri] = ["amd64", "", ""].map(str::to_owned);
        Package { name: name.to_owned(), version: version.to_owned(), arch, size: 0, sha256, uri }
    }

    #[rstest::rstest]
    #[case("Package: a\nStatus: install ok installed\nVersion: 1\n\n", None)]
    #[case("", Some("a 1 is not installed"))]
    #[case("Package: a\nStatus: install ok unpacked\nVersion: 1\n", Some("a 1 is not wholly installed"))]
    #[case("Package: a\nStatus: install ok installed\nVersion: 2\n", Some("a is 2, 1 is wanted"))]
    #[case(
        "Package: b\nStatus: install ok installed\nVersion: 2\n",
        Some("b 2 is installed and was not asked for")
    )]
    fn what_is_installed_is_compared(#[case] status: &str, #[case] expected: Option<&str>) {
        assert_eq!(difference(status, &[package("a", "1")]).as_deref(), expected);
    }

    #[test]
    fn only_folders_of_dead_builds_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let alive = format!("{SCRATCH}{}-x", std::process::id());
        let dead = format!("{SCRATCH}4194999-x");
        for name in [alive.as_str(), &dead, "criu-matrix-other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        sweep_scratch(dir.path());
        assert!(dir.path().join(alive).exists());
        assert!(!dir.path().join(dead).exists());
        assert!(dir.path().join("criu-matrix-other").exists());
    }

    #[test]
    fn glibc_says_what_it_is() {
        let libc = b"\x7fELF...\0GNU C Library (Debian GLIBC 2.36-9+deb12u13) stable release version 2.36.\nCopyright\n";
        assert_eq!(glibc_banner(libc).as_deref(), Some("2.36"));
        assert_eq!(glibc_banner(b"musl"), None);
    }
}
