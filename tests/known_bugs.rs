//! Known bugs and the diff, from run folders alone: a recorded night, and what it would have been otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use predicates::str::contains;
use rstest::rstest;
use xtask::diagnose::Rulebook;

use crate::support::{night, the_dump_fails, xtask};

#[track_caller]
fn check(edit: impl Fn(&mut String, &mut Vec<String>), code: i32, expected: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path(), edit);
    xtask().arg("report").arg(folder.path()).assert().code(code).stdout(contains(expected));
    serde_json::from_str(&fs::read_to_string(folder.path().join("report.json")).unwrap()).unwrap()
}

#[test]
fn what_fails_as_described_is_known() {
    let report = check(|_, _| (), 0, "2 cells: 1 pass, 1 known-bug");
    assert_eq!(report["cells"][1]["verdict"], "known-bug");
    let issue = "https://github.com/checkpoint-restore/criu/issues/2532";
    assert_eq!(report["cells"][1]["known_bug"]["issue"], issue);
}

#[test]
fn what_fails_elsewhere_or_otherwise_fails() {
    let elsewhere = |plan: &mut String, _: &mut Vec<String>| {
        *plan = plan.replace(r#"stage = ["pre-dump", "dump"]"#, r#"stage = ["restore"]"#);
    };
    check(elsewhere, 1, "2 cells: 1 pass, 1 fail");
    let otherwise = |_: &mut String, events: &mut Vec<String>| {
        for line in events {
            *line = line.replace("Unexpected rt vDSO area bounds", "Can't find it");
        }
    };
    check(otherwise, 1, "2 cells: 1 pass, 1 fail");
}

#[test]
fn what_passes_is_fixed() {
    let earlier = |plan: &mut String, _: &mut Vec<String>| *plan = plan.replace(">= 6.13", ">= 6.12");
    let report = check(earlier, 1, "2 cells: 1 fixed, 1 known-bug");
    assert_eq!(report["cells"][0]["reason"], "it passes, and was known to fail at pre-dump or dump");
}

/// The kernel that was asked for is a name: only the guest can say which version it is.
#[test]
fn the_guest_says_which_version_it_is() {
    let named = |plan: &mut String, _: &mut Vec<String>| {
        *plan = plan.replace("kernel = \"7.2\"", "kernel = \"mine\"");
    };
    check(named, 0, "2 cells: 1 pass, 1 known-bug");
}

#[test]
fn what_broke_says_nothing_of_the_bug() {
    let broken = |_: &mut String, events: &mut Vec<String>| {
        let at = events.iter().position(|line| line.contains("cell-ended") && line.contains("k7.2")).unwrap();
        let cell = "counter@k7.2@bookworm@c3.17.1@criu@max";
        events.insert(at, format!(r#"{{"event":"broken","cell":"{cell}","reason":"no room"}}"#));
    };
    check(broken, 69, "2 cells: 1 pass, 1 broken");
}

#[test]
fn sabotage_meets_no_known_bug() {
    let sabotaged =
        |plan: &mut String, _: &mut Vec<String>| *plan = format!("sabotage = \"lost-tick\"\n{plan}");
    check(sabotaged, 1, "2 cells: 1 pass, 1 fail");
}

#[rstest]
#[case("text", "compared with the run of 2026-")]
#[case("markdown", "### Regressed")]
#[case("json", "\"change\": \"regressed\"")]
fn a_regression_is_red_in_every_form(#[case] format: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let [good, bad] = ["good", "bad"].map(|name| folder.path().join(name));
    night(&good, |_, _| ());
    night(&bad, |_, events| the_dump_fails(events));
    let diff = |before: &Path, after: &Path| {
        xtask().args(["diff", "--format", format]).args([before, after]).assert()
    };
    diff(&good, &bad).code(1).stdout(contains(expected));
    diff(&good, &good).code(0);
    diff(&bad, &good).code(0);
    diff(&bad, &bad).code(0);
}

#[test]
fn a_baseline_makes_old_failures_no_news() {
    let folder = tempfile::tempdir().unwrap();
    let [good, bad] = ["good", "bad"].map(|name| folder.path().join(name));
    night(&good, |_, _| ());
    night(&bad, |_, events| the_dump_fails(events));
    let report =
        |run: &Path, baseline: &Path| xtask().arg("report").arg(run).arg("--baseline").arg(baseline).assert();
    report(&bad, &good).code(1).stdout(contains("1 regressed, 1 as before"));
    for name in ["diff.md", "diff.json", "baseline.json"] {
        assert!(bad.join(name).exists(), "{name}");
    }
    report(&bad, &bad.join("baseline.json")).code(0).stdout(contains("2 as before"));
    xtask().arg("report").arg(&bad).assert().code(1);
}

/// The rules that the known bugs of a folder name, each with its file.
fn named_rules(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(named_rules(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let file: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let bugs = file.get("known-bug").and_then(toml::Value::as_array).into_iter().flatten();
            let rules = bugs.filter_map(|bug| bug.get("rule")?.as_str());
            found.extend(rules.map(|rule| (rule.to_owned(), path.clone())));
        }
    }
    found
}

/// A rule that is not there would never be in a diagnosis: the known bug would be none.
#[test]
fn every_rule_that_a_known_bug_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = Rulebook::read(&root.join("knowledge")).unwrap();
    let named = named_rules(&root.join("scenarios"));
    assert!(named.len() > 5, "{named:?}");
    for (name, file) in named {
        assert!(book.rules().iter().any(|rule| rule.id == name), "{}: {name}", file.display());
    }
}
