//! A story as a plain `sh` script, for a root shell anywhere: no Rust, and nothing of ours.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, Refusal, WORK_FOLDER};
use crate::model::{Action, Expectation, Role, Step, Verb, Workload};
use crate::scenario::Story;

/// Why a story cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The engine has not the notion.
    #[error("{0}: the story cannot be played on this engine")]
    Refused(#[from] Refusal),
    /// A workload's source is not where it should be.
    #[error("cannot read the workload {}: {source}", path.display())]
    Workload {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Lowers a story to a script. `workloads` is the folder of the workloads' sources.
///
/// # Errors
/// When the engine refuses a step, or a source is missing.
pub fn script(
    story: &Story,
    workload: &Workload,
    engine: &dyn Engine,
    workloads: &Path,
) -> Result<String, ScriptError> {
    let mut text = head(story, engine.name());
    for file in workload.files.iter().chain(&["more-ticks.sh"]) {
        text.push_str(&furnish(file, workloads)?);
    }
    if story.roles().contains(&Role::Destination) {
        text.push_str(&destination(workload));
    }
    for (index, step) in story.steps.iter().enumerate() {
        let _infallible = write!(text, "\n# {}. {step}\n", index + 1);
        for action in engine.lower(step, workload)? {
            let _infallible = writeln!(text, "{}", action_line(&action));
        }
        if let Some(line) = look(step, workload) {
            let _infallible = writeln!(text, "{}", placed(step.on, &line));
        }
    }
    text.push_str("\necho passed\n)\n");
    Ok(text)
}

fn head(story: &Story, engine: &str) -> String {
    format!(
        "#!/bin/sh\n# {name}: {summary}\n# Engine: {engine}. Paste it into a root shell, or run it with sh; it needs \
         criu in PATH, and cc for a workload in C.\n(\nset -eu\nmkdir -p {WORK_FOLDER} && cd {WORK_FOLDER} && rm -rf images *.ticks\n",
        name = story.name,
        summary = story.summary,
    )
}

/// A workload's file: scripts and headers as they are, programs by compiling them, after the headers of ours.
fn furnish(file: &str, folder: &Path) -> Result<String, ScriptError> {
    let (source, compile) = if file.ends_with(".sh") || file.ends_with(".h") {
        (file.to_owned(), None)
    } else {
        (format!("{file}.c"), Some(format!("cc -O2 -pthread -o {file} {file}.c\n")))
    };
    let path = folder.join(&source);
    let text = fs::read_to_string(&path).map_err(|source| ScriptError::Workload { path, source })?;
    let mut all = String::new();
    for header in text.lines().filter_map(|line| line.strip_prefix("#include \"")?.strip_suffix('"')) {
        all.push_str(&furnish(header, folder)?);
    }
    // A tab that is pasted into a shell asks it to complete a word.
    let text = text.replace('\t', "    ");
    let end = if text.ends_with('\n') { "" } else { "\n" };
    all.push_str(&format!("\ncat >{source} <<'END_OF_FILE'\n{text}{end}END_OF_FILE\n"));
    all.push_str(&compile.unwrap_or_default());
    Ok(all)
}

fn destination(workload: &Workload) -> String {
    format!(
        "\n# The second host: DEST=root@host, with the same system and criu in PATH.\n\
         : \"${{DEST:?say which host to go to}}\"\n\
         at_destination() {{ ssh \"$DEST\" \"cd {WORK_FOLDER} && $1\"; }}\n\
         ssh \"$DEST\" \"rm -rf {WORK_FOLDER}; mkdir -p {WORK_FOLDER}\"\n\
         scp {} more-ticks.sh \"$DEST:{WORK_FOLDER}/\"\n",
        workload.files.join(" ")
    )
}

fn action_line(action: &Action) -> String {
    match action {
        Action::Run(role, command) => placed(*role, &command.line),
        Action::Carry(file) => format!("scp {file} \"$DEST:{WORK_FOLDER}/\""),
    }
}

fn placed(role: Role, line: &str) -> String {
    match role {
        Role::Source => line.to_owned(),
        Role::Destination => {
            let quoted =
                shlex::try_quote(line).map_or_else(|_| line.to_owned(), std::borrow::Cow::into_owned);
            format!("at_destination {quoted}")
        }
    }
}

/// What a person looks at where the harness judges.
fn look(step: &Step, workload: &Workload) -> Option<String> {
    let Verb::Expect(expectation) = &step.verb else { return None };
    Some(match expectation {
        Expectation::Gone => {
            "if kill -0 -\"$(cat workload.pid)\" 2>/dev/null; then echo 'it still runs'; exit 1; fi"
                .to_owned()
        }
        Expectation::Running | Expectation::Continues => {
            let files = workload.outputs().join(" ");
            format!(
                "tail -n 12 {files}  # the numbers go on without a gap, under the same pid, start and nonce"
            )
        }
    })
}
