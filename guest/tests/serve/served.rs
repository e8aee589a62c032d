//! An agent that is served over a unix socket, and what its answers come to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use guest::wire::{Decoder, Exec, How, Reply, Request, encode};
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "a test of this crate, which has no harness to record it")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// An agent and the socket to it.
pub(crate) struct Served {
    pub(crate) agent: Child,
    pub(crate) stream: UnixStream,
    decoder: Decoder<Reply>,
    folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.agent.kill().unwrap();
        self.agent.wait().unwrap();
    }
}

/// A command's end and what it printed on both ways.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Served {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let agent =
            command(env!("CARGO_BIN_EXE_criu-matrix-agent")).arg("serve").arg(&socket).spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { agent, stream, decoder: Decoder::default(), folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn send(&self, id: u32, request: &Request) {
        let mut frame = Vec::new();
        encode(id, request, &mut frame).unwrap();
        (&self.stream).write_all(&frame).unwrap();
    }

    pub(crate) fn next(&mut self) -> (u32, Reply) {
        loop {
            if let Some(reply) = self.decoder.message().unwrap() {
                return reply;
            }
            let mut bytes = [0; 8192];
            let length = self.stream.read(&mut bytes).expect("the agent's answer");
            assert!(length > 0, "the agent hung up");
            self.decoder.feed(&bytes[..length]);
        }
    }

    pub(crate) fn start(&self, id: u32, line: &str, change: impl FnOnce(&mut Exec)) {
        let mut exec = Exec {
            argv: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
            cwd: self.path(""),
            ..Exec::default()
        };
        change(&mut exec);
        self.send(id, &Request::Exec(exec));
    }

    pub(crate) fn end(&mut self, id: u32) -> Ended {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.next() {
                (at, Reply::Stdout(bytes)) if at == id => stdout.extend(bytes),
                (at, Reply::Stderr(bytes)) if at == id => stderr.extend(bytes),
                (at, Reply::Exited(how)) if at == id => return Ended { how, stdout, stderr },
                other => panic!("{other:?} instead of the end of {id}"),
            }
        }
    }

    pub(crate) fn sh(&mut self, line: &str) -> Ended {
        self.start(1, line, |_| {});
        self.end(1)
    }
}

/// Whether a process of this id can still run.
pub(crate) fn lives(pid: &str) -> bool {
    let pid = pid.trim();
    assert!(!pid.is_empty());
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[track_caller]
pub(crate) fn awaited(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

/// All that is given for a request, which is the only one under way.
pub(crate) fn given(served: &mut Served, request: &Request) -> String {
    served.send(9, request);
    let mut text = Vec::new();
    loop {
        match served.next() {
            (9, Reply::Data(bytes)) => text.extend(bytes),
            (9, Reply::Done(length)) if length == text.len() as u64 => {
                return String::from_utf8(text).unwrap();
            }
            other => panic!("{other:?} after {} bytes", text.len()),
        }
    }
}
