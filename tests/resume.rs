//! A run that is killed with SIGKILL leaves nothing running, and goes on without repeating a finished cell.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{guests, xtask};

/// Waits for a condition; the name is for the message.
fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn events(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn count(run: &Path, event: &str) -> usize {
    events(run).iter().filter(|line| line["event"] == event).count()
}

/// Whether a guest of a cell that is being played has said what it is.
fn answered(run: &Path) -> bool {
    let cells = fs::read_dir(run.join("cells")).into_iter().flatten().flatten();
    let told = cells.filter_map(|cell| fs::read_to_string(cell.path().join("events.jsonl")).ok());
    told.into_iter().any(|told| told.contains(r#""event":"host-ready""#))
}

/// The processes whose command line names the run folder, as every QEMU's does.
fn left_behind(run: &Path) -> Vec<String> {
    let needle = run.display().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            path.file_name()?.to_str()?.parse::<u32>().ok()?;
            let words = fs::read(path.join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&words).replace('\0', " "))
        })
        .filter(|line| line.contains(&needle))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this test outlives what it starts, and ends it itself")]
fn start(run: &Path) -> Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "matrix",
            "--fresh",
            "--kernel",
            "6.12",
            "--userland",
            "bookworm",
            "--criu",
            "4.1.1",
            "--jobs",
            "1",
        ])
        .args(["--scenario", "counter", "--scenario", "rollback", "--scenario", "clone", "--out"])
        .arg(run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn after_sigkill() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut harness = start(&run);
    await_that("the second cell's guest answers", || count(&run, "cell-ended") == 1 && answered(&run));
    assert_eq!(count(&run, "cell-ended"), 1);

    // Nobody else may use the folder meanwhile.
    xtask()
        .args(["matrix", "--fresh", "--resume"])
        .arg(&run)
        .assert()
        .code(2)
        .stderr(predicates::str::contains(harness.id().to_string()));

    harness.kill().unwrap();
    harness.wait().unwrap();
    await_that("every guest is gone", || left_behind(&run).is_empty());

    // What a kill in the middle of a write leaves.
    let mut torn = fs::read(run.join("events.jsonl")).unwrap();
    torn.extend_from_slice(b"{\"t\":1,\"event\":\"cell-end");
    fs::write(run.join("events.jsonl"), torn).unwrap();

    xtask().args(["matrix", "--fresh", "--resume"]).arg(&run).assert().code(0);
    let started = |scenario: &str| {
        let starts = |line: &&serde_json::Value| {
            line["event"] == "cell-started" && line["cell"].as_str().unwrap().starts_with(scenario)
        };
        events(&run).iter().filter(starts).count()
    };
    // Which of them was cut short is a matter of how long they took in earlier runs.
    let mut starts = ["clone", "counter", "rollback"].map(started);
    starts.sort_unstable();
    assert_eq!(starts, [1, 1, 2]);
    let set_aside = fs::read_dir(run.join("cells"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".interrupted-"));
    assert_eq!(set_aside.count(), 1);
    xtask().arg("report").arg(&run).assert().code(0).stdout(predicates::str::contains("3 cells: 3 pass"));
    assert!(left_behind(&run).is_empty());
}

/// Ctrl-C while guests boot, which is when most of the waiting is done.
#[test]
fn after_an_interrupt() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut harness = start(&run);
    await_that("the first cell starts", || count(&run, "cell-started") == 1);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(harness.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let told = Instant::now();
    let status = harness.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}", told.elapsed());
    assert_eq!(count(&run, "cell-ended"), 0);
    assert!(left_behind(&run).is_empty());
}

#[test]
fn a_second_run_in_the_same_folder_is_refused() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "precious").unwrap();
    xtask()
        .args(["matrix", "--scenario", "counter", "--out"])
        .arg(folder.path())
        .assert()
        .code(2)
        .stderr(predicates::str::contains(folder.path().display().to_string()));
    assert_eq!(fs::read_to_string(folder.path().join("mine.txt")).unwrap(), "precious");
}

/// A cell whose record is damaged is broken in the report, and a run that is taken up does not stumble over it.
#[test]
fn a_damaged_record_is_told_and_harms_no_other_cell() {
    let folder = tempfile::tempdir().unwrap();
    crate::support::night(folder.path(), |_, _| ());
    let cells = fs::read_to_string(folder.path().join("plan.toml")).unwrap();
    let id = cells.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).unwrap();
    fs::create_dir_all(folder.path().join("cells").join(id)).unwrap();
    fs::write(folder.path().join("cells").join(id).join("events.jsonl.zst"), "no zstd").unwrap();
    let output = xtask().args(["report", "--format", "json"]).arg(folder.path()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cells = report["cells"].as_array().unwrap();
    let verdict = |cell: &serde_json::Value| cell["verdict"].as_str().unwrap().to_owned();
    let of = |yes: bool| cells.iter().find(|cell| (cell["id"] == id) == yes).unwrap();
    assert_eq!(
        (verdict(of(true)), verdict(of(false)) == "broken"),
        ("broken".to_owned(), false),
        "{report:#}"
    );
    assert!(of(true)["reason"].as_str().unwrap().contains("events.jsonl.zst"), "{report:#}");
}
