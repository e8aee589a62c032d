//! `scenarios` and `show`.

use anyhow::{Context as _, bail};
use clap::Args;

use super::places;
use crate::engine;
use crate::exit_code::ExitCode;
use crate::model::Workload;
use crate::script::script;

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The scenario's name
    scenario: String,
    /// Who drives CRIU
    #[arg(long, default_value = "criu")]
    engine: String,
}

pub(super) fn list() -> anyhow::Result<ExitCode> {
    let library = places::library()?;
    let width = library.stories().iter().map(|story| story.name.len()).max().unwrap_or(0);
    for story in library.stories() {
        println!("{:width$}  {}", story.name, story.summary);
    }
    Ok(ExitCode::AsExpected)
}

pub(super) fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let library = places::library()?;
    let stories = library.matching(std::slice::from_ref(&arguments.scenario))?;
    let [story] = stories.as_slice() else {
        bail!("`{}` names {} scenarios, and one is shown at a time", arguments.scenario, stories.len());
    };
    let engine = engine::named(&arguments.engine, None).with_context(|| unknown_engine(&arguments.engine))?;
    let workload = Workload::named(&story.workload).context("the story's workload is not known")?;
    print!("{}", script(story, workload, engine.as_ref(), &places::workloads())?);
    Ok(ExitCode::AsExpected)
}

pub(super) fn unknown_engine(name: &str) -> String {
    format!("no engine `{name}`; there are {}", engine::NAMES.join(", "))
}
