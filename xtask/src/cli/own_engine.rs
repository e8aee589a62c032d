//! The container engine that `test --setup` starts for the tests, and why it starts none.
//!
//! It is the engine of guests out of the cache, in namespaces of its own: nothing is installed, and nothing stays.

use std::path::PathBuf;
use std::process::Command;

use super::setup::say;
use crate::engine::{self, ANSWERS, CGROUPS_AWAY, HERE};
use crate::install::{self, Asks, Cache, Config, EngineAsk, InstallError, Mode, Workshop, engine_key};
use crate::process::{self, ProcessError};

/// Why no engine was started.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoEngine {
    /// The tests before have used it.
    #[error("an engine of this machine answers already, which the tests before this one have used")]
    Answers,
    /// An ordinary user.
    #[error("starting a container engine of our own wants root: run this as root, or start an engine")]
    NotRoot,
    /// The engine's own image cannot be had.
    #[error("the container engine cannot be had: {0}")]
    Install(#[from] InstallError),
    /// It was tried.
    #[error("no container engine starts on this machine: {}", last(.0))]
    Start(ProcessError),
}

/// `program` beside an engine of its own, after one was really started and answered.
pub(super) fn command(program: &str) -> Result<Command, NoEngine> {
    let answers = process::output(process::command("sh").args(["-c", ANSWERS])).is_ok();
    if answers {
        return Err(NoEngine::Answers);
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(NoEngine::NotRoot);
    }
    let image = image()?;
    let beside = |words: &[&str]| {
        let mut command = process::command("unshare");
        command.args(engine::beside_one(&image, words));
        command
    };
    let tried = process::output(&mut beside(&["true"]));
    sweep();
    tried.map_err(NoEngine::Start)?;
    Ok(beside(&[program]))
}

/// Takes away what an engine's end leaves behind. What cannot be taken away is empty and harms nobody.
pub(super) fn sweep() {
    if let Err(error) = process::output(process::command("sh").args(["-c", CGROUPS_AWAY])) {
        say(error.to_string());
    }
}

/// The image that a guest with this engine gets.
fn image() -> Result<PathBuf, InstallError> {
    let ask = |recipe| EngineAsk {
        ask: HERE.to_owned(),
        userland: String::new(),
        version: engine::split(HERE).1.map(str::to_owned),
        recipe,
    };
    let asks = Asks { engines: engine::recipe(HERE).map(ask).into_iter().collect(), ..Asks::default() };
    let cache = Cache::open()?;
    let lock = install::resolve(&asks, &Config::default(), &cache, &Mode::default(), &say)?;
    let archives = Vec::new();
    let workshop = Workshop::new(&lock, &cache, false, &archives, &say);
    Ok(workshop.engine(&lock.engines[&engine_key(HERE, "")])?.image)
}

/// What a command said last: the line that was run is our own script, which tells a reader nothing.
fn last(error: &ProcessError) -> String {
    match error {
        ProcessError::Failed { stderr, status, .. } => {
            let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
            format!("{status}: {}", lines[lines.len().saturating_sub(6)..].join("; "))
        }
        ProcessError::Start { .. } => error.to_string(),
    }
}
