//! The new root: what is mounted where, and the way there from the initramfs.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::boot::note;

const NEW_ROOT: &str = "/newroot";

/// linux/magic.h.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// What every root has from the kernel: source and type, place.
const KERNEL_FOLDERS: [(&str, &str); 3] = [("devtmpfs", "dev"), ("proc", "proc"), ("sysfs", "sys")];

/// Mounts /dev, /proc and /sys of the initramfs.
pub(crate) fn mount_kernel_folders() -> Result<(), String> {
    for (kind, place) in KERNEL_FOLDERS {
        let flags = if kind == "devtmpfs" { MsFlags::MS_NOSUID } else { harmless() };
        let place = format!("/{place}");
        // Some kernels mount devtmpfs by themselves.
        let mounted = mount_on(kind, &place, kind, flags, None);
        if !(mounted.is_ok() || kind == "devtmpfs" && Path::new("/dev/null").exists()) {
            return mounted;
        }
    }
    Ok(())
}

/// Makes a disk the root of everything, with all that a running system has mounted. What only some kernels or
/// userlands have goes to `failures`; the rest is fatal. `disks` are serials, places and devices of what is mounted read-only.
pub(crate) fn enter(
    root: &Path,
    disks: &[(&str, &str, PathBuf)],
    failures: &mut Vec<String>,
) -> Result<(), String> {
    let at = |place: &str| format!("{NEW_ROOT}/{place}");
    let disk = root.to_string_lossy();
    mount_on(&disk, NEW_ROOT, "ext4", MsFlags::empty(), None)?;
    for (_, place, disk) in disks {
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOATIME;
        mount_on(&disk.to_string_lossy(), &at(place), "ext4", flags, None)?;
    }
    for (_, place) in KERNEL_FOLDERS {
        fs::create_dir_all(at(place)).map_err(|error| format!("{place} on the root disk: {error}"))?;
        mount(
            Some(format!("/{place}").as_str()),
            at(place).as_str(),
            None::<&str>,
            MsFlags::MS_MOVE,
            None::<&str>,
        )
        .map_err(|error| format!("moving {place} to the root disk: {error}"))?;
    }
    let unprivileged = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let terminals = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_on("devpts", &at("dev/pts"), "devpts", terminals, Some("ptmxmode=666,mode=620,gid=5,newinstance"))?;
    mount_on("tmpfs", &at("dev/shm"), "tmpfs", unprivileged, Some("mode=1777"))?;
    mount_on("tmpfs", &at("run"), "tmpfs", unprivileged, Some("mode=755"))?;
    if fs::read_to_string(at("proc/filesystems")).is_ok_and(|list| list.contains("\tcgroup2\n")) {
        note(failures, "cgroup2", mount_on("cgroup2", &at("sys/fs/cgroup"), "cgroup2", harmless(), None));
    }
    note(failures, "links in /dev", link_devices(Path::new(&at("dev"))));
    empty_initramfs(failures);
    switch().map_err(|error| format!("switching to the root disk: {error}"))
}

/// The links that udev or a container runtime makes; the first so that a terminal comes from our devpts.
fn link_devices(dev: &Path) -> io::Result<()> {
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    for (target, name) in links {
        let link = dev.join(name);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => symlink(target, &link)?,
        }
    }
    Ok(())
}

/// Gives the memory of the initramfs back, and makes sure first that it is one.
fn empty_initramfs(failures: &mut Vec<String>) {
    let kind: Option<FsType> = statfs("/").ok().map(|root| root.filesystem_type());
    if kind == Some(RAMFS_MAGIC) || kind == Some(TMPFS_MAGIC) {
        let emptied = fs::metadata("/").and_then(|root| remove_below(Path::new("/"), root.dev()));
        note(failures, "emptying the initramfs", emptied);
    }
}

/// Removes what is below a folder, without leaving its file system.
fn remove_below(folder: &Path, device: u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let facts = fs::symlink_metadata(&path)?;
        if facts.dev() != device {
            continue;
        }
        if facts.is_dir() {
            remove_below(&path, device)?;
            // A folder that something is mounted below stays.
            let _ = fs::remove_dir(&path);
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// What switch_root(8) does; and mounts propagate, as under systemd.
fn switch() -> nix::Result<()> {
    nix::unistd::chdir(NEW_ROOT)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    nix::unistd::chroot(".")?;
    nix::unistd::chdir("/")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>)
}

fn harmless() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
}

fn mount_on(
    source: &str,
    place: &str,
    kind: &str,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<(), String> {
    fs::create_dir_all(place).map_err(|error| format!("{place}: {error}"))?;
    mount(Some(source), place, Some(kind), flags, options)
        .map_err(|error| format!("mounting {kind} {source} on {place}: {error}"))
}
