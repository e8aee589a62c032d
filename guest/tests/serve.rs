//! The agent as an ordinary process on a unix socket: all that it does for a harness, except booting.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics to fail")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use guest::wire::{Await, DATA_MAX, Decoder, Exec, How, Reply, Request, Size, encode};
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "a test of this crate, which has no harness to record it")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// An agent and the socket to it.
struct Served {
    agent: Child,
    stream: UnixStream,
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
struct Ended {
    how: How,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let agent =
            command(env!("CARGO_BIN_EXE_criu-matrix-agent")).arg("serve").arg(&socket).spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { agent, stream, decoder: Decoder::default(), folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn send(&self, id: u32, request: &Request) {
        let mut frame = Vec::new();
        encode(id, request, &mut frame).unwrap();
        (&self.stream).write_all(&frame).unwrap();
    }

    fn next(&mut self) -> (u32, Reply) {
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

    fn start(&self, id: u32, line: &str, change: impl FnOnce(&mut Exec)) {
        let mut exec = Exec {
            argv: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
            cwd: self.path(""),
            ..Exec::default()
        };
        change(&mut exec);
        self.send(id, &Request::Exec(exec));
    }

    fn end(&mut self, id: u32) -> Ended {
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

    fn sh(&mut self, line: &str) -> Ended {
        self.start(1, line, |_| {});
        self.end(1)
    }
}

/// Whether a process of this id can still run.
fn lives(pid: &str) -> bool {
    let pid = pid.trim();
    assert!(!pid.is_empty());
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[track_caller]
fn awaited(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

#[track_caller]
fn check(line: &str, how: How, stdout: impl AsRef<[u8]>, stderr: &str) {
    let ended = Served::new().sh(line);
    let expected = Ended { how, stdout: stdout.as_ref().to_vec(), stderr: stderr.into() };
    assert_eq!(ended, expected, "{line}");
}

#[test]
fn commands_end_as_they_do() {
    check("true", How::Status(0), "", "");
    check("echo out; echo err >&2; exit 3", How::Status(3), "out\n", "err\n");
    check("kill -9 $$", How::Signal(9), "", "");
    check("kill -40 $$", How::Signal(40), "", "");
    check("wc -c", How::Status(0), "0\n", "");
    check("printf 'a\\000\\377'", How::Status(0), [b'a', 0, 0xff], "");
    check("echo $HOME $LANG $TERM", How::Status(0), "/root C linux\n", "");
    check("grep SigBlk /proc/self/status", How::Status(0), "SigBlk:\t0000000000000000\n", "");
    check("ls -l /proc/self/fd | grep -cE 'socket:|signalfd'", How::Status(1), "0\n", "");
    check("test $(cut -d' ' -f6 /proc/$$/stat) = $$", How::Status(0), "", "");
}

#[test]
fn a_hello_tells_of_the_kernel() {
    let mut served = Served::new();
    served.send(5, &Request::Hello);
    let (5, Reply::Hello(hello)) = served.next() else { panic!("no hello") };
    assert_eq!(hello.release, fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim_end());
    assert!(!hello.root && hello.failures.is_empty() && hello.uptime_ms > 0);
}

#[test]
fn environment_and_folder_are_the_callers() {
    let mut served = Served::new();
    served.start(1, "echo $LANG $MORE; pwd", |exec| {
        exec.env = vec![("LANG".into(), "C.UTF-8".into()), ("MORE".into(), "a b".into())];
        exec.cwd = "/usr".into();
    });
    assert_eq!(served.end(1).stdout, b"C.UTF-8 a b\n/usr\n");
}

#[test]
fn what_cannot_be_started_is_refused_with_the_reason() {
    let mut served = Served::new();
    served.start(1, "", |exec| exec.argv = vec!["/no/such/program".into()]);
    let why = "cannot start /no/such/program: No such file or directory (os error 2)";
    assert_eq!(served.next(), (1, Reply::Refused(why.into())));
    served.start(2, "true", |exec| exec.cwd = "/no/such/folder".into());
    assert_eq!(served.next(), (2, Reply::Refused("/no/such/folder: no such folder".into())));
    served.start(3, "true", |exec| exec.argv.clear());
    assert_eq!(served.next(), (3, Reply::Refused("no program is named".into())));
}

#[test]
fn input_reaches_a_command_whole() {
    let mut served = Served::new();
    let input: Vec<u8> = (0..3_000_000_u32).map(|i| (i >> 5) as u8).collect();
    served.start(1, "tee copy | wc -c", |exec| exec.stdin = true);
    input.chunks(DATA_MAX).for_each(|piece| served.send(1, &Request::Stdin(piece.to_vec())));
    served.send(1, &Request::Stdin(Vec::new()));
    assert_eq!(served.end(1).stdout, b"3000000\n");
    assert!(fs::read(served.path("copy")).unwrap() == input);
}

#[test]
fn input_that_nobody_reads_harms_nobody() {
    let mut served = Served::new();
    served.start(1, "exec <&-; echo closed; sleep 0.2", |exec| exec.stdin = true);
    (0..20).for_each(|_| served.send(1, &Request::Stdin(vec![b'x'; DATA_MAX])));
    assert_eq!(served.end(1), Ended { how: How::Status(0), stdout: b"closed\n".into(), stderr: Vec::new() });
}

#[test]
fn a_flood_of_output_comes_whole_and_in_order() {
    let ended = Served::new().sh("seq 3000000");
    let mut expected = String::new();
    (1..=3_000_000).for_each(|n| expected.push_str(&format!("{n}\n")));
    assert!(ended.how == How::Status(0) && ended.stdout == expected.as_bytes());
}

#[test]
fn several_commands_run_at_once() {
    let mut served = Served::new();
    served.start(1, "read line; echo first $line", |exec| exec.stdin = true);
    served.start(2, "echo second", |_| {});
    assert_eq!(served.end(2).stdout, b"second\n");
    served.send(1, &Request::Stdin(b"at last\n".to_vec()));
    assert_eq!(served.end(1).stdout, b"first at last\n");
}

#[test]
fn at_the_deadline_all_that_belongs_to_a_command_is_killed() {
    let mut served = Served::new();
    let started = Instant::now();
    let line = "echo said; sleep 1000 & echo $! >child; setsid sleep 1001 & echo $! >session; (sleep 1002 & echo $! \
                >orphan); sleep 1003";
    served.start(1, line, |exec| exec.deadline_ms = Some(400));
    let ended = served.end(1);
    assert_eq!((ended.how, ended.stdout.as_slice()), (How::TimedOut, &b"said\n"[..]));
    assert!((400..5000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    for name in ["child", "session", "orphan"] {
        let pid = fs::read_to_string(served.path(name)).unwrap();
        awaited(&format!("the end of the {name}"), || !lives(&pid));
    }
}

#[test]
fn at_the_deadline_a_command_is_looked_at_while_it_lives() {
    let mut served = Served::new();
    served.start(1, "sleep 1000; echo on", |exec| {
        exec.deadline_ms = Some(200);
        exec.at_deadline =
            Some("echo lost; cat /proc/$HUNG/comm >look; kill -0 $HUNG && echo lives >>look".to_owned());
    });
    let ended = served.end(1);
    assert_eq!((ended.how, ended.stdout.as_slice()), (How::TimedOut, &b""[..]));
    assert_eq!(fs::read_to_string(served.path("look")).unwrap(), "sh\nlives\n");
}

/// The look is whole even then, and the command was late all the same.
#[test]
fn a_command_that_ends_while_it_is_looked_at_was_late() {
    let mut served = Served::new();
    served.start(1, "until [ -e seen ]; do sleep 0.02; done; echo at last", |exec| {
        exec.deadline_ms = Some(200);
        exec.at_deadline =
            Some("touch seen; while kill -0 $HUNG; do sleep 0.02; done; echo whole >look".to_owned());
    });
    let ended = served.end(1);
    assert_eq!((ended.how, ended.stdout.as_slice()), (How::TimedOut, &b"at last\n"[..]));
    assert_eq!(fs::read_to_string(served.path("look")).unwrap(), "whole\n");
}

#[test]
fn a_command_in_time_is_not_looked_at() {
    let mut served = Served::new();
    served.start(1, "true", |exec| {
        exec.deadline_ms = Some(20_000);
        exec.at_deadline = Some("touch look".to_owned());
    });
    assert_eq!(served.end(1).how, How::Status(0));
    assert!(fs::metadata(served.path("look")).is_err());
}

#[test]
fn a_daemon_outlives_its_starter_and_a_later_deadline() {
    let mut served = Served::new();
    let pid = served.sh("setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!").stdout;
    let pid = String::from_utf8(pid).unwrap();
    assert!(lives(&pid));
    served.start(1, "(setsid sh -c 'echo $$ >daemon; exec sleep 1000' &); sleep 1000", |exec| {
        exec.deadline_ms = Some(500);
    });
    assert_eq!(served.end(1).how, How::TimedOut);
    let later = fs::read_to_string(served.path("daemon")).unwrap();
    assert!(lives(&pid) && lives(&later));
    served.sh(&format!("kill {} {}", pid.trim(), later.trim()));
}

#[test]
fn a_daemon_that_holds_the_pipe_does_not_hold_up_the_end() {
    let mut served = Served::new();
    let started = Instant::now();
    let ended = served.sh("sleep 3 & (while :; do echo flood; done) & echo $!; sleep 0.2; echo last");
    assert_eq!(ended.how, How::Status(0));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(ended.stdout.windows(5).any(|window| window == b"last\n"));
    // With nobody to read it, SIGPIPE ends the flood.
    let pid = String::from_utf8(ended.stdout).unwrap().lines().next().unwrap().to_owned();
    awaited("the end of the flood", || !lives(&pid));
}

#[test]
fn orphans_are_reaped() {
    let mut served = Served::new();
    let pid = String::from_utf8(served.sh("(sleep 0.1 & echo $!)").stdout).unwrap();
    awaited("the burial", || fs::metadata(format!("/proc/{}", pid.trim())).is_err());
}

#[test]
fn a_cancelled_command_is_killed() {
    let mut served = Served::new();
    served.start(1, "sleep 1000", |_| {});
    served.send(1, &Request::Cancel);
    assert_eq!(served.end(1).how, How::Signal(9));
}

#[test]
fn a_terminal_has_its_size_and_hangs_up() {
    let mut served = Served::new();
    served.start(1, "test -t 0 && stty size; read line; stty size; echo \"$line\"; tty >/dev/null", |exec| {
        exec.tty = Some(Size { rows: 30, cols: 100 });
        exec.stdin = true;
    });
    let (1, Reply::Stdout(said)) = served.next() else { panic!("nothing said") };
    assert_eq!(said, b"30 100\r\n");
    served.send(1, &Request::Resize(Size { rows: 31, cols: 101 }));
    served.send(1, &Request::Stdin(b"typed\n".to_vec()));
    let ended = served.end(1);
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "typed\r\n31 101\r\ntyped\r\n");
    assert_eq!(ended.how, How::Status(0));
}

#[test]
fn files_go_there_and_come_back() {
    let mut served = Served::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|i| (i >> 7) as u8).collect();
    let path = served.path("some/new/folder/file");
    served.send(1, &Request::Push { path: path.clone(), mode: 0o751, len: bytes.len() as u64 });
    for piece in bytes.chunks(DATA_MAX) {
        assert!(!fs::exists(&path).unwrap(), "it appears whole or not at all");
        served.send(1, &Request::Data(piece.to_vec()));
    }
    assert_eq!(served.next(), (1, Reply::Done(bytes.len() as u64)));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);

    served.send(2, &Request::Pull { path, may_lack: false });
    let mut back = Vec::new();
    while back.len() < bytes.len() {
        let (2, Reply::Data(piece)) = served.next() else { panic!("no more data after {}", back.len()) };
        back.extend(piece);
    }
    assert_eq!(served.next(), (2, Reply::Done(bytes.len() as u64)));
    assert!(back == bytes);
}

#[test]
fn a_file_of_no_size_goes_both_ways() {
    let mut served = Served::new();
    let path = served.path("empty");
    served.send(1, &Request::Push { path: path.clone(), mode: 0o600, len: 0 });
    assert_eq!(served.next(), (1, Reply::Done(0)));
    served.send(2, &Request::Pull { path, may_lack: false });
    assert_eq!(served.next(), (2, Reply::Done(0)));
}

/// All that is given for a request, which is the only one under way.
fn given(served: &mut Served, request: &Request) -> String {
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

#[test]
fn a_file_that_may_lack_is_as_good_as_an_empty_one() {
    let mut served = Served::new();
    let path = served.path("file");
    let pull = Request::Pull { path: path.clone(), may_lack: true };
    assert_eq!(given(&mut served, &pull), "");
    fs::write(path, "here").unwrap();
    assert_eq!(given(&mut served, &pull), "here");
    // What is there and cannot be read is refused all the same.
    served.send(1, &Request::Pull { path: "/usr".to_owned(), may_lack: true });
    assert_eq!(served.next(), (1, Reply::Refused("/usr: Is a directory (os error 21)".to_owned())));
}

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

#[test]
fn files_are_refused_with_the_systems_words() {
    let mut served = Served::new();
    let pull = |path: &str| Request::Pull { path: path.to_owned(), may_lack: false };
    let push = |path: &str| Request::Push { path: path.to_owned(), mode: 0o600, len: 3 };
    for (request, why) in [
        (pull("/no/such"), "/no/such: No such file or directory (os error 2)"),
        (pull("/usr"), "/usr: Is a directory (os error 21)"),
        (pull("relative"), "relative: not an absolute path"),
        (push("relative"), "relative: not an absolute path"),
        (push("/proc/no/such"), "/proc/no: No such file or directory (os error 2)"),
        (push("/dev/null/file"), "/dev/null: File exists (os error 17)"),
    ] {
        served.send(1, &request);
        let (1, Reply::Refused(told)) = served.next() else { panic!("{request:?} was not refused") };
        assert_eq!(told, why);
    }
    // What was on its way to a refused push is dropped.
    served.send(1, &Request::Data(b"abc".to_vec()));
    assert_eq!(served.sh("echo still here").stdout, b"still here\n");
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

#[test]
fn a_file_is_overwritten_in_its_place() {
    let mut served = Served::new();
    let path = served.path("file");
    let overwrite = |path: &str| Request::Overwrite { path: path.to_owned(), bytes: b"new".to_vec() };
    served.send(1, &overwrite(&path));
    let (1, Reply::Refused(why)) = served.next() else { panic!("not refused") };
    assert_eq!(why, format!("{path}: No such file or directory (os error 2)"));
    fs::write(&path, "old and long").unwrap();
    let before = fs::metadata(&path).unwrap();
    served.send(2, &overwrite(&path));
    assert_eq!(served.next(), (2, Reply::Done(3)));
    assert_eq!(fs::read(&path).unwrap(), b"new and long");
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
}

#[test]
fn a_push_that_is_too_long_or_cancelled_leaves_nothing() {
    let mut served = Served::new();
    let path = served.path("folder/file");
    served.send(1, &Request::Push { path: path.clone(), mode: 0o600, len: 3 });
    served.send(1, &Request::Data(b"four".to_vec()));
    let (1, Reply::Refused(_)) = served.next() else { panic!("not refused") };
    served.send(2, &Request::Push { path, mode: 0o600, len: 3 });
    served.send(2, &Request::Cancel);
    assert_eq!(served.sh("ls -A folder").stdout, b"");
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
