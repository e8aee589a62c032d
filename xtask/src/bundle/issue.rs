//! `ISSUE.md`: the failure in the shape of the issue form of those who can mend it.

use std::fmt::Write as _;

use super::versions::lines;
use super::{Failure, Replays, Sections, Verified};
use crate::model::Role;
use crate::script::{self, ScriptError};

/// What is told of each failure besides.
pub struct Known<'a> {
    /// How often it came again.
    pub replays: &'a Replays,
    /// Whether the script alone makes it come again.
    pub verified: &'a Verified,
    /// What the guest said of its machine.
    pub sections: &'a Sections,
    /// On which other values of one axis the same story passes and fails, a sentence each.
    pub neighbours: &'a [String],
}

/// The text of the issue.
///
/// # Errors
/// When the engine refuses the story, which it has played.
pub fn issue(failure: &Failure<'_>, known: &Known<'_>) -> Result<String, ScriptError> {
    let Failure { cell, story, workload, engine, verdict, .. } = failure;
    let form = engine.form();
    let mut text = String::new();
    let stage = verdict.stage.map_or_else(|| "check".to_owned(), |stage| stage.to_string());
    heading(&mut text, form.description);
    let _ = writeln!(text, "{} This fails at {stage}: {}\n", story.summary, verdict.sentence());
    let (kernel, criu) = (&cell.kernel, &cell.criu);
    let said = |asked: &str, observed: &Option<String>| observed.clone().unwrap_or_else(|| asked.to_owned());
    let _ = writeln!(
        text,
        "Kernel {}, {}, CRIU {}.",
        said(&kernel.asked, &kernel.observed),
        said(&cell.userland.asked, &cell.userland.observed),
        said(&criu.asked, &criu.observed)
    );
    heading(&mut text, form.steps);
    let _ = writeln!(
        text,
        "`sh reproduce.sh`, as root, on a machine with these versions; `reproduce-vm.sh` boots one. It plays:\n"
    );
    fenced(&mut text, &script::steps(story, workload, *engine)?);
    heading(&mut text, form.received);
    received(&mut text, failure);
    heading(&mut text, form.expected);
    let _ = writeln!(text, "{}", story.summary);
    heading(&mut text, form.additional);
    additional(&mut text, failure, known);
    heading(&mut text, "Logs and information");
    let _ = writeln!(text, "The full logs (`-v4`) are attached: see `logs/` of the bundle.\n");
    for title in ["criu --version", "criu check --all"] {
        if let Some(output) = printed(failure, title) {
            detail(&mut text, &format!("Output of `{title}`"), &output);
        }
    }
    for title in form.asks {
        if let Some(output) = known.sections.get(title) {
            detail(&mut text, &format!("Output of `{title}`"), output);
        }
    }
    let facts = failure.record.facts.get(&Role::Source).map(lines).unwrap_or_default();
    let facts: Vec<String> = facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    detail(&mut text, "Additional environment details", &facts.join("\n"));
    Ok(text)
}

fn received(text: &mut String, failure: &Failure<'_>) {
    let verdict = failure.verdict;
    let _ = writeln!(text, "Step {}: {}\n", failure.symptom().step, verdict.sentence());
    for diagnosis in failure.cell.diagnosis.iter().flatten().take(1) {
        let of_logs = diagnosis.evidence.iter().filter(|line| line.file != "verdict");
        let quoted: Vec<String> =
            of_logs.map(|line| format!("{}:{}: {}", line.file, line.line, line.text)).collect();
        fenced(text, &quoted.join("\n"));
    }
    let of_step = failure.record.steps.iter().filter(|step| Some(step.index) == verdict.step);
    for command in of_step.flat_map(|step| &step.commands) {
        let finished = &command.finished;
        if !finished.exit.is_success() {
            let said =
                format!("# {}\n{}{}\n[{}]", command.line, finished.stdout, finished.stderr, finished.exit);
            fenced(text, &said);
        }
    }
}

fn additional(text: &mut String, failure: &Failure<'_>, known: &Known<'_>) {
    let Known { replays, verified, neighbours, .. } = known;
    let _ = writeln!(text, "- {}", capital(&replays.to_string()));
    let _ = writeln!(text, "- {}", capital(&verified.to_string()));
    if let Some(why) = failure.needs_more() {
        let _ = writeln!(text, "- {}", capital(why));
    }
    for line in *neighbours {
        let _ = writeln!(text, "- {}", capital(line));
    }
    for diagnosis in failure.cell.diagnosis.iter().flatten().take(1) {
        let _ = writeln!(
            text,
            "- A rule (`{}`, confidence {}) takes it for: {}",
            diagnosis.rule, diagnosis.confidence, diagnosis.headline
        );
        for reference in &diagnosis.references {
            let _ = writeln!(text, "- See {reference}");
        }
    }
}

/// What a command of the check before the story printed.
fn printed(failure: &Failure<'_>, line: &str) -> Option<String> {
    let commands = failure.record.steps.iter().filter(|step| step.index == 0).flat_map(|step| &step.commands);
    // Records of before 2026-11-28 have it in a line that reads a file.
    let is = |it: &str| it == line || it.contains(&format!(" {line} >"));
    let command = commands.into_iter().find(|command| is(&command.line))?;
    let finished = &command.finished;
    Some(format!("{}{}\n[{}]", finished.stdout, finished.stderr, finished.exit))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    // A file's name keeps its own letters.
    if words.starts_with("reproduce.sh") { words.to_owned() } else { format!("{first}{}", letters.as_str()) }
}

fn heading(text: &mut String, title: &str) {
    let gap = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{gap}### {title}\n");
}

/// The fence is longer than any run of backticks within, which would close it.
fn fenced(text: &mut String, body: &str) {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let _ = writeln!(text, "{fence}\n{}\n{fence}\n", body.trim_matches('\n'));
}

fn detail(text: &mut String, title: &str, body: &str) {
    let _ = writeln!(text, "<details><summary>{title}</summary>\n");
    fenced(text, body);
    let _ = writeln!(text, "</details>\n");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;
    use crate::engine;
    use crate::judge::{Kind, Verdict};
    use crate::model::{Exit, Finished, Stage, Workload};
    use crate::record::{CellRecord, CommandRecord, StepRecord};
    use crate::report::sample;
    use crate::scenario::Library;

    #[rstest]
    #[case::plain("a\n", "```\na\n```\n\n")]
    #[case::short("`a`", "```\n`a`\n```\n\n")]
    #[case::fence("```\na\n```", "````\n```\na\n```\n````\n\n")]
    #[case::longer("a ````` b", "``````\na ````` b\n``````\n\n")]
    fn a_fence_is_not_closed_from_within(#[case] body: &str, #[case] expected: &str) {
        let mut text = String::new();
        fenced(&mut text, body);
        assert_eq!(text, expected);
    }

    fn told(engine: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let library = Library::read(&folder, &Workload::names()).unwrap();
        let story = library.stories().iter().find(|story| story.name == "counter").unwrap();
        let failed = CommandRecord {
            role: Role::Source,
            line: "criu dump".to_owned(),
            decisive: true,
            finished: Finished {
                exit: Exit::Status(1),
                stdout: String::new(),
                stderr: "no\n".into(),
                millis: 5,
            },
            hang: None,
        };
        let step = StepRecord {
            index: 3,
            stage: Stage::Dump,
            text: "dump one".to_owned(),
            commands: vec![failed],
            observations: Vec::new(),
        };
        let record = CellRecord { steps: vec![step], ..CellRecord::default() };
        let verdict = Verdict {
            kind: Kind::Fail,
            stage: Some(Stage::Dump),
            step: Some(3),
            reason: "exit status 1".to_owned(),
            first_error: Some("Error (criu/x.c:1): why it is so".to_owned()),
            known: None,
            copies: None,
            samples: crate::judge::Samples::new(),
            seconds: None,
        };
        let engine = engine::named(engine, None).unwrap();
        let workload = Workload::named("counter").unwrap();
        let cell = sample::any_cell();
        let failure = Failure {
            cell: &cell,
            story,
            workload,
            engine: engine.as_ref(),
            record: &record,
            verdict: &verdict,
        };
        let symptom = failure.symptom();
        assert_eq!((symptom.step.as_str(), symptom.text.as_deref()), ("3 dump one", Some("why it is so")));
        let known = Known {
            replays: &Replays { alike: 2, passed: 1, ..Replays::default() },
            verified: &Verified::of(0, "REPRODUCED: step 3"),
            sections: &Sections::parse("== docker version\n28\n"),
            neighbours: &["kernel 6.12: pass".to_owned()],
        };
        issue(&failure, &known).unwrap()
    }

    #[rstest]
    #[case("criu", "### Steps to reproduce the issue\n", "### Describe the results you expected\n")]
    #[case("docker", "### Reproduce\n", "### Expected behavior\n")]
    #[case("podman", "### Issue Description\n", "### Describe the results you expected\n")]
    #[case(
        "docker",
        "<summary>Output of `docker version`</summary>\n\n```\n28\n```",
        "### Additional Info\n"
    )]
    fn has_the_headings_of_the_form(#[case] engine: &str, #[case] first: &str, #[case] second: &str) {
        let text = told(engine);
        assert!(text.contains(first) && text.contains(second), "{text}");
    }

    #[test]
    fn says_what_came_of_it() {
        let text = told("criu");
        for words in [
            "Step 3 dump one: exit status 1: Error (criu/x.c:1): why it is so",
            "# criu dump\nno\n\n[exit status 1]",
            "- It failed alike in 2 of 3 replays; 1 passed\n",
            "- reproduce.sh was run in a fresh guest of the same stack: REPRODUCED: step 3\n",
            "- Kernel 6.12: pass\n",
            "echo '== 3 dump one'",
        ] {
            assert!(text.contains(words), "{words}\n\n{text}");
        }
    }
}
