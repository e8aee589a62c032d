//! The printed script judges by itself: it goes through where the harness passes, in a real guest, and ends at the
//! step that fails.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use xtask::guest::Exec;
use xtask::host::{Preparation, Put};
use xtask::model::Exit;

use crate::repro::{ask, launch, provider};
use crate::support::{guests, xtask};

/// Stories that pass on this stack, of all that the script checks: one program after another, a dump that stops it and
/// one that does not, a point that is gone back to, more than one counter in a file, items.
const PASS: &[&str] = &["counter", "rollback", "clone", "fork-app", "threads-and-timers", "pre-dump"];

#[test]
fn stories_that_pass_go_through() {
    if !guests() {
        return;
    }
    let ask = ask("6.12", "4.1.1");
    let provider = provider(&ask);
    let folder = tempfile::tempdir().unwrap();
    let stories = PASS.iter().map(|name| {
        let script = xtask().args(["show", name]).assert().code(0).get_output().stdout.clone();
        let source = folder.path().join(name);
        fs::write(&source, script).unwrap();
        Put { source, path: format!("/root/stories/{name}"), mode: 0o755 }
    });
    let programs = ["ticker", "fork-app", "threads"].map(|name| Put {
        source: provider.1.join(name),
        path: format!("/root/bin/{name}"),
        mode: 0o755,
    });
    let prepare = Preparation { files: stories.chain(programs).collect(), ..Preparation::default() };
    let mut host = launch(&provider.0, &ask, folder.path(), &prepare);
    for name in PASS {
        let line = format!(
            "BIN=/root/bin sh /root/stories/{name}; status=$?; [ ! -e /root/cell/workload.pid ] || \
            kill -KILL -\"$(cat /root/cell/workload.pid)\" 2>/dev/null; exit $status"
        );
        let played = Exec::sh(line, "/root", Duration::from_secs(200));
        let finished = host.guest().unwrap().run(&played).unwrap();
        assert_eq!(finished.exit, Exit::Status(0), "{name}: {}{}", finished.stdout, finished.stderr);
        assert!(finished.stdout.ends_with("passed\n"), "{name}: {}", finished.stdout);
    }
}

/// No program is what it says but for its name: all succeed, save CRIU or the engine when it is asked to do this.
#[rstest]
#[case("counter", "criu", "dump", "3 dump one")]
#[case("counter", "docker", "checkpoint", "3 dump one")]
#[case("counter", "podman", "checkpoint", "3 dump one")]
#[case("counter", "runc", "checkpoint", "3 dump one")]
#[case("counter", "crun", "checkpoint", "3 dump one")]
#[case("counter", "runc", "spec", "1 start the workload")]
#[case("counter", "criu", "restore", "5 restore one")]
#[case("pre-dump", "criu", "pre-dump", "3 pre-dump first")]
#[case("pre-dump", "criu", "--prev-images-dir", "5 pre-dump second")]
#[case("pre-dump", "criu", "dump", "7 dump last")]
fn ends_at_the_step_that_fails(
    #[case] story: &str,
    #[case] engine: &str,
    #[case] verb: &str,
    #[case] step: &str,
) {
    let show = ["show", story, "--engine", engine];
    let script = xtask().args(show).assert().code(0).get_output().stdout.clone();
    let folder = tempfile::tempdir().unwrap();
    let cell = folder.path().join("cell").display().to_string();
    let script = String::from_utf8(script).unwrap().replace("/root/cell", &cell);
    let tool = format!(
        "case \" $* \" in *' {verb} '*) exit 3 ;; *' spec '*) : >config.json ;; *' pre-dump '*) mkdir images/second/parent 2>/dev/null ;; esac\n:"
    );
    for name in ["criu", "docker", "podman", "runc", "crun"] {
        program(folder.path(), name, &tool);
    }
    program(folder.path(), "cc", ":");
    // The helpers, the workload among them.
    program(
        folder.path(),
        "sh",
        "case $1 in ./make-rootfs.sh) mkdir -p \"$2\" ;; ./detached.sh) shift 2; \"$@\" ;; ./*) ;; *) exec /bin/sh \"$@\" ;; esac",
    );
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = assert_cmd::Command::new("/bin/sh");
    let ended = command.env("PATH", path).write_stdin(script).assert().code(3);
    let said = String::from_utf8_lossy(&ended.get_output().stdout).into_owned();
    let reached = said.lines().rev().find_map(|line| line.strip_prefix("== "));
    assert_eq!(reached, Some(step), "{said}");
}

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
