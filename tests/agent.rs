//! The harness's side of a guest against the real agent, as an ordinary process.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use xtask::guest::{Agent, Exec, Guest, OUTPUT_MAX, TransferError, shell};
use xtask::model::{Exit, Lost, Shortcut, Source, Wait};
use xtask::process;

/// The agent of this build, wherever cargo puts it.
static AGENT: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut build = process::command(env!("CARGO"));
    build.args([
        "build",
        "--quiet",
        "--package",
        "guest",
        "--bin",
        "criu-matrix-agent",
        "--message-format=json",
    ]);
    let told = process::output(&mut build).unwrap();
    String::from_utf8(told.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap()
});

struct Served {
    process: Child,
    agent: Agent,
    folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let process = process::command(&*AGENT).arg("serve").arg(&socket).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let agent = Agent::meet(stream, Duration::from_secs(10), Arc::new(|| None)).unwrap();
    Served { process, agent, folder }
}

fn sh(line: &str) -> Exec {
    Exec::sh(line, "/", Duration::from_secs(20))
}

#[test]
fn commands_finish() {
    let mut served = serve();
    assert!(!served.agent.facts().release.is_empty());
    let finished = served.agent.run(&sh("echo out; echo err >&2; exit 4")).unwrap();
    assert_eq!(finished.exit, Exit::Status(4));
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    let late = served.agent.run(&Exec::sh("sleep 60", "/", Duration::from_millis(100))).unwrap();
    assert_eq!(late.exit, Exit::TimedOut);
    assert!((100..10_000).contains(&late.millis));
}

#[test]
fn input_and_output_of_any_size_pass() {
    let mut served = serve();
    let stdin = vec![b'x'; 10_000_000];
    let finished = served.agent.run(&Exec { stdin, ..sh("cat; wc -c </dev/null >&2") }).unwrap();
    assert_eq!(finished.stderr, "0\n");
    assert!(finished.stdout.contains("bytes are left out here"));
    assert!((OUTPUT_MAX..OUTPUT_MAX + 100).contains(&finished.stdout.len()));
}

#[test]
fn files_pass_both_ways() {
    let mut served = serve();
    let bytes: Vec<u8> = (0..9_000_000_u32).map(|i| (i >> 6) as u8).collect();
    let path = served.folder.path().join("new/file");
    let path = path.to_str().unwrap();
    served.agent.push(&mut &bytes[..], bytes.len() as u64, path, 0o600).unwrap();
    let mut back = Vec::new();
    assert_eq!(served.agent.pull(path, &mut back).unwrap(), bytes.len() as u64);
    assert!(back == bytes);
    let refused = served.agent.pull("/no/such", &mut back).unwrap_err();
    assert_eq!(refused.to_string(), "the guest refuses: /no/such: No such file or directory (os error 2)");
    let refused = served.agent.push(&mut &bytes[..], bytes.len() as u64, "/proc/x", 0o600).unwrap_err();
    assert!(matches!(refused, TransferError::Refused(_)), "{refused}");
}

/// A sink that is full soon.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_transfer_that_broke_off_here_the_guest_is_as_good_as_new() {
    let mut served = serve();
    let error = served.agent.pull("/proc/self/exe", &mut Full(100_000)).unwrap_err();
    assert!(matches!(error, TransferError::Local(_)), "{error}");
    let path = served.folder.path().join("file");
    let error = served.agent.push(&mut &b"abc"[..], 4, path.to_str().unwrap(), 0o600).unwrap_err();
    assert!(matches!(error, TransferError::Local(_)), "{error}");
    assert_eq!(served.agent.run(&sh("echo fine")).unwrap().stdout, "fine\n");
    assert!(!path.exists());
}

#[test]
fn an_agent_that_dies_is_lost() {
    let mut served = serve();
    let pid = served.process.id();
    let lost = served.agent.run(&sh(&format!("kill -9 {pid}; sleep 60"))).unwrap_err();
    assert!(matches!(lost, Lost::Ended(_)), "{lost}");
}

#[test]
fn the_clock_is_set_or_refused_in_the_systems_words() {
    let mut served = serve();
    match served.agent.set_clock(SystemTime::now()) {
        Ok(()) => {}
        Err(error) => assert!(error.to_string().contains("clock_settime: EPERM"), "{error}"),
    }
}

#[test]
fn a_person_works_at_a_terminal() {
    let mut served = serve();
    let terminal = openpty(None, None).unwrap();
    let (screen, out) = UnixStream::pair().unwrap();
    let mut keys = std::fs::File::from(terminal.master);
    keys.write_all(b"echo $((6 * 7)); test -t 0 && exit 5\n").unwrap();
    let argv = ["/bin/sh".to_owned()];
    let exit = shell(&mut served.agent, &argv, "/", terminal.slave.as_fd(), out.as_fd()).unwrap();
    assert_eq!(exit, Exit::Status(5));
    let flags = tcgetattr(&terminal.slave).unwrap().local_flags;
    assert!(flags.contains(LocalFlags::ICANON), "raw mode has ended");
    drop(out);
    let mut seen = String::new();
    (&screen).read_to_string(&mut seen).unwrap();
    assert!(seen.contains("42\r\n"), "{seen}");
}

#[test]
fn shortcuts_tell_what_there_is_and_nothing_where_there_is_none() {
    let mut served = serve();
    let file = |name: &str, may_lack| {
        let path = served.folder.path().join(name).to_str().unwrap().to_owned();
        Shortcut::File { path, may_lack }
    };
    std::fs::write(served.folder.path().join("big"), vec![b'x'; 3_000_000]).unwrap();
    let asked = [file("big", false), file("none", false), file("none", true), Shortcut::Processes];
    let told = served.agent.told(&asked.each_ref()).unwrap();
    let lengths: Vec<_> = told[..3].iter().map(|told| told.as_ref().map(Vec::len)).collect();
    assert_eq!(lengths, [Some(3_000_000), None, Some(0)]);
    let processes = String::from_utf8_lossy(told[3].as_ref().unwrap()).into_owned();
    assert!(processes.lines().any(|line| line.starts_with(&format!("{} (", served.process.id()))));
}

/// What a person would see who typed the line, to the word.
#[test]
fn a_wait_ends_as_its_line_does() {
    let mut served = serve();
    let folder = served.folder.path().to_path_buf();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/workloads/more-ticks.sh");
    std::fs::copy(script, folder.join("more-ticks.sh")).unwrap();
    std::fs::write(folder.join("a.ticks"), "who=a n=1\nwho=b n=1\n").unwrap();
    let files = ["a.ticks", "a.ticks", "none.ticks"].map(str::to_owned);
    let counters =
        ["a", "b", "c"].map(str::to_owned).into_iter().zip(files.clone().map(Source::File)).collect();
    let wait = Wait { more: 2, seconds: 1, counters };
    let awaited: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip(&files)
        .map(|(who, file)| (folder.join(file).to_str().unwrap().to_owned(), format!("who={who} n=")))
        .collect();
    // One of them ticks once, while each way waits.
    let ticking = "(sleep 0.3; echo who=a n=2 >>a.ticks) & ";
    let line = format!("{ticking}{}", wait.clone().command().line);
    let exec = Exec::sh(line, folder.to_str().unwrap(), Duration::from_secs(20));
    let by_line = served.agent.run(&exec).unwrap();
    let mut tick = process::command("sh").args(["-c", ticking]).current_dir(&folder).spawn().unwrap();
    let came = served.agent.lines(&awaited, wait.more, Duration::from_secs(1)).unwrap().unwrap();
    tick.wait().unwrap();
    assert_eq!(came, [1, 0, 0]);
    assert_eq!((by_line.exit, Some(by_line.stderr)), (Exit::Status(1), wait.late(&came, &files)));
    assert_eq!(wait.late(&[2, 3, 2], &files), None);
}
