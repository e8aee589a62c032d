//! QEMU's command line, from small pure functions.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::Path;

use super::Accelerator;

/// What one machine is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine<'a> {
    pub(super) accelerator: Accelerator,
    pub(super) cpu: &'a str,
    pub(super) memory_mib: u32,
    pub(super) cpus: u32,
    pub(super) kernel: &'a Path,
    pub(super) initrd: &'a Path,
    /// Base images, with the serials that the agent knows them by. A guest's own writes go to a file of QEMU's that
    /// has no name and ends with it.
    pub(super) disks: &'a [(&'static str, &'a Path, Access)],
    pub(super) console: &'a Path,
    /// The rate of the time-stamp counter, where the guest is to be told.
    pub(super) tsc_khz: Option<u64>,
    /// A connected socket, inherited under this number.
    pub(super) channel: RawFd,
}

/// What a guest may do to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Write to a copy of its own.
    Copy,
    /// Read only.
    Read,
}

/// All arguments.
pub(super) fn arguments(machine: &Machine<'_>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    all.extend(machine_arguments(machine));
    all.extend(boot(machine));
    for (serial, image, access) in machine.disks {
        all.extend(disk(serial, image, *access));
    }
    all.extend(channel(machine.channel));
    all.extend(console(machine.console));
    all
}

fn machine_arguments(machine: &Machine<'_>) -> Vec<OsString> {
    let Machine { accelerator, cpu, memory_mib, cpus, .. } = machine;
    let mut words = strings(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    words.extend(strings(["-machine", "q35,usb=off,vmport=off,smbus=off"]));
    words.extend(strings(["-accel", accelerator.argument(), "-cpu", cpu]));
    words.extend(["-m".into(), format!("{memory_mib}M").into(), "-smp".into(), cpus.to_string().into()]);
    // A panicked guest ends QEMU with status 1 where the kernel has pvpanic; panic=-1 ends it with 0 elsewhere.
    words.extend(strings(["-device", "pvpanic-pci", "-action", "panic=exit-failure"]));
    // CPU models without RDRAND would wait for entropy.
    words.extend(strings(["-device", "virtio-rng-pci"]));
    words
}

fn boot(machine: &Machine<'_>) -> Vec<OsString> {
    vec![
        "-kernel".into(),
        machine.kernel.into(),
        "-initrd".into(),
        machine.initrd.into(),
        "-append".into(),
        command_line(machine.tsc_khz).into(),
    ]
}

/// The kernel's words. `panic=-1` reboots at once, and `-no-reboot` makes an end of that.
fn command_line(tsc_khz: Option<u64>) -> String {
    let mut line = "console=ttyS0 panic=-1 loglevel=6 no_timer_check".to_owned();
    if let Some(khz) = tsc_khz {
        line.push_str(&format!(" tsc_early_khz={khz}"));
    }
    line
}

fn disk(serial: &str, image: &Path, access: Access) -> Vec<OsString> {
    let mut drive = OsString::from("file=");
    // A comma in a file name is doubled.
    drive.push(image.to_string_lossy().replace(',', ",,"));
    drive.push(format!(",id={serial},if=none,format=raw,cache=unsafe,"));
    drive.push(match access {
        Access::Copy => "snapshot=on",
        Access::Read => "read-only=on",
    });
    vec![
        "-drive".into(),
        drive,
        "-device".into(),
        format!("virtio-blk-pci,drive={serial},serial={serial}").into(),
    ]
}

fn channel(fd: RawFd) -> Vec<OsString> {
    vec![
        "-chardev".into(),
        format!("socket,id=agent,fd={fd}").into(),
        "-device".into(),
        "virtio-serial-pci".into(),
        "-device".into(),
        format!("virtserialport,chardev=agent,name={}", ::guest::wire::PORT).into(),
    ]
}

fn console(file: &Path) -> Vec<OsString> {
    let mut chardev = OsString::from("file,id=console,path=");
    chardev.push(file.to_string_lossy().replace(',', ",,"));
    vec!["-chardev".into(), chardev, "-serial".into(), "chardev:console".into()]
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}
