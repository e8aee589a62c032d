//! What the rules make of the logs of a cell that failed. The run folder is all that is needed.

use std::fs;
use std::path::{Path, PathBuf};

use super::Cell;
use crate::diagnose::{Case, Context, Diagnosis, Fact, Log, Rulebook};

/// The verdict's own words, as a log: some failures are only seen from inside the program.
const VERDICT: &str = "verdict";
/// Of one log so many bytes are read, from its beginning: the first error is what counts.
const MOST: usize = 16 << 20;

/// What explains failures: the rules, and the run folder that the logs are in.
pub struct Insight<'a> {
    /// The rules.
    pub rules: &'a Rulebook,
    /// The top of the run folder.
    pub folder: &'a Path,
}

impl Insight<'_> {
    /// What the rules make of a cell that failed on such a machine, as guests' facts have it, best first; empty where
    /// nobody knows. `left_out` are the steps, from 1, that failed as the story wants them to.
    pub(super) fn explain(&self, cell: &Cell, machine: &str, left_out: &[usize]) -> Vec<Diagnosis> {
        let accelerator = ["tcg", "kvm"].into_iter().find(|name| machine.ends_with(&format!(", {name}")));
        let context = context(cell).with(Fact::Accelerator, accelerator.unwrap_or(""));
        self.rules.explain(&Case::new(logs(cell, self.folder, left_out)), &context).diagnoses
    }
}

/// What the guest reported, and where it said nothing what was asked for.
fn context(cell: &Cell) -> Context {
    let observed = |asked: &Option<String>, observed: &Option<String>| {
        observed.clone().or_else(|| asked.clone()).unwrap_or_default()
    };
    let engine = observed(&cell.engine.asked, &cell.engine.observed);
    let mut context = Context::default()
        .with(Fact::Kernel, cell.kernel.observed.as_deref().unwrap_or(&cell.kernel.asked))
        .with(Fact::Criu, cell.criu.observed.as_deref().unwrap_or(&cell.criu.asked))
        .with(Fact::Glibc, cell.userland.glibc.as_deref().unwrap_or(""))
        .with(Fact::Arch, "x86_64")
        .of_engine(&cell.engine.name, Some(engine.as_str()).filter(|version| !version.is_empty()));
    for (name, value) in &cell.engine.stack {
        // `crun crun 1.21`; an engine that was told to use another runtime than its own still names its own.
        let runtime = value.split_once(' ').filter(|_| name == "runtime" && !cell.engine.name.contains('-'));
        context = match runtime {
            Some((part, version)) => context.of_part(part, version.rsplit(' ').next().unwrap_or(version)),
            None => context.of_part(name, value),
        };
    }
    context
}

/// The outputs of the steps from the last one back, the verdict, then what the guests told besides. The check
/// of step 0 is left out: a feature that this kernel has not explains no failure of a story that needs it not.
fn logs(cell: &Cell, run_folder: &Path, left_out: &[usize]) -> Vec<Log> {
    let root = run_folder.join("cells").join(cell.id.to_string());
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    let step = |name: &str| name.split('-').next().and_then(|number| number.parse::<usize>().ok());
    let told = |step: usize| step != 0 && !left_out.contains(&step);
    // What undid a move is no part of its failure.
    files.retain(|name| !name.starts_with("back/"));
    files.retain(|name| name != "story.log" && is_log(name) && step(name).is_none_or(told));
    files.sort_by_key(|name| (step(name).is_none(), std::cmp::Reverse(step(name)), name.clone()));
    let read = files.iter().filter_map(|name| {
        let mut bytes = fs::read(root.join(name)).ok()?;
        bytes.truncate(MOST);
        Some((step(name), Log { name: name.clone(), text: String::from_utf8_lossy(&bytes).into_owned() }))
    });
    let (of_steps, others): (Vec<_>, Vec<_>) = read.partition(|(step, _)| step.is_some());
    let verdict = Log { name: VERDICT.into(), text: cell.reason.clone().unwrap_or_default() };
    let logs = |logs: Vec<(Option<usize>, Log)>| logs.into_iter().map(|(_, log)| log);
    logs(of_steps).chain([verdict]).chain(logs(others)).collect()
}

fn is_log(name: &str) -> bool {
    let path = Path::new(name);
    let tells = path.extension().is_some_and(|end| ["log", "out", "err"].iter().any(|known| end == *known));
    tells && !name.starts_with("prepare-")
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // Links are not followed: what a guest sent home leads nowhere else.
        if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            walk(root, &path, files);
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push(name.to_string_lossy().into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::toml_file::Source;

    const RULES: &str = r#"
        [[rule]]
        id = "bounds"
        class = "vdso"
        headline = "h"
        confidence = "high"
        pattern = "vDSO area bounds"
        when = { kernel = ">=6.13", criu = "<4.1" }
        cause = "c"
        advice = ["a"]
        references = ["r"]
        [[rule.matches]]
        source = "s"
        text = "vDSO area bounds"
        [[rule]]
        id = "seen"
        class = "criu-bug"
        headline = "h"
        confidence = "high"
        pattern = "lost items"
        cause = "c"
        advice = ["a"]
        references = ["r"]
        [[rule.matches]]
        source = "s"
        text = "lost items"
    "#;

    /// The rules that explain a failed cell of these versions with these files in its folder.
    #[track_caller]
    fn check(kernel: &str, reason: &str, files: &[(&str, &str)], expected: &[&str]) {
        check_without(&[], kernel, reason, files, expected);
    }

    #[track_caller]
    fn check_without(
        left_out: &[usize],
        kernel: &str,
        reason: &str,
        files: &[(&str, &str)],
        expected: &[&str],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut cell = sample::cell("counter", kernel, "bookworm", "3.17.1");
        cell.reason = Some(reason.into());
        for (name, text) in files {
            let path = folder.path().join("cells").join(cell.id.to_string()).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let source = Source { path: "made.toml".into(), text: RULES.into() };
        let rules = Rulebook::of(&[source]).unwrap();
        let found =
            Insight { rules: &rules, folder: folder.path() }.explain(&cell, "QEMU 10.0.13, tcg", left_out);
        assert_eq!(found.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn logs_and_versions_explain_a_cell() {
        let log = "(00.010000) Error (criu/vdso.c:1): vDSO area bounds\n";
        check("7.2", "exit status 1", &[("03-dump/dump.log", log)], &["bounds"]);
        check("6.12", "exit status 1", &[("03-dump/dump.log", log)], &[]);
        check("7.2", "exit status 1", &[("source/dmesg.log", log)], &["bounds"]);
        check("7.2", "exit status 1", &[], &[]);
    }

    #[test]
    fn the_verdicts_own_words_are_a_log() {
        check("7.2", "`timerfd` lost items: all", &[], &["seen"]);
    }

    #[test]
    fn what_explains_nothing_is_not_read() {
        let log = "Error (criu/vdso.c:1): vDSO area bounds\n";
        for name in
            ["00-check-02.out", "story.log", "03-start-01.ticks", "prepare-source.log", "kernel.config"]
        {
            check("7.2", "exit status 1", &[(name, log)], &[]);
        }
    }

    #[test]
    fn a_step_that_fails_on_purpose_explains_nothing() {
        let log = "(00.010000) Error (criu/vdso.c:1): vDSO area bounds\n";
        check_without(&[3], "7.2", "exit status 1", &[("03-dump/dump.log", log)], &[]);
        check_without(&[4], "7.2", "exit status 1", &[("03-dump/dump.log", log)], &["bounds"]);
    }

    #[test]
    fn the_last_step_comes_first() {
        let (dump, restore) = ("Error (a.c:1): vDSO area bounds\n", "Error (a.c:1): lost items\n");
        check("7.2", "", &[("03-dump-01.err", dump), ("05-restore-01.err", restore)], &["seen", "bounds"]);
    }
}
