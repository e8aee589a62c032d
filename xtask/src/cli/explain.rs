//! `explain`: what a log means, without a guest and without a run.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::places;
use crate::diagnose::{Answer, Case, Context, Diagnosis, Evidence, Fact, Log, Rulebook};
use crate::engine;
use crate::exit_code::ExitCode;
use crate::report::explained;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Logs that belong to one failure, the most telling first: dump.log, restore.log, an engine's output, dmesg, a
    /// pasted issue; `-` for standard input
    #[arg(required = true)]
    file: Vec<PathBuf>,
    /// The kernel's release, as `uname -r` prints it
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<String>,
    /// CRIU's version
    #[arg(long, value_name = "VERSION")]
    criu: Option<String>,
    /// The engine, with its version where it is known: `docker@28.5.2`
    #[arg(long)]
    engine: Option<String>,
    /// The version of the glibc that the program runs on
    #[arg(long, value_name = "VERSION")]
    glibc: Option<String>,
    /// The architecture, as `uname -m` prints it
    #[arg(long)]
    arch: Option<String>,
    /// In which form
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For a person
    Text,
    /// For a program
    Json,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    diagnoses: &'a [Diagnosis],
    /// The first error and the lines around it, where nothing is diagnosed.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    first_error: &'a [Evidence],
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let logs = arguments.file.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<Log>>>()?;
    let book = Rulebook::read(&places::knowledge())?;
    let answer = book.explain(&Case::new(logs), &arguments.context()?);
    match arguments.format {
        Form::Text => super::print(&explained(&answer, &super::style_of(io::stdout().as_fd())))?,
        Form::Json => super::print(&(json(&answer)? + "\n"))?,
    }
    Ok(ExitCode::AsExpected)
}

impl Arguments {
    fn context(&self) -> anyhow::Result<Context> {
        let mut context = Context::default();
        let given = [
            (Fact::Kernel, &self.kernel),
            (Fact::Criu, &self.criu),
            (Fact::Glibc, &self.glibc),
            (Fact::Arch, &self.arch),
        ];
        for (fact, value) in given {
            context = context.with(fact, value.as_deref().unwrap_or(""));
        }
        if let Some(ask) = &self.engine {
            let (name, version) = engine::split(ask);
            let known = [engine::NAMES, &Context::ENGINES_ELSEWHERE].concat();
            if !known.contains(&name) {
                anyhow::bail!("no engine `{name}` is known to the rules; there are {}", known.join(", "));
            }
            context = context.of_engine(name, version);
        }
        Ok(context)
    }
}

fn json(answer: &Answer) -> anyhow::Result<String> {
    let first_error = if answer.diagnoses.is_empty() { answer.first_error.as_slice() } else { &[] };
    Ok(serde_json::to_string_pretty(&Json { format: 1, diagnoses: &answer.diagnoses, first_error })?)
}

/// A log may hold anything: bytes that are no UTF-8 are replaced.
fn read(path: &Path) -> anyhow::Result<Log> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        bytes
    } else {
        fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    Ok(Log { name: path.display().to_string(), text: String::from_utf8_lossy(&bytes).into_owned() })
}
