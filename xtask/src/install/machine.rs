//! What this machine must have: the distribution's packages, user namespaces, subordinate ids, room on the disk.
//! `setup` installs what is missing; `doctor` tells what was found. Nothing else of the machine is touched.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::apt;
use crate::install::cache::Cache;
use crate::install::error::InstallError;
use crate::install::qemu;
use crate::install::workshop;
use crate::process;

/// How a package's presence is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A program in PATH, or in one of the system's own folders.
    Program(&'static str),
    /// A file.
    File(&'static str),
}

/// A package of the distribution that the harness wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name in Debian and Ubuntu.
    pub package: &'static str,
    /// What proves that it is there.
    pub proof: Proof,
    /// What it is for.
    pub for_what: &'static str,
}

/// All that the harness wants of a distribution.
pub const NEEDED: &[Needed] = &[
    program("apt", "apt-get", "resolves and downloads packages"),
    program("dpkg", "dpkg-deb", "unpacks packages"),
    Needed {
        package: "debian-archive-keyring",
        proof: Proof::File("/usr/share/keyrings/debian-archive-keyring.gpg"),
        for_what: "verifies Debian's suites",
    },
    program("mmdebstrap", "mmdebstrap", "builds userlands"),
    program("uidmap", "newuidmap", "builds userlands without root"),
    program("patchelf", "patchelf", "makes a CRIU relocatable"),
    program("binutils", "readelf", "finds what a CRIU needs"),
    program("gcc", "cc", "compiles the workloads"),
    Needed {
        package: "libc6-dev",
        proof: Proof::File("/usr/lib/x86_64-linux-gnu/libc.a"),
        for_what: "links the agent statically",
    },
    program("busybox-static", "busybox", "is the root of a container, in a test"),
    program("python3-pip", "pip3", "brings the linter of workflows, for the tests"),
    program("kmod", "depmod", "lists a kernel's modules"),
    program("tar", "tar", "packs images"),
    program("xz-utils", "xz", "unpacks kernels and modules"),
    program("zstd", "zstd", "unpacks kernels and modules"),
    program("gzip", "gzip", "unpacks kernels"),
];

/// What the provider `vagrant` wants beside it. libvirt's packages for machines without systemd spare them one.
pub const VAGRANT: &[Needed] = &[
    program("vagrant", "vagrant", "makes Vagrant's machines"),
    Needed {
        package: "vagrant-libvirt",
        proof: Proof::File("/usr/share/doc/vagrant-libvirt"),
        for_what: "has Vagrant ask libvirt for them",
    },
    program("libvirt-daemon-system", "libvirtd", "runs them"),
    Needed {
        package: "libvirt-daemon-system-sysv",
        proof: Proof::File("/usr/share/doc/libvirt-daemon-system-sysv"),
        for_what: "runs them where systemd does not",
    },
    program("libvirt-clients", "virsh", "asks libvirt"),
    Needed {
        package: "libvirt-daemon-driver-qemu",
        proof: Proof::File("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"),
        for_what: "has libvirt run QEMU",
    },
    program("dnsmasq-base", "dnsmasq", "gives them addresses"),
    program("iptables", "iptables", "connects them"),
    program("qemu-utils", "qemu-img", "makes boxes"),
    program("openssh-client", "ssh", "reaches them"),
];

/// A finding of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found, and what to do when it is not good.
    pub found: String,
}

const fn program(package: &'static str, program: &'static str, for_what: &'static str) -> Needed {
    Needed { package, proof: Proof::Program(program), for_what }
}

impl Needed {
    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        match self.proof {
            Proof::Program(name) => system_program(name).is_absolute(),
            Proof::File(path) => Path::new(path).exists(),
        }
    }
}

/// What is missing here of such a list.
pub fn missing(needed: &'static [Needed]) -> Vec<&'static Needed> {
    needed.iter().filter(|needed| !needed.is_there()).collect()
}

/// Installs what is missing, after telling what; with `dry_run` only tells. Returns the packages' names.
///
/// # Errors
/// When this machine has no apt, this user may not install, or apt fails each time.
pub fn setup(
    needed: &'static [Needed],
    dry_run: bool,
    tell: &dyn Fn(String),
) -> Result<Vec<&'static str>, InstallError> {
    let packages: Vec<&str> = missing(needed).iter().map(|needed| needed.package).collect();
    if packages.is_empty() {
        tell("nothing is missing".to_owned());
        return Ok(packages);
    }
    let list = packages.join(" ");
    if which::which("apt-get").is_err() {
        return Err(InstallError::NotUsable {
            path: "apt-get".into(),
            reason: format!("is not here; install with this system's own tool what Debian calls: {list}"),
        });
    }
    let sudo = if nix::unistd::geteuid().is_root() { "" } else { "sudo " };
    tell(format!("{sudo}apt-get install --no-install-recommends {list}"));
    if dry_run {
        return Ok(packages);
    }
    let as_root = |args: &[&str]| {
        let mut command =
            if sudo.is_empty() { process::command("apt-get") } else { process::command("sudo") };
        if !sudo.is_empty() {
            // sudo may ask for a password.
            command
                .stdin(std::process::Stdio::inherit())
                .arg("env")
                .arg("DEBIAN_FRONTEND=noninteractive")
                .arg("apt-get");
        }
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "-y", "-o", "Acquire::Retries=3"])
            .args(args);
        command
    };
    let install: Vec<&str> =
        ["install", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
    let mut tries = 0;
    loop {
        tries += 1;
        let ran =
            process::output(&mut as_root(&["update"])).and_then(|_| process::output(&mut as_root(&install)));
        match ran {
            Ok(_) => return Ok(packages),
            Err(error) if tries >= apt::TRIES => return Err(error.into()),
            Err(_) => apt::back_off(tries),
        }
    }
}

/// That an ordinary user can build a userland here: really tried.
///
/// # Errors
/// When user namespaces are off, or the user has no subordinate ids: with what cures it.
pub fn user_namespaces() -> Result<(), InstallError> {
    let (reason, remedy) = match (subordinate_ids(), try_namespace()) {
        (Ok(_), Ok(())) => return Ok(()),
        (Err(reason), _) => {
            (reason, "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER")
        }
        (_, Err(reason)) => (
            format!("user namespaces cannot be used: {reason}"),
            "as root: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 (Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0)",
        ),
    };
    Err(InstallError::NoUserNamespaces { reason, remedy: remedy.to_owned() })
}

/// What this machine is like: for `doctor`, beside [`missing`] and the accelerator.
pub fn facts(cache: &Cache) -> Vec<Fact> {
    let root = nix::unistd::geteuid().is_root();
    let mut facts = Vec::new();
    let mut say =
        |name: &str, good: bool, found: String| facts.push(Fact { name: name.to_owned(), good, found });
    match try_namespace() {
        Ok(()) => say("user namespaces", true, "usable (tried)".to_owned()),
        Err(reason) => say("user namespaces", root, format!("not usable: {reason}")),
    }
    match subordinate_ids() {
        Ok(range) => say("subordinate ids", true, range),
        Err(reason) => say("subordinate ids", root, reason),
    }
    let free = workshop::free_mib(cache.root()).unwrap_or_default();
    say("cache", free > 8192, format!("{}, {} GiB free", cache.root().display(), free / 1024));
    match qemu::system_qemu() {
        Some((path, version)) if qemu::new_enough(&version) => {
            say("QEMU", true, format!("{version}, {}", path.display()));
        }
        Some((path, version)) => say(
            "QEMU",
            true,
            format!(
                "{} {version} is too old (it was seen to corrupt guests): a private one is used",
                path.display()
            ),
        ),
        None => say("QEMU", true, "none here: a private one is used".to_owned()),
    }
    for (name, args) in [
        ("mmdebstrap", "--version"),
        ("apt-get", "--version"),
        ("patchelf", "--version"),
        ("cc", "--version"),
    ] {
        match process::output(process::command(name).arg(args)) {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                say(name, true, text.lines().next().unwrap_or_default().to_owned());
            }
            Err(error) => say(name, false, error.to_string()),
        }
    }
    facts
}

/// The user's line of /etc/subuid and /etc/subgid.
fn subordinate_ids() -> Result<String, String> {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name).unwrap_or_default();
    let uid = uid.to_string();
    let range = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line =
            text.lines().find(|line| line.split(':').next().is_some_and(|who| who == user || who == uid));
        line.map(str::to_owned).ok_or_else(|| format!("{file} has no range for {user}"))
    };
    let ids = range("/etc/subuid")?;
    range("/etc/subgid")?;
    Ok(ids)
}

fn try_namespace() -> Result<(), String> {
    let mut command = process::command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "true"]);
    process::output(&mut command).map(drop).map_err(|error| error.to_string())
}

/// A program by its path: depmod and its like are in sbin, which an ordinary user's PATH need not have.
/// The bare name when it is nowhere, so that starting it says what is missing.
pub(crate) fn system_program(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).join(name));
    let found = which::which(name).ok().or_else(|| folders.into_iter().find(|path| path.exists()));
    found.unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_named_once() {
        let mut names: Vec<&str> = NEEDED.iter().chain(VAGRANT).map(|needed| needed.package).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
