//! Small things that are asked of the kernel: clock, random pool, console, power, facts.

use std::fs;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use guest::wire::Hello;
use nix::libc;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::time::TimeSpec;
use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// What the kernel says of itself; the rest of the hello is the caller's.
pub(crate) fn describe(mut hello: Hello) -> Hello {
    if let Ok(names) = uname() {
        hello.release = names.release().to_string_lossy().into_owned();
        hello.build = names.version().to_string_lossy().into_owned();
    }
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot_id.trim_end().clone_into(&mut hello.boot_id);
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
    hello.uptime_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
    hello
}

/// Sets the wall clock.
pub(crate) fn set_clock(secs: u64, nanos: u32) -> Result<(), String> {
    let time = TimeSpec::from_duration(Duration::new(secs, nanos));
    clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|error| format!("clock_settime: {error}"))
}

/// `struct rand_pool_info` of linux/random.h, with room for [`SEED_MAX`] bytes.
#[repr(C)]
struct PoolInfo {
    entropy_count: libc::c_int,
    buf_size: libc::c_int,
    buf: [u8; SEED_MAX],
}

/// The most bytes that are mixed in at once: more than the pool holds is of no use.
const SEED_MAX: usize = 512;

nix::ioctl_write_ptr_bad!(
    add_entropy,
    nix::request_code_write!(b'R', 0x03, 2 * size_of::<libc::c_int>()),
    PoolInfo
);
nix::ioctl_none!(reseed, b'R', 0x07);

/// Mixes bytes into the random pool, counts them as entropy and has the generator take them at once.
pub(crate) fn seed(bytes: &[u8]) -> Result<(), String> {
    let bytes = &bytes[..bytes.len().min(SEED_MAX)];
    let length = libc::c_int::try_from(bytes.len()).unwrap_or(0);
    let mut info = PoolInfo { entropy_count: 8 * length, buf_size: length, buf: [0; SEED_MAX] };
    info.buf[..bytes.len()].copy_from_slice(bytes);
    let random = File::open("/dev/urandom").map_err(|error| format!("/dev/urandom: {error}"))?;
    // SAFETY: RNDADDENTROPY reads buf_size bytes behind two ints, all of it within `info`.
    unsafe { add_entropy(random.as_raw_fd(), &raw const info) }
        .map_err(|error| format!("RNDADDENTROPY: {error}"))?;
    // SAFETY: RNDRESEEDCRNG has no argument.
    unsafe { reseed(random.as_raw_fd()) }.map_err(|error| format!("RNDRESEEDCRNG: {error}"))?;
    Ok(())
}

/// What the kernel has said, a line each, without the numbers of priorities: syslog(2).
pub(crate) fn log() -> Result<Vec<u8>, String> {
    const READ_ALL: libc::c_int = 3;
    const SIZE_BUFFER: libc::c_int = 10;
    let told = |result: libc::c_int| {
        usize::try_from(result).map_err(|_| format!("syslog: {}", io::Error::last_os_error()))
    };
    // SAFETY: this asks for a size alone.
    let size = told(unsafe { libc::klogctl(SIZE_BUFFER, std::ptr::null_mut(), 0) })?;
    // As text a record is longer than in the buffer, and of what does not fit the oldest is left out.
    let mut bytes = vec![0_u8; 4 * size];
    let length = libc::c_int::try_from(bytes.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: `bytes` has room for `length` bytes.
    let read = told(unsafe { libc::klogctl(READ_ALL, bytes.as_mut_ptr().cast(), length) })?;
    bytes.truncate(read);
    if !without_priority(&bytes).starts_with(b"[") {
        return Err("syslog: its lines have no times, which dmesg would know".to_owned());
    }
    Ok(bytes.split_inclusive(|byte| *byte == b'\n').flat_map(without_priority).copied().collect())
}

/// A line without the `<6>` that it begins with.
fn without_priority(line: &[u8]) -> &[u8] {
    let end = line.iter().take(8).position(|byte| *byte == b'>');
    match end.filter(|_| line.starts_with(b"<")) {
        Some(end) => &line[end + 1..],
        None => line,
    }
}

/// Shows warnings, oopses and panics on the console, whatever the kernel's command line asked for.
pub(crate) fn speak_up() -> io::Result<()> {
    fs::write("/proc/sys/kernel/printk", "6")
}

/// Says why on the console and switches the machine off.
pub(crate) fn die(reason: &str) -> ! {
    let line = format!("criu-matrix-agent: fatal: {}", reason.trim().replace('\n', ": "));
    // The terminal gives the plain line; the kernel's log comes out even where no terminal is open.
    if let Ok(mut console) = OpenOptions::new().write(true).custom_flags(libc::O_NOCTTY).open("/dev/console")
    {
        let _ = console.write_all(format!("\n{line}\n").as_bytes());
        let _ = nix::sys::termios::tcdrain(&console);
    }
    // One write is one line of the log.
    let _ = fs::write("/dev/kmsg", format!("<2>{line}\n"));
    power_off()
}

/// Writes all to the disks and switches the machine off.
pub(crate) fn power_off() -> ! {
    nix::unistd::sync();
    // Where there is no way to switch off, a restart ends QEMU too, which is told not to.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    // Only without the right to; process 1 that ends is a panic, which the harness sees.
    std::process::exit(1)
}
