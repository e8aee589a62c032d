//! Each sabotage, in a real guest: a checker that does not catch it is worth nothing.

use rstest::rstest;

use crate::support::{cells, guests, xtask};

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
    is_caught_by("criu", kind, scenario, reason);
}

/// The same in containers, where the evidence comes another way: from an engine's log, and out of a pid namespace.
#[rstest]
#[case::fresh_start("runc@1.1.15", "fresh-start", "self", "another program")]
#[case::fresh_start_of_a_clone("runc@1.1.15", "fresh-start", "cross-container", "another program")]
#[case::fresh_start_of_an_engines("docker@26.1.5", "fresh-start", "self", "another program")]
#[case::zeroed_memory("docker@26.1.5", "zeroed-memory", "rollback", "lost memory")]
#[case::left_running("runc@1.1.15", "left-running", "self", "still runs on the source")]
#[case::lost_limit("runc@1.1.15", "lost-limit", "isolation", "pids.max was \"64\" and is \"max\"")]
#[case::not_paused("runc@1.1.15", "not-paused", "lifecycle", "the engine's list says running")]
fn is_caught_in_a_container(
    #[case] engine: &str,
    #[case] kind: &str,
    #[case] scenario: &str,
    #[case] reason: &str,
) {
    if !guests() {
        return;
    }
    is_caught_by(engine, kind, scenario, reason);
}

fn is_caught_by(engine: &str, kind: &str, scenario: &str, reason: &str) {
    let (cell, status) = play(engine, kind, scenario);
    assert_eq!(cell["verdict"], "fail", "{cell:#}");
    assert_eq!(cell["stage"], "verify", "{cell:#}");
    assert!(cell["reason"].as_str().unwrap_or_default().contains(reason), "{cell:#}");
    assert_eq!(status, Some(1));
}

/// The same with a container, whose connection is dropped after a true restore: either of its ends can tell.
#[test]
fn a_dropped_connection_is_caught() {
    if !guests() {
        return;
    }
    let (cell, status) = play_on("docker@20.10.24", "6.1", "lost-item", "network");
    assert_eq!(cell["verdict"], "fail", "{cell:#}");
    assert_eq!(cell["stage"], "verify", "{cell:#}");
    let reason = cell["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("it no longer holds connection"), "{cell:#}");
    assert_eq!(status, Some(1));
}

/// A checkpoint that a power cut left half written, taken for a whole one, must not pass: CRIU writes the inventory last.
#[test]
fn a_half_written_checkpoint_is_caught() {
    if !guests() {
        return;
    }
    let (cell, status) = play("criu", "half-written", "periodic");
    assert_eq!(
        (cell["verdict"].as_str(), cell["stage"].as_str()),
        (Some("fail"), Some("restore")),
        "{cell:#}"
    );
    assert!(cell["reason"].as_str().unwrap_or_default().contains("empty-image"), "{cell:#}");
    assert_eq!(status, Some(1));
}

/// A guest that panics in the middle of a story accuses nobody, and is noticed at once.
#[test]
fn a_panic_is_broken() {
    if !guests() {
        return;
    }
    let (cell, status) = play("criu", "panic", "counter");
    assert_eq!(cell["verdict"], "broken", "{cell:#}");
    assert!(cell["reason"].as_str().unwrap_or_default().contains("kernel panicked"), "{cell:#}");
    assert!(cell["seconds"].as_f64().unwrap_or_default() < 50.0, "not by the command's time-out: {cell:#}");
    assert_eq!(status, Some(69));
}

/// The one cell of a sabotaged run, and the exit status.
fn play(engine: &str, kind: &str, scenario: &str) -> (serde_json::Value, Option<i32>) {
    play_on(engine, "6.12", kind, scenario)
}

fn play_on(engine: &str, kernel: &str, kind: &str, scenario: &str) -> (serde_json::Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = xtask()
        .args(["matrix", "--kernel", kernel, "--userland", "bookworm", "--criu", "4.1.1"])
        .args(["--engine", engine, "--scenario", scenario, "--sabotage", kind])
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    (cells(&out, &output)[0].clone(), output.status.code())
}
