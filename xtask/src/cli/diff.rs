//! `diff`: two runs, or their reports, held against each other.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use clap::Args;

use super::report;
use crate::exit_code::ExitCode;
use crate::report::{Diff, Format};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The earlier run: its folder, or its report.json
    before: PathBuf,
    /// The later run: its folder, or its report.json
    after: PathBuf,
    /// In which form: text, markdown or json
    #[arg(long, default_value = "text")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let diff = Diff::of(&report::load(&arguments.before)?, &report::load(&arguments.after)?);
    print!("{}", arguments.format.render_diff(&diff, &super::style_of(std::io::stdout().as_fd()))?);
    Ok(ExitCode::from_diff(&diff))
}
