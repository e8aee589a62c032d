//! What several tests need.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

/// `cargo xtask`, built by this test run.
pub(crate) fn xtask() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command
}

/// Whether guests may be booted; where not, the test says so on standard error and is over.
pub(crate) fn guests() -> bool {
    let yes = std::env::var_os("XTASK_TEST_GUESTS").is_some_and(|value| value == "1");
    if !yes {
        eprintln!("not run: it boots guests, and XTASK_TEST_GUESTS=1 is not set (cargo xtask test sets it)");
    }
    yes
}

/// The cells in the report of a run, with what the harness said where it left none.
#[track_caller]
pub(crate) fn cells(run: &Path, output: &Output) -> Vec<serde_json::Value> {
    let said = String::from_utf8_lossy(&output.stderr);
    let report = fs::read(run.join("report.json")).unwrap_or_else(|error| panic!("{error}\n{said}"));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    report["cells"].as_array().unwrap().clone()
}

/// The records of all cells of a run, one behind the other.
#[track_caller]
pub(crate) fn everything_told(run: &Path) -> String {
    let files = walk(&run.join("cells")).into_iter().filter(|path| path.ends_with("events.jsonl.zst"));
    files
        .map(|path| String::from_utf8(zstd::decode_all(fs::File::open(path).unwrap()).unwrap()).unwrap())
        .collect()
}

/// What is left of a cell, for whoever sees only what a test prints: the ends of its logs, and where it hung.
pub(crate) fn evidence(run: &Path, cell: &serde_json::Value) -> String {
    let folder = run.join("cells").join(cell["id"].as_str().unwrap());
    let mut files: Vec<_> = walk(&folder);
    files.sort();
    let mut told = format!("{cell:#}\n");
    for path in files {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        if name.contains("hang") || name.ends_with("dump.log") || name.ends_with("restore.log") {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            told.push_str(&format!("\n== {name}\n{end}\n"));
        }
    }
    told
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// Writes the run folder of a real night that was recorded: `counter` with CRIU 3.17.1 passes on kernel 6.12, and fails
/// on 7.2 as a known bug. `edit` may change the plan and the events, each a line of text.
pub(crate) fn night(folder: &Path, edit: impl Fn(&mut String, &mut Vec<String>)) {
    let mut plan = include_str!("night/plan.toml").to_owned();
    let mut events = include_str!("night/events.jsonl").lines().map(str::to_owned).collect();
    edit(&mut plan, &mut events);
    fs::create_dir_all(folder.join("cells")).unwrap();
    fs::write(folder.join(".criu-matrix-run"), "format = 1\ncreated = \"2026-11-21T04:01:31Z\"\n").unwrap();
    fs::write(folder.join("plan.toml"), plan).unwrap();
    fs::write(folder.join("events.jsonl"), events.join("\n") + "\n").unwrap();
}

/// Lets the dump of the cell fail that passed.
pub(crate) fn the_dump_fails(events: &mut [String]) {
    let dump = |line: &&mut String| line.contains("counter@k6.12") && line.contains("&& criu dump");
    let line = events.iter_mut().find(dump).unwrap();
    *line = line.replace(r#""exit":{"status":0}"#, r#""exit":{"status":1}"#);
}
