//! What the engine of containers says to a real one: the image of local files, the looks, the waiting for ticks.
//!
//! The container is started by testcontainers, under the name that our commands know, on the engine of this machine;
//! `cargo xtask test --setup` starts one where none answers. No registry is asked, and nothing is left behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use testcontainers::core::WaitFor;
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};
use xtask::engine::{Engine, Scene, heard, named};
use xtask::model::{
    Action, Answer, Command, Expectation, Settings, Shortcut, Step, Tick, Verb, View, Workload,
    parse_processes, parse_ticks,
};
use xtask::process::{self, ProcessError};

const ENGINE: &str = "docker@26.1.5";
/// What our commands call the first container, and the image of every one.
const CONTAINER: &str = "looper";
const IMAGE: &str = "looper-image";

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/workloads");

#[test]
fn a_container_of_this_machine_is_seen_as_one_of_a_guest() {
    if let Some(why) = obstacle() {
        let wanted = std::env::var_os("XTASK_TEST_ENGINE").is_some_and(|value| value == "1");
        assert!(!wanted, "XTASK_TEST_ENGINE=1 is set, but {why}");
        eprintln!("not run: {why}");
        return;
    }
    let engine = named(ENGINE, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    workloads(folder.path());
    let _image = Image::made(&*engine, folder.path());
    for name in ["counter", "ticker"] {
        let eye = Eye { engine: &*engine, folder: folder.path(), workload: Workload::named(name).unwrap() };
        is_seen(&eye);
    }
}

fn is_seen(eye: &Eye<'_>) {
    let container = eye.start();
    let begun = eye.look();
    assert_eq!(begun.word, "running");
    assert!(begun.root_lives, "its process is among those of this machine");
    assert!(begun.ticks.len() >= 3, "testcontainers waited for the third: {:?}", begun.ticks);
    eye.play(Verb::Ticks(5)).unwrap();
    eye.play(Verb::Expect(Expectation::Paused)).unwrap_err();
    let later = eye.look();
    assert!(later.ticks.len() >= begun.ticks.len() + 5, "more ticks were waited for");
    assert_eq!(later.root, begun.root);
    assert!(later.ticks.starts_with(&begun.ticks), "a look changes nothing");

    container.stop_with_timeout(Some(0)).unwrap();
    let ended = eye.look();
    assert_eq!((ended.word.as_str(), ended.root), ("exited", None));
    eye.play(Verb::Expect(Expectation::Paused)).unwrap();
    assert!(ended.ticks.len() >= later.ticks.len());

    container.rm().unwrap();
    let gone = eye.look();
    assert_eq!((gone.word.as_str(), gone.root, gone.ticks.len()), ("", None, 0));
}

/// Why there is nothing here to be tested.
fn obstacle() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("only root may read a container's log and look at its processes".to_owned());
    }
    let host = host();
    if !host.starts_with("unix://") {
        return Some(format!("DOCKER_HOST={host} is another machine, whose processes cannot be looked at"));
    }
    if sh(Path::new("/"), "! ldd \"$(command -v busybox)\" && command -v busybox").is_err() {
        return Some("there is no busybox that needs no library (cargo xtask setup installs one)".to_owned());
    }
    if let Err(error) = sh(Path::new("/"), "timeout 20 docker version") {
        return Some(format!(
            "no container engine answers at {host} (as root, cargo xtask test --setup starts one): {error}"
        ));
    }
    let taken = format!(
        "docker ps --all --format '{{{{.Names}}}}' | grep -x {CONTAINER} || \
         docker images --format '{{{{.Repository}}}}' | grep -x {IMAGE}"
    );
    let name = sh(Path::new("/"), &taken).ok()?;
    Some(format!("the engine at {host} has a `{}` already, which is left alone", name.trim()))
}

/// The engine that testcontainers takes, too.
fn host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// A line of `sh` on this machine; its standard output.
fn sh(folder: &Path, line: &str) -> Result<String, ProcessError> {
    let mut command = process::command("sh");
    command.args(["-c", line]).current_dir(folder).env("DOCKER_HOST", host());
    process::output(&mut command).map(|output| String::from_utf8(output.stdout).unwrap())
}

/// A command of the engine's, as a guest's agent would run it.
fn run(folder: &Path, command: &Command) -> Result<String, ProcessError> {
    let quoted = shlex::try_quote(&command.line).unwrap();
    sh(folder, &format!("timeout {} sh -c {quoted}", command.deadline.as_secs()))
}

/// The files that a guest's work folder has: scripts, and one program that is compiled here.
fn workloads(folder: &Path) {
    for name in ["make-rootfs.sh", "more-ticks.sh", "counter.sh"] {
        fs::copy(Path::new(SOURCES).join(name), folder.join(name)).unwrap();
    }
    sh(folder, &format!("chmod +x *.sh && cc -std=gnu11 -O2 -o ticker {SOURCES}/ticker.c")).unwrap();
}

/// The image, until it is dropped.
struct Image<'a>(&'a Path);

impl<'a> Image<'a> {
    fn made(engine: &dyn Engine, folder: &'a Path) -> Self {
        let image = Self(folder);
        for command in engine.image() {
            run(folder, &command).unwrap();
        }
        image
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        if let Err(error) = sh(self.0, &format!("docker rmi {IMAGE}")) {
            eprintln!("the image stays: {error}");
        }
    }
}

/// What is to be looked at, and how.
struct Eye<'a> {
    engine: &'a dyn Engine,
    folder: &'a Path,
    workload: &'static Workload,
}

/// What was seen.
struct Seen {
    word: String,
    root: Option<i32>,
    root_lives: bool,
    ticks: Vec<Tick>,
}

impl Eye<'_> {
    /// The container, up to its third tick. It is removed when it is dropped.
    fn start(&self) -> Container<GenericImage> {
        let third = format!("who={} n=3 ", self.workload.streams[0].who);
        GenericImage::new(IMAGE, "latest")
            .with_wait_for(WaitFor::message_on_stdout(third))
            .with_container_name(CONTAINER)
            .with_network("none")
            .with_cmd(self.workload.command.split(' '))
            .start()
            .unwrap()
    }

    /// Runs what the engine makes of a step.
    fn play(&self, verb: Verb) -> Result<(), ProcessError> {
        let step = Step::plain(verb);
        let scene = Scene { workload: self.workload, settings: &Settings::default() };
        for action in self.engine.lower(&step, &scene).unwrap() {
            let Action::Run(_, command) = action else { panic!("nothing is carried here") };
            run(self.folder, &command)?;
        }
        Ok(())
    }

    /// Looks as the runner does.
    fn look(&self) -> Seen {
        let look = self.engine.look(None, &Scene { workload: self.workload, settings: &Settings::default() });
        let [(_, output)] = &look.outputs[..] else { panic!("one output: {look:?}") };
        let log = self.shown(output);
        let ticks = parse_ticks(&log).unwrap();
        for pair in ticks.windows(2) {
            assert_eq!(pair[1].n, pair[0].n + 1, "{pair:?}");
            assert_eq!((&pair[1].nonce, pair[1].pid), (&pair[0].nonce, pair[0].pid));
        }
        assert!(ticks.iter().all(|tick| tick.sum.is_some() == self.workload.witness));
        let root = self.shown(&look.root);
        let (numbers, words): (Vec<&str>, Vec<&str>) =
            root.lines().partition(|line| line.parse::<i32>().is_ok());
        let root = numbers.first().map(|number| number.parse().unwrap());
        let stat = sh(self.folder, "cat /proc/[0-9]*/stat 2>/dev/null || true").unwrap();
        let processes = parse_processes(&stat);
        let root_lives = processes.iter().any(|process| Some(process.pid) == root && process.is_alive());
        Seen { word: words.concat(), root, root_lives, ticks }
    }

    /// What the client shows. The daemon, asked by the shortcut, says the same; a log may have grown until then.
    fn shown(&self, view: &View) -> String {
        let printed = run(self.folder, &view.command).unwrap();
        let Some(Shortcut::Server { request, answer, .. }) = &view.shortcut else { panic!("{view:?}") };
        let mut daemon = UnixStream::connect(host().trim_start_matches("unix://")).unwrap();
        daemon.write_all(request.as_bytes()).unwrap();
        let mut said = Vec::new();
        daemon.read_to_end(&mut said).unwrap();
        let heard = heard(*answer, &said).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&said)));
        match answer {
            Answer::Log => assert!(heard.starts_with(&printed), "{heard:?} after {printed:?}"),
            // Of a container that is not there the client shows an empty line, and the daemon nothing.
            _ => assert_eq!(heard.trim(), printed.trim()),
        }
        printed
    }
}
