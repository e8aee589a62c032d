//! What the agent looks at and waits for by itself, where a command could.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use guest::wire::{Await, Reply, Request};

use crate::served::{Served, given};

/// As `cat` and `grep` print them.
#[test]
fn processes_are_told_of() {
    let mut served = Served::new();
    let (agent, ours) = (served.agent.id(), std::process::id());
    let stats = given(&mut served, &Request::Processes);
    for pid in [agent, ours] {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let begin = stat.split_inclusive(") ").next().unwrap();
        assert!(stats.lines().any(|line| line.starts_with(begin)), "{begin} is not in {stats}");
    }
    let namespaces = given(&mut served, &Request::Namespaces);
    let by_grep = served.sh(&format!("grep -H NSpid: /proc/{agent}/status")).stdout;
    let line = String::from_utf8(by_grep).unwrap();
    assert!(namespaces.split_inclusive('\n').any(|told| told == line), "{line} is not in {namespaces}");
}

/// A server that answers what it is told, and then says so.
#[test]
fn a_server_at_a_socket_is_asked() {
    let mut served = Served::new();
    let socket = served.path("server");
    let ask = Request::Ask { socket: socket.clone(), bytes: b"question".to_vec() };
    served.send(1, &ask);
    let (1, Reply::Refused(why)) = served.next() else { panic!("nobody is there") };
    assert_eq!(why, format!("{socket}: No such file or directory (os error 2)"));

    let server = UnixListener::bind(&socket).unwrap();
    served.send(2, &ask);
    let (mut client, _) = server.accept().unwrap();
    let mut question = [0; 8];
    client.read_exact(&mut question).unwrap();
    let answer = "ten thousand lines\n".repeat(10_000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.write_all(answer.as_bytes()).unwrap();
            drop(client);
        });
        let mut heard = Vec::new();
        while let (2, Reply::Data(bytes)) = served.next() {
            heard.extend(bytes);
        }
        assert!(question == *b"question" && heard == answer.as_bytes());
    });

    // One that says nothing holds nobody up, and can be given up.
    served.send(3, &ask);
    let _silent = server.accept().unwrap();
    assert_eq!(served.sh("echo still here").stdout, b"still here\n");
    served.send(3, &Request::Cancel);
    assert_eq!(served.sh("echo still here").stdout, b"still here\n");
}

/// Begins to wait: what is written from now on counts.
fn wait(served: &mut Served, id: u32, path: &str, more: u64, within_ms: u64) {
    let (path, needle) = (path.to_owned(), "who=a n=".to_owned());
    served.send(id, &Request::Await(Await { path, needle, more, within_ms }));
    assert_eq!(served.sh("echo begun").stdout, b"begun\n");
}

fn append(path: &str, text: &str) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn lines_are_awaited() {
    let mut served = Served::new();
    let path = served.path("ticks");
    append(&path, "who=a n=1\nwho=a n=2");
    wait(&mut served, 7, &path, 3, 20_000);
    // The half line is one of the three; the other's are none.
    for text in ["\n", "who=b n=1\n", "x who=a n=3 y\n", "who=a n="] {
        append(&path, text);
        assert_eq!(served.sh("echo not yet").stdout, b"not yet\n");
    }
    let written = Instant::now();
    append(&path, "4\n");
    assert_eq!(served.next(), (7, Reply::Done(3)));
    assert!(written.elapsed() < Duration::from_secs(5));
}

#[test]
fn lines_that_do_not_come_are_told_at_the_deadline() {
    let mut served = Served::new();
    let path = served.path("ticks");
    append(&path, "who=a n=1\n");
    wait(&mut served, 7, &path, 2, 2000);
    append(&path, "who=a n=2\n");
    assert_eq!(served.next(), (7, Reply::Done(1)));
    let none = served.path("no such");
    wait(&mut served, 2, &none, 1, 2000);
    assert_eq!(served.next(), (2, Reply::Done(0)));
}

/// As `grep -c` has it, which counts what is in the file now.
#[test]
fn a_file_that_comes_late_or_is_another_is_counted_from_its_beginning() {
    let mut served = Served::new();
    let path = served.path("ticks");
    wait(&mut served, 7, &path, 2, 20_000);
    append(&path, "who=a n=1\nwho=a n=2\n");
    assert_eq!(served.next(), (7, Reply::Done(2)));
    wait(&mut served, 2, &path, 1, 20_000);
    let other = served.path("other");
    append(&other, "who=a n=1\nwho=a n=2\nwho=a n=3\n");
    fs::rename(&other, &path).unwrap();
    assert_eq!(served.next(), (2, Reply::Done(1)));
    wait(&mut served, 3, &path, 1, 20_000);
    fs::write(&path, "").unwrap();
    assert_eq!(served.sh("echo cut").stdout, b"cut\n");
    append(&path, &"who=a n=1\n".repeat(4));
    assert_eq!(served.next(), (3, Reply::Done(1)));
}

/// Where this user may read it, it is what dmesg(1) prints, but for the lines of records with several.
#[test]
fn the_kernels_log_is_told_as_dmesg_prints_it() {
    let mut served = Served::new();
    let printed = served.sh("dmesg | tail -n 5");
    if printed.stdout.is_empty() {
        served.send(9, &Request::KernelLog);
        let (9, Reply::Refused(_) | Reply::Done(0)) = served.next() else { panic!("dmesg says nothing") };
        return;
    }
    let told = given(&mut served, &Request::KernelLog);
    for line in String::from_utf8(printed.stdout).unwrap().lines() {
        assert!(told.lines().any(|told| told == line), "{line} is not in {told}");
    }
}
