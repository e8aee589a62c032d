//! Commands: their ends, input, output, deadlines and descendants.

use std::fs;
use std::time::{Duration, Instant};

use guest::wire::{DATA_MAX, How, Reply, Request, Size};

use crate::served::{Ended, Served, awaited, lives};

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
