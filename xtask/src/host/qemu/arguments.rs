//! QEMU's command line, from small pure functions.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::Path;

use super::Accelerator;
use super::program::Release;

/// What one machine is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine<'a> {
    /// Of QEMU: it names the version of the machine.
    pub(super) release: Release,
    pub(super) accelerator: Accelerator,
    pub(super) cpu: &'a str,
    pub(super) memory_mib: u32,
    pub(super) memory: Memory<'a>,
    pub(super) cpus: u32,
    pub(super) kernel: &'a Path,
    pub(super) initrd: &'a Path,
    pub(super) disks: &'a [Disk<'a>],
    pub(super) console: &'a Path,
    /// The rate of the time-stamp counter, where the guest is to be told.
    pub(super) tsc_khz: Option<u64>,
    /// Connected sockets, inherited under these numbers.
    pub(super) sockets: Sockets,
}

/// The harness's ends are elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sockets {
    /// To the agent.
    pub(super) agent: RawFd,
    /// To QEMU itself.
    pub(super) control: RawFd,
}

/// Where the guest's memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory<'a> {
    /// QEMU's own.
    Own,
    /// All of it in this file, which is made.
    Kept(&'a Path),
    /// Begins as this file's content, which stays as it is. The guest waits for the rest of its state.
    Woken(&'a Path),
}

/// A disk, with the serial that the agent knows it by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk<'a> {
    pub(super) serial: &'static str,
    pub(super) image: &'a Path,
    pub(super) access: Access,
}

/// What a guest may do to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read it only.
    Read,
    /// Write to a file of QEMU's over it, which has no name and ends with it.
    Copy,
    /// Write to it. It is an overlay.
    Keep,
    /// As `Copy`, over an overlay.
    CopyOfOverlay,
}

/// All arguments.
pub(super) fn arguments(machine: &Machine<'_>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    all.extend(machine_arguments(machine));
    all.extend(memory(machine));
    all.extend(boot(machine));
    for disk in machine.disks {
        all.extend(drive(disk));
    }
    all.extend(channel(machine.sockets.agent));
    all.extend(control(machine.sockets.control));
    all.extend(console(machine.console));
    all
}

fn machine_arguments(machine: &Machine<'_>) -> Vec<OsString> {
    let Machine { release, accelerator, cpu, memory, cpus, .. } = machine;
    let mut words = strings(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    // Pinned: a saved state is woken in the machine that it was saved in.
    let backend = if *memory == Memory::Own { "" } else { ",memory-backend=ram" };
    let kind = format!("pc-q35-{release},usb=off,vmport=off,smbus=off{backend}");
    words.extend(["-machine".into(), kind.into()]);
    words.extend(strings(["-accel", accelerator.argument(), "-cpu", cpu]));
    words.extend(["-smp".into(), cpus.to_string().into()]);
    // A panicked guest ends QEMU with status 1 where the kernel has pvpanic; panic=-1 ends it with 0 elsewhere.
    words.extend(strings(["-device", "pvpanic-pci", "-action", "panic=exit-failure"]));
    // CPU models without RDRAND would wait for entropy.
    words.extend(strings(["-device", "virtio-rng-pci"]));
    words
}

fn memory(machine: &Machine<'_>) -> Vec<OsString> {
    let mib = machine.memory_mib;
    let mut words = vec!["-m".into(), format!("{mib}M").into()];
    let (file, sharing) = match machine.memory {
        Memory::Own => return words,
        Memory::Kept(file) => (file, "share=on"),
        // Without `rom=off` memory from a file that is only read could not be written by the guest.
        Memory::Woken(file) if machine.release >= Release(8, 2) => (file, "share=off,readonly=on,rom=off"),
        Memory::Woken(file) => (file, "share=off"),
    };
    let mut object = OsString::from(format!("memory-backend-file,id=ram,size={mib}M,{sharing},mem-path="));
    object.push(comma(file));
    words.extend(["-object".into(), object]);
    if matches!(machine.memory, Memory::Woken(_)) {
        words.extend(strings(["-incoming", "defer"]));
    }
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
pub(super) fn command_line(tsc_khz: Option<u64>) -> String {
    let mut line = "console=ttyS0 panic=-1 loglevel=6 no_timer_check".to_owned();
    if let Some(khz) = tsc_khz {
        line.push_str(&format!(" tsc_early_khz={khz}"));
    }
    line
}

fn drive(disk: &Disk<'_>) -> Vec<OsString> {
    let Disk { serial, image, access } = disk;
    let format = match access {
        Access::Read => "raw,read-only=on",
        Access::Copy => "raw,snapshot=on",
        Access::Keep => "qcow2",
        Access::CopyOfOverlay => "qcow2,snapshot=on",
    };
    let mut drive = OsString::from("file=");
    drive.push(comma(image));
    drive.push(format!(",id={serial},if=none,cache=unsafe,format={format}"));
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

fn control(fd: RawFd) -> Vec<OsString> {
    vec![
        "-chardev".into(),
        format!("socket,id=control,fd={fd}").into(),
        "-mon".into(),
        "chardev=control,mode=control".into(),
    ]
}

fn console(file: &Path) -> Vec<OsString> {
    let mut chardev = OsString::from("file,id=console,path=");
    chardev.push(comma(file));
    vec!["-chardev".into(), chardev, "-serial".into(), "chardev:console".into()]
}

/// A file's name within an argument: a comma in it is doubled.
fn comma(file: &Path) -> String {
    file.to_string_lossy().replace(',', ",,")
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn line(release: Release, memory: Memory<'_>, access: Access) -> String {
        let disks = [Disk { serial: "root", image: Path::new("/a,b"), access }];
        let machine = Machine {
            release,
            accelerator: Accelerator::Tcg,
            cpu: "max",
            memory_mib: 512,
            memory,
            cpus: 1,
            kernel: Path::new("/k"),
            initrd: Path::new("/i"),
            disks: &disks,
            console: Path::new("/c"),
            tsc_khz: Some(5),
            sockets: Sockets { agent: 7, control: 8 },
        };
        arguments(&machine).iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[rstest]
    #[case::own(Memory::Own, Release(10, 0), "-m 512M -kernel /k")]
    #[case::kept(
        Memory::Kept(Path::new("/r")),
        Release(10, 0),
        "-m 512M -object memory-backend-file,id=ram,size=512M,share=on,mem-path=/r -kernel"
    )]
    #[case::woken(
        Memory::Woken(Path::new("/r")),
        Release(10, 0),
        "size=512M,share=off,readonly=on,rom=off,mem-path=/r -incoming defer -kernel"
    )]
    #[case::woken_by_an_old_one(
        Memory::Woken(Path::new("/r")),
        Release(7, 2),
        "size=512M,share=off,mem-path=/r -incoming defer"
    )]
    fn memories(#[case] memory: Memory<'_>, #[case] release: Release, #[case] expected: &str) {
        let line = line(release, memory, Access::Copy);
        assert!(line.contains(expected), "{line}");
        assert_eq!(line.contains(",memory-backend=ram"), memory != Memory::Own);
        assert!(line.contains(&format!("-machine pc-q35-{release},")), "{line}");
    }

    #[rstest]
    #[case(Access::Read, "file=/a,,b,id=root,if=none,cache=unsafe,format=raw,read-only=on -device")]
    #[case(Access::Copy, "format=raw,snapshot=on -device")]
    #[case(Access::Keep, "format=qcow2 -device")]
    #[case(Access::CopyOfOverlay, "format=qcow2,snapshot=on -device")]
    fn disks(#[case] access: Access, #[case] expected: &str) {
        let line = line(Release(10, 0), Memory::Own, access);
        assert!(line.contains(expected), "{line}");
    }
}
