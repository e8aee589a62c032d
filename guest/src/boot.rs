//! From an initramfs to a guest that can be called: modules, disks, the channel, the new root.

use std::fs;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use guest::wire::Hello;
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::libc;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use crate::{channel, disks, kernel, root};

/// One absolute path a line: what to insert, in this order.
const MODULES: &str = "/modules.order";

/// How long a device may take to appear. Emulated guests on a busy machine are slow.
const DEVICES: Duration = Duration::from_secs(30);

/// The serials of further disks, and where each is mounted, read-only.
const DISKS: &[(&str, &str)] = &[("criu", "opt/criu"), ("engine", "opt/engine"), ("modules", "lib/modules")];

/// What booting found.
pub(crate) struct Booted {
    /// The port that the harness is or will be on.
    pub(crate) port: OwnedFd,
    /// Root, CRIU and failures; the kernel's facts are not filled in.
    pub(crate) hello: Hello,
}

/// Boots. Without a disk of the serial `root` the guest is served from its initramfs.
pub(crate) fn boot() -> Result<Booted, String> {
    root::mount_kernel_folders()?;
    let mut failures = insert_modules();
    note(&mut failures, "console loglevel", kernel::speak_up());
    let port = channel::open_port(DEVICES)?;
    if !disks::settle(DEVICES) {
        failures.push(format!("a virtio disk has no device after {} s", DEVICES.as_secs()));
    }
    let root = disks::find("root");
    let disks_of = |(name, place)| Some((name, place, disks::find(name)?));
    let programs: Vec<_> = root.iter().flat_map(|_| DISKS).copied().filter_map(disks_of).collect();
    if let Some(disk) = &root {
        root::enter(disk, &programs, &mut failures)?;
    }
    note(&mut failures, "loopback", loopback_up());
    note(&mut failures, "host name", nix::unistd::sethostname("guest"));
    note(&mut failures, "limit of open files", setrlimit(Resource::RLIMIT_NOFILE, 1024, 524_288));
    note(
        &mut failures,
        "limit of processes",
        setrlimit(Resource::RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY),
    );
    // Ctrl-alt-del is a signal to process 1 then, which ignores it, and not a restart.
    note(&mut failures, "ctrl-alt-del", nix::sys::reboot::set_cad_enabled(false));
    let has = |wanted: &str| programs.iter().any(|(name, ..)| *name == wanted);
    let (criu, engine) = (has("criu"), has("engine"));
    let hello = Hello { root: root.is_some(), criu, engine, failures, ..Hello::default() };
    Ok(Booted { port, hello })
}

/// Keeps what did not work and is not fatal.
pub(crate) fn note<E: std::fmt::Display>(failures: &mut Vec<String>, what: &str, result: Result<(), E>) {
    if let Err(error) = result {
        failures.push(format!("{what}: {error}"));
    }
}

fn insert_modules() -> Vec<String> {
    let list = match fs::read_to_string(MODULES) {
        Ok(list) => list,
        Err(error) => return vec![format!("{MODULES}: {error}")],
    };
    let mut failures = Vec::new();
    for path in list.lines().map(str::trim).filter(|line| !line.is_empty()) {
        note(&mut failures, path, insert(path));
    }
    failures
}

fn insert(path: &str) -> Result<(), String> {
    let module = File::open(path).map_err(|error| error.to_string())?;
    match finit_module(&module, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);

fn loopback_up() -> Result<(), std::io::Error> {
    use std::os::fd::AsRawFd;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: a C structure of numbers and arrays, for which all zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in std::iter::zip(&mut request.ifr_name, b"lo") {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(libc::c_short::MAX);
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    unsafe { set_flags(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}
