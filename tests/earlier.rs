//! What an earlier run has played with the same inputs is not played again, and the report says so.

use std::fs;
use std::path::Path;

use crate::support::{cells, guests, xtask};

/// Plays `counter` where it passes, and where it fails for a reason that a rule knows. Returns the cells of the report.
fn play(out: &Path, more: &[&str]) -> Vec<serde_json::Value> {
    let output = xtask()
        .args(["matrix", "--kernel", "6.12", "--kernel", "7.2", "--userland", "bookworm", "--criu", "3.17.1"])
        .args(["--scenario", "counter"])
        .args(more)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    cells(out, &output)
}

/// Verdict and reason of each cell.
fn said(cells: &[serde_json::Value]) -> Vec<(String, String, String)> {
    let word = |cell: &serde_json::Value, name: &str| cell[name].to_string();
    cells.iter().map(|cell| (word(cell, "id"), word(cell, "verdict"), word(cell, "reason"))).collect()
}

#[test]
fn the_same_inputs_are_played_once() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let first = play(&run("first"), &["--fresh"]);
    assert!(first.iter().all(|cell| cell["taken"].is_null()), "{first:#?}");
    let verdicts: Vec<_> = first.iter().map(|cell| cell["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pass", "fail"]);

    let second = play(&run("second"), &[]);
    assert!(second.iter().all(|cell| cell["taken"].is_string()), "{second:#?}");
    assert_eq!(said(&second), said(&first));
    let told = fs::read_to_string(run("second").join("events.jsonl")).unwrap();
    assert_eq!((told.matches("cell-taken").count(), told.matches("cell-started").count()), (2, 0));
    // What passed lies there in one file; what failed is there to be looked at.
    for cell in &second {
        for log in cell["logs"].as_array().unwrap() {
            assert!(run("second").join(log.as_str().unwrap()).is_file(), "{log}");
        }
    }
    assert_eq!(second[0]["logs"].as_array().unwrap().len(), 1);
    assert!(second[1]["logs"].as_array().unwrap().len() > 5, "{:#}", second[1]);

    // The record alone says the same, on a machine without the store as well.
    fs::remove_file(run("second").join("outcomes.jsonl")).unwrap();
    let output = xtask().args(["report", "--format", "json"]).arg(run("second")).output().unwrap();
    let again: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["cells"].as_array().unwrap(), &second);

    // Asked for freshly it is played.
    let cold = play(&run("cold"), &["--cold", "--fresh"]);
    assert!(cold.iter().all(|cell| cell["taken"].is_null()), "{cold:#?}");
    assert_eq!(said(&cold), said(&first));
}
