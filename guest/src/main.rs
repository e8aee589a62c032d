//! The agent of a guest: /init of an initramfs, then process 1. It runs commands and moves files for the harness.
//!
//! `criu-matrix-agent` with no argument boots a guest; `criu-matrix-agent serve SOCKET` serves on a unix socket as
//! an ordinary process, and `serve -` on its standard input and output. It must not know of scenarios, engines or CRIU.

mod ask;
mod boot;
mod channel;
mod disks;
mod exec;
mod family;
mod kernel;
mod lines;
mod processes;
mod root;
mod serve;
mod transfer;

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use guest::wire::{Hello, VERSION};
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::channel::Channel;
use crate::serve::{Agent, End};

/// How long a guest waits for a harness to connect at all.
const FIRST_CALL: Duration = Duration::from_secs(120);

/// How long it waits for one that hung up: a state that is saved and woken changes its caller without a word.
const NEXT_CALL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [verb, socket] if verb == "serve" => serve_here(socket),
        _ if nix::unistd::getpid().as_raw() == 1 => match live() {
            Ok(never) => match never {},
            Err(reason) => kernel::die(&reason),
        },
        _ => {
            eprintln!(
                "usage: criu-matrix-agent serve SOCKET   (with no argument it is process 1 of a guest)"
            );
            ExitCode::from(2)
        }
    }
}

/// Process 1: boot, then serve whoever calls, until nobody does.
fn live() -> Result<Infallible, String> {
    std::panic::set_hook(Box::new(|panic| kernel::die(&panic.to_string())));
    let booted = boot::boot()?;
    let mut port = booted.port;
    let mut patience = FIRST_CALL;
    loop {
        if !channel::wait_for_caller(&port, Instant::now() + patience) {
            return Err(format!("no harness on the channel for {} s", patience.as_secs()));
        }
        let mut agent =
            Agent::new(Channel::new(port), booted.hello.clone()).map_err(|error| error.to_string())?;
        match agent.serve() {
            End::HungUp => {}
            End::PowerOff => kernel::power_off(),
            End::Garbled(error) => return Err(format!("wire version {VERSION}: {error}")),
            End::Failed(error) => return Err(format!("the channel: {error}")),
        }
        port = agent.hang_up();
        patience = NEXT_CALL;
    }
}

/// An ordinary process: one caller, then the end.
fn serve_here(socket: &str) -> ExitCode {
    close_what_was_inherited();
    let caller = if socket == "-" { standard_streams() } else { UnixStream::connect(socket) };
    let served = caller.map_err(|error| format!("cannot connect to {socket}: {error}")).and_then(|stream| {
        stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        nix::sys::prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
        let mut agent =
            Agent::new(Channel::new(stream.into()), Hello::default()).map_err(|e| e.to_string())?;
        let end = agent.serve();
        agent.hang_up();
        match end {
            End::HungUp | End::PowerOff => Ok(()),
            End::Garbled(error) => Err(error.to_string()),
            End::Failed(error) => Err(error.to_string()),
        }
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("criu-matrix-agent: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever started it may have left files open: programs that it starts would have them too, and CRIU refuses a file of
/// another mount namespace.
fn close_what_was_inherited() {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > 2).collect::<Vec<_>>() {
        // The folder's own is closed already.
        let _closed = nix::unistd::close(number);
    }
}

/// Standard input and output as one stream: whoever started it may have given two pipes. Programs that are started
/// get neither.
fn standard_streams() -> std::io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut inward = theirs.try_clone()?;
    let mut outward = theirs;
    // Signals are for the thread that serves: one that ended a child, and came here, would be lost.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    std::thread::spawn(move || {
        // The end of the input is the end of the call.
        let _ended = std::io::copy(&mut std::io::stdin().lock(), &mut inward);
        inward.shutdown(std::net::Shutdown::Write)
    });
    std::thread::spawn(move || std::io::copy(&mut outward, &mut Unbuffered));
    mask.thread_set_mask()?;
    Ok(ours)
}

/// Standard output without waiting for the end of a line.
struct Unbuffered;

impl std::io::Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        nix::unistd::write(std::io::stdout(), bytes).map_err(Into::into)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
