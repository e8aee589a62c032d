//! The rules of diagnosis: each explains its own logs, all of them are held against logs that they were not written
//! from, and `explain` answers people and programs.

use std::path::PathBuf;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use xtask::diagnose::{Outcome, Rulebook, judge_held_out, prove, quoted};

fn knowledge() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../knowledge")
}

fn xtask() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
}

#[test]
fn every_rule_explains_its_own_logs_and_no_other_rules() {
    let findings: Vec<String> =
        prove(&Rulebook::read(&knowledge()).unwrap()).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn logs_that_no_rule_was_written_from() {
    let book = Rulebook::read(&knowledge()).unwrap();
    let judged = judge_held_out(&book, &knowledge().join("held-out")).unwrap();
    let of = |outcome| judged.iter().filter(move |one| one.outcome == outcome);
    let (right, wrong, unknown) =
        (of(Outcome::Right).count(), of(Outcome::Wrong).count(), of(Outcome::Unknown).count());
    println!("{} logs held out: {right} right, {wrong} wrong, {unknown} unknown", judged.len());
    for one in of(Outcome::Wrong) {
        println!("wrong: {:?}, and it is {}: {} ({})", one.answer, one.class, one.source, one.why);
    }
    assert!(judged.len() >= 30, "too few logs to judge by");
    assert!(wrong * 30 <= judged.len(), "more than one wrong answer in thirty");
    assert!(right * 2 >= judged.len(), "fewer than half are explained");
    assert_eq!(quoted(&book, &judged), []);
}

const VDSO: &str = "\
My checkpoint does not work any more since the last upgrade:\r
(00.000018) Version: 3.17.1 (gitid 0)
(00.000024) Running on box Linux 7.2.3+deb14-amd64 #1 SMP x86_64
(00.010001) Error (criu/vdso.c:632): vdso: Unexpected rt vDSO area bounds
(00.010002) Error (criu/vdso.c:741): vdso: Failed to fill self vdso symtable
(00.010003) Error (criu/kerndat.c:1582): kerndat_vdso_fill_symtable failed when initializing kerndat.
(00.010010) Error (criu/cr-dump.c:2050): Could not initialize kernel features detection.
";

#[test]
fn a_pasted_text_is_explained() {
    let explained = xtask().args(["explain", "-"]).write_stdin(VDSO).assert().success();
    let output = String::from_utf8_lossy(&explained.get_output().stdout).into_owned();
    assert!(output.contains("class vdso, confidence high"), "{output}");
    assert!(output.contains("-:4: (00.010001) Error (criu/vdso.c:632)"), "{output}");
    assert!(output.contains("What to do:"), "{output}");
}

#[test]
fn a_program_gets_json() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("dump.log");
    std::fs::write(&log, VDSO).unwrap();
    let explained = xtask().args(["explain", "--format", "json"]).arg(&log).assert().success();
    let answer: serde_json::Value = serde_json::from_slice(&explained.get_output().stdout).unwrap();
    assert_eq!(answer["format"], 1);
    let first = &answer["diagnoses"][0];
    assert_eq!((&first["class"], &first["confidence"]), (&"vdso".into(), &"high".into()));
    assert_eq!(first["evidence"][0]["line"], 4);
    assert_eq!(first["evidence"][0]["file"], log.display().to_string());
    for words in ["rule", "headline", "cause"] {
        assert!(first[words].as_str().is_some_and(|words| !words.is_empty()), "{words}");
    }
    assert!(first["advice"].is_array() && first["references"].is_array());
}

#[test]
fn what_nobody_knows_is_unknown() {
    let unknown =
        "docker: criu failed: type NOTIFY errno 0\nError (criu/cr-restore.c:1): Restoring FAILED.\n";
    xtask()
        .args(["explain", "-", "--format", "json"])
        .write_stdin(unknown)
        .assert()
        .success()
        .stdout(contains("\"diagnoses\": []"));
    xtask()
        .args(["explain", "-"])
        .write_stdin("(00.1) a\n(00.100000) Error (a.c:1): never met before\n")
        .assert()
        .success()
        .stdout(contains("unknown: no rule explains it; the first error is line 2 of -"));
}

#[test]
fn the_command_line_adds_what_the_log_does_not_tell() {
    let killed = "Error (criu/cr-restore.c:1480): 321 killed by signal 11: Segmentation fault\n";
    let explain = |more: &[&str]| {
        let output = xtask().args(["explain", "-"]).args(more).write_stdin(killed).assert().success();
        String::from_utf8_lossy(&output.get_output().stdout).into_owned()
    };
    assert!(explain(&[]).contains("unknown"));
    assert!(explain(&["--criu", "3.16.1", "--glibc", "2.35"]).contains("class rseq"));
    assert!(explain(&["--criu", "4.2", "--glibc", "2.35"]).contains("unknown"));
}

#[test]
fn what_cannot_be_read_is_said() {
    xtask()
        .args(["explain", "/nowhere/dump.log"])
        .assert()
        .code(2)
        .stderr(contains("cannot read /nowhere/dump.log"));
    xtask()
        .args(["explain", "-", "--engine", "lcx"])
        .write_stdin("")
        .assert()
        .code(2)
        .stderr(contains("no engine `lcx` is known to the rules; there are criu, docker"));
    xtask().args(["explain", "-", "--engine", "lxc@6.0"]).write_stdin("").assert().success();
    // Any bytes are a log.
    xtask().args(["explain", "-"]).write_stdin(vec![0xff, b'\n', 0]).assert().success();
}

#[test]
fn the_rules_are_listed_by_theme() {
    xtask().arg("rules").assert().success().stdout(contains("\nvdso\n").and(contains("kernel-incompat")));
}
