//! The agent as an ordinary process on a unix socket: all that it does for a harness, except booting.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics to fail")]

use std::fs;
use std::io::Write as _;

use guest::wire::{Reply, Request};

use crate::served::{Served, awaited, lives};

mod commands;
mod files;
mod served;
mod shortcuts;

#[test]
fn a_hello_tells_of_the_kernel() {
    let mut served = Served::new();
    served.send(5, &Request::Hello);
    let (5, Reply::Hello(hello)) = served.next() else { panic!("no hello") };
    assert_eq!(hello.release, fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim_end());
    assert!(!hello.root && hello.failures.is_empty() && hello.uptime_ms > 0);
}

#[test]
fn another_version_gets_a_hello_and_the_reason() {
    let mut served = Served::new();
    (&served.stream).write_all(b"\x0f\0\0\0\x01\x07\0\0\0criu-mtx\x63\0").unwrap();
    let (0, Reply::Hello(_)) = served.next() else { panic!("no hello") };
    let (0, Reply::Refused(why)) = served.next() else { panic!("no reason") };
    assert!(why.contains("version 99 of the wire"), "{why}");
    assert_eq!(served.agent.wait().unwrap().code(), Some(1));
}

#[test]
fn when_the_harness_hangs_up_its_commands_die_and_the_agent_ends() {
    let mut served = Served::new();
    served.start(1, "echo $$; sleep 1000", |_| {});
    let (1, Reply::Stdout(pid)) = served.next() else { panic!("nothing said") };
    served.stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(served.agent.wait().unwrap().code(), Some(0));
    awaited("the end of the command", || !lives(std::str::from_utf8(&pid).unwrap()));
}
