//! The printed script judges by itself: it goes through where the harness passes, in a real guest.

use std::fs;
use std::time::Duration;

use xtask::guest::Exec;
use xtask::host::{Launch, Preparation, Provider as _, Put};
use xtask::model::{Exit, Role};

use crate::repro::{ask, provider};
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
    let launch = Launch {
        ask: &ask,
        role: Role::Source,
        memory_mib: 512,
        cpus: 1,
        folder: folder.path(),
        prepare: &prepare,
    };
    let mut host = provider.0.launch(&launch).unwrap();
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
