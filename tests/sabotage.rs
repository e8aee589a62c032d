//! Each sabotage, in a real guest: a checker that does not catch it is worth nothing.

use rstest::rstest;

use crate::support::{guests, xtask};

/// Plays one story with one fault put into it, and expects a fail at `verify`, for this reason and no other.
#[rstest]
#[case::fresh_start("fresh-start", "counter", "another program")]
#[case::lost_tick("lost-tick", "counter", "went on too far")]
#[case::changed_pid("changed-pid", "counter", "changed its pid")]
#[case::zeroed_memory("zeroed-memory", "rollback", "lost memory")]
#[case::lost_item("lost-item", "threads-and-timers", "it no longer holds posix-timer")]
#[case::not_back("not-back", "rollback", "went on too far")]
#[case::stopped_original("left-running", "leave-running", "stands still")]
#[case::left_running("left-running", "migrate", "still runs on the source")]
fn is_caught(#[case] kind: &str, #[case] scenario: &str, #[case] reason: &str) {
    if !guests() {
        return;
    }
    let (cell, status) = play(kind, scenario);
    assert_eq!(cell["verdict"], "fail", "{cell:#}");
    assert_eq!(cell["stage"], "verify", "{cell:#}");
    assert!(cell["reason"].as_str().unwrap_or_default().contains(reason), "{cell:#}");
    assert_eq!(status, Some(1));
}

/// A guest that panics in the middle of a story accuses nobody, and is noticed at once.
#[test]
fn a_panic_is_broken() {
    if !guests() {
        return;
    }
    let (cell, status) = play("panic", "counter");
    assert_eq!(cell["verdict"], "broken", "{cell:#}");
    assert!(cell["reason"].as_str().unwrap_or_default().contains("kernel panicked"), "{cell:#}");
    assert!(cell["seconds"].as_f64().unwrap_or_default() < 50.0, "not by the command's time-out: {cell:#}");
    assert_eq!(status, Some(69));
}

/// The one cell of a sabotaged run, and the exit status.
fn play(kind: &str, scenario: &str) -> (serde_json::Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = xtask()
        .args(["matrix", "--kernel", "6.12", "--userland", "bookworm", "--criu", "4.1.1"])
        .args(["--scenario", scenario, "--sabotage", kind])
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    let report = std::fs::read(out.join("report.json"))
        .unwrap_or_else(|error| panic!("no report: {error}\n{}", String::from_utf8_lossy(&output.stderr)));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    (report["cells"][0].clone(), output.status.code())
}
