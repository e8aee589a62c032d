//! `same-ticks.sh`, with which the printed script judges by itself: what it lets pass, and what it says of the rest.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::str::contains;
use rstest::rstest;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/workloads/same-ticks.sh");

/// `4,5` are two ticks; words behind a number replace the fields of the same name or are added.
fn ticks(told: &str) -> String {
    let tick = |it: &str| {
        let mut words = it.split(' ');
        let number = words.next().unwrap();
        let mut line = format!("who=counter n={number} pid=321 start=9 nonce=abc");
        for word in words {
            let (name, _) = word.split_once('=').unwrap();
            let kept: Vec<&str> =
                line.split(' ').filter(|old| !old.starts_with(&format!("{name}="))).collect();
            line = format!("{} {word}", kept.join(" "));
        }
        line + "\n"
    };
    told.split(',').filter(|it| !it.is_empty()).map(tick).collect()
}

fn run(folder: &Path, verb: &str, checkpoint: &str, output: &str) -> Command {
    let mut command = Command::new("sh");
    command.current_dir(folder).args([SCRIPT, verb, checkpoint, "source", "counter"]);
    command.write_stdin(output.to_owned());
    command
}

/// What was told before the dump, then what came after the restore; empty where all is well.
#[rstest]
#[case::goes_on("continues", "1,2,3", "4,5,6", "")]
#[case::half_a_line("continues", "1,2,3", "4,5,6,7 half=", "")]
#[case::silent("continues", "1,2,3", "", "counter told no tick after the restore")]
#[case::afresh("continues", "1,2,3", "4 nonce=def", "is another program: at tick 4 its nonce is def")]
#[case::other_start("continues", "1,2,3", "4 start=8", "is another program")]
#[case::pid("continues", "1,2,3", "4 pid=7", "changed its pid: tick 4 has 7, where 321 was due")]
#[case::gap("continues", "1,2,3", "4,6", "lost ticks: 5 was due, 6 came")]
#[case::too_far("continues", "1,2,3", "5", "went on too far: 4 was due, 5 came")]
#[case::again("continues", "1,2,3", "3,4", "told ticks again: 4 was due, 3 came")]
#[case::again_where_it_ran_on("goes-back", "1,2,3", "2,3,4", "")]
#[case::too_far_where_it_ran_on("goes-back", "1,2,3", "5", "went on too far")]
#[case::lost(
    "continues",
    "1 items=a,2 items=a",
    "3 items=a lost=a",
    "lost items: at tick 3 it no longer holds a"
)]
#[case::items("continues", "1 items=a,2 items=a", "3 items=b", "changed its items")]
fn after_a_restore(#[case] verb: &str, #[case] dumped: &str, #[case] restored: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let before = ticks(dumped);
    run(folder.path(), "dumped", "one", &before).assert().success();
    run(folder.path(), "past", "-", &before).assert().success();
    let mut now = before + &ticks(restored);
    if restored.ends_with('=') {
        now.pop();
    }
    let assert = run(folder.path(), verb, "one", &now).assert();
    match expected {
        "" => assert.success().stderr(""),
        words => assert.code(1).stderr(contains(words)),
    };
}

/// A container that a restore has made has an output of its own, which may begin with the original's.
#[rstest]
#[case::anew("4,5", "")]
#[case::carried("1,2,3,4,5", "")]
#[case::not_on("1,2,3", "does not go on: its last tick is 3, and 3 was dumped")]
#[case::too_far("5", "went on too far")]
fn an_output_of_its_own(#[case] now: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "dumped", "one", &ticks("1,2,3")).assert().success();
    run(folder.path(), "past", "-", "").assert().success();
    let assert = run(folder.path(), "continues", "one", &ticks(now)).assert();
    match expected {
        "" => assert.success(),
        words => assert.code(1).stderr(contains(words)),
    };
}

#[rstest]
#[case::no_gap("-", "1,2,3", "")]
#[case::gap("-", "1,3", "lost ticks: 2 was due, 3 came")]
#[case::second_life("-", "1,2,1 nonce=def,2 nonce=def", "")]
#[case::dumped("one", "1,2,3", "")]
#[case::replaced("one", "1,2,3 nonce=def", "is another program")]
fn while_it_runs(#[case] checkpoint: &str, #[case] now: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "dumped", "one", &ticks("1,2")).assert().success();
    let assert = run(folder.path(), "running", checkpoint, &ticks(now)).assert();
    match expected {
        "" => assert.success(),
        words => assert.code(1).stderr(contains(words)),
    };
    assert!(fs::exists(folder.path().join("ticks.seen")).unwrap());
}
