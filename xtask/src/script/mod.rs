//! A story as a plain `sh` script, for a root shell anywhere: no Rust, and nothing of ours.

mod ticks;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, Refusal, Scene, WORK_FOLDER};
use crate::model::{Action, Expectation, Role, Step, Verb, View, Workload};
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
    let body = steps(story, workload, engine)?;
    let mut text = head(story, engine);
    let scripts = SCRIPTS.iter().filter(|script| body.contains(*script));
    for file in workload.files.iter().chain(scripts) {
        text.push_str(&furnish(file, workloads)?);
    }
    text.push_str(&body);
    text.push_str("\necho passed\n)\n");
    Ok(text)
}

/// What commands call, beside the workload.
const SCRIPTS: &[&str] =
    &["more-ticks.sh", "same-ticks.sh", "make-rootfs.sh", "detached.sh", "container-items.sh", "periodic.sh"];

/// The marker of what comes before the first step.
pub const CHECK: &str = "0 check";

/// The marker of a step, which the script prints before it: `3 dump one`. Steps are counted from 1.
pub fn marker(number: usize, step: &Step) -> String {
    format!("{number} {step}")
}

/// The steps alone, without the files that they call.
///
/// # Errors
/// When the engine refuses a step.
pub fn steps(story: &Story, workload: &Workload, engine: &dyn Engine) -> Result<String, ScriptError> {
    let mut text = format!("\necho '== {CHECK}'\ncriu --version\n");
    text.push_str(&prepare(engine));
    if story.roles().contains(&Role::Destination) {
        text.push_str(&destination(workload));
    }
    let scene = Scene { workload, settings: &story.settings };
    for (index, step) in story.steps.iter().enumerate() {
        let _infallible = write!(text, "\necho {}\n", quoted(&format!("== {}", marker(index + 1, step))));
        let actions = engine.lower(step, &scene)?;
        put(&mut text, ticks::before(story, index, engine, &scene));
        for (at, action) in actions.iter().enumerate() {
            let line = if at + 1 == actions.len() { in_step(step, action) } else { action_line(action) };
            let _infallible = writeln!(text, "{line}");
        }
        if matches!(step.verb, Verb::StopDaemon(_)) {
            // It may be somebody's own.
            text.push_str("trap 'kill -CONT \"$(cat stopped.pid)\"' EXIT\n");
        }
        if matches!(step.verb, Verb::PowerCut { .. }) {
            text.push_str(&power_cut(step.on, engine));
        }
        let checks = ticks::after(story, index, engine, &scene);
        if checks.is_empty()
            && let Some(line) = look(step, engine, &scene)
        {
            let _infallible = writeln!(text, "{}", placed(step.on, &line));
        }
        put(&mut text, checks);
    }
    Ok(text)
}

fn put(text: &mut String, lines: Vec<String>) {
    for line in lines {
        let _infallible = writeln!(text, "{line}");
    }
}

/// One word of `sh`.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

fn head(story: &Story, engine: &dyn Engine) -> String {
    let (engine, contained) = (engine.name(), engine.recipe().is_some());
    let programs = if contained { format!("criu and {engine}") } else { engine.to_owned() };
    let made =
        if contained { "images rootfs work shared ticks.seen *.ticks" } else { "images ticks.seen *.ticks" };
    format!(
        "#!/bin/sh\n# {name}: {summary}\n# Engine: {engine}. Paste it into a root shell, or run it with sh; it needs \
         {programs} in PATH, and cc for a workload in C\n# or the folder of the compiled ones in BIN.\n(\nset -eu\nmkdir -p {WORK_FOLDER} && cd {WORK_FOLDER} && rm -rf {made}\n",
        name = story.name,
        summary = story.summary,
    )
}

/// A workload's file: scripts and headers as they are, programs by compiling them, after the headers of ours.
fn furnish(file: &str, folder: &Path) -> Result<String, ScriptError> {
    let (source, compile) = if Workload::is_source(file) {
        (file.to_owned(), None)
    } else {
        (
            format!("{file}.c"),
            Some(format!(
                "if command -v cc >/dev/null; then cc -O2 -pthread -o {file} {file}.c; else cp \"${{BIN:?there is no cc}}/{file}\" {file}; fi\n"
            )),
        )
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

/// The last action of a step, as the step wants it to end.
fn in_step(step: &Step, action: &Action) -> String {
    match action {
        Action::Run(role, command) if step.hangs => {
            let seconds = step.deadline.map_or(command.deadline.as_secs(), u64::from);
            let line = command.line.replace('\'', "'\\''");
            // 124 is timeout's own word for it.
            placed(
                *role,
                &format!("status=0; timeout {seconds} sh -c '{line}' || status=$?; [ $status = 124 ]"),
            )
        }
        // `!` would not end a script that has `set -e`.
        Action::Run(role, command) if step.refused => {
            format!("if {}; then echo 'it was done' >&2; exit 1; fi", placed(*role, &command.line))
        }
        _ => action_line(action),
    }
}

fn action_line(action: &Action) -> String {
    match action {
        Action::Run(role @ Role::Source, command) => placed(*role, &ending(&command.line)),
        Action::Run(role, command) => placed(*role, &command.line),
        Action::Carry(file) => format!("scp {file} \"$DEST:{WORK_FOLDER}/\""),
    }
}

/// A list of `&&` ends the script wherever in it a command fails: `set -e` looks at the last one alone.
fn ending(line: &str) -> String {
    let in_background = line.ends_with('&');
    if line.contains("&&") && !line.contains('\n') && !in_background {
        format!("{{ {line}; }} || exit $?")
    } else {
        line.to_owned()
    }
}

fn placed(role: Role, line: &str) -> String {
    match role {
        Role::Source => line.to_owned(),
        Role::Destination => format!("at_destination {}", quoted(line)),
    }
}

/// What the harness does to an engine before a story: its daemon is somebody else's on a machine that is in use.
fn prepare(engine: &dyn Engine) -> String {
    let mut text = String::new();
    if !engine.daemon().is_empty() {
        text.push_str("\n# The daemon, where it does not run so yet:\n");
    }
    for command in engine.daemon() {
        let _infallible = writeln!(text, "#   {}", command.line.replace('\n', "\n#   "));
    }
    if !engine.image().is_empty() {
        text.push_str("\n# The image.\nchmod +x ./*.sh\n");
    }
    for command in engine.image() {
        let _infallible = writeln!(text, "{}", ending(&command.line));
    }
    text
}

/// The kernel restarts the machine at once, without writing anything out, which is as good as a power cut. What
/// comes after it is a block of its own, to be pasted when the machine is up again.
fn power_cut(on: Role, engine: &dyn Engine) -> String {
    let daemon: String =
        engine.daemon().iter().map(|command| format!("{}\n", placed(on, &command.line))).collect();
    format!(
        ": \"${{POWER_CUT:?this restarts the machine at once: say POWER_CUT=yes}}\"\n{}\n)\n\n\
         # Paste what follows when it is up again.\n(\nset -eu\ncd {WORK_FOLDER}\n{daemon}",
        placed(on, "echo b >/proc/sysrq-trigger")
    )
}

/// Fails where the engine's word for the state is what it must not be.
fn state(line: &str, wrong: &str, words: &str) -> String {
    format!("state=$({line}); case \"$state\" in {wrong}) echo '{words}' >&2; exit 1 ;; esac")
}

/// What a person looks at where the harness judges.
fn look(step: &Step, engine: &dyn Engine, scene: &Scene<'_>) -> Option<String> {
    let Verb::Expect(expectation) = &step.verb else { return None };
    let look = engine.look(step.container.as_deref(), scene);
    let mut lines = Vec::new();
    match expectation {
        Expectation::Running | Expectation::Continues | Expectation::Fresh => {
            for (_, View { command, .. }) in &look.outputs {
                lines.push(match command.line.strip_prefix("cat ") {
                    Some(file) => format!("tail -n 12 {file}"),
                    None => format!("({}) | tail -n 12", command.line),
                });
            }
            let words = match expectation {
                Expectation::Fresh => "the numbers began at 1, with another nonce",
                _ => "the numbers go on without a gap, under the same pid, start and nonce",
            };
            if let Some(last) = lines.last_mut() {
                last.push_str("  # ");
                last.push_str(words);
            }
        }
        Expectation::Gone if !look.contained => lines.push(
            "if kill -0 -\"$(cat workload.pid)\" 2>/dev/null; then echo 'it still runs'; exit 1; fi"
                .to_owned(),
        ),
        Expectation::Gone => lines.push(state(&look.root.command.line, "*running*", "it still runs")),
        Expectation::Paused => lines.push(format!(
            "state=$({}); case \"$state\" in *paused*) ;; *) echo 'it is not paused' >&2; exit 1 ;; esac",
            look.root.command.line
        )),
        Expectation::Removed => lines.push(state(&look.root.command.line, "?*", "it is still listed")),
        Expectation::Unchanged | Expectation::SameNetwork => lines.push(format!(
            "sh ./container-items.sh \"{}\"  # the same as before the dump",
            engine.root(step.container.as_deref())
        )),
    }
    Some(lines.join("\n"))
}
