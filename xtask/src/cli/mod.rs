//! The command line: one command a file. Only here do errors become text, and outcomes exit codes.

mod bench;
mod boxes;
mod checks;
mod clean;
mod diff;
mod doctor;
mod explain;
mod harness;
mod hosts;
mod judged;
mod matrix;
mod own_engine;
mod parts;
mod places;
mod profile;
mod report;
mod repro;
mod rules;
mod scenarios;
mod setup;
mod shell;
mod single;
mod stacks;
mod workflows;

use std::io::Write as _;
use std::os::fd::BorrowedFd;

use clap::{Parser, Subcommand};

use crate::exit_code::ExitCode;
use crate::host::LaunchError;
use crate::install::InstallError;
use crate::interrupt;
use crate::record::{FolderError, WriteError};
use crate::report::{Style, terminal_width};

/// Which checkpoint/restore story works on which kernel, userland and CRIU, and where it does not.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the distribution's packages that are missing; nothing else of the machine is touched
    Setup(setup::Arguments),
    /// Say what is there, what is missing, and which accelerator works
    Doctor,
    /// Play scenarios on hosts, and print which work where
    Matrix(Box<matrix::Arguments>),
    /// Pack a failed cell for an issue: a script that reproduces it, its logs, and what is known of it
    Repro(repro::Arguments),
    /// Make the reports of a run folder again, from its record alone
    Report(report::Arguments),
    /// Say what a log means: whose fault it is, what to change, and the line that says so
    Explain(explain::Arguments),
    /// List the rules that logs are explained by, or prove them
    Rules(rules::Arguments),
    /// Say what changed between two runs; exit status 1 when a cell regressed
    Diff(diff::Arguments),
    /// List the scenarios
    Scenarios,
    /// Print a scenario as a plain sh script
    Show(scenarios::ShowArguments),
    /// List the kernels, userlands and CRIUs that can be had
    Hosts(hosts::Arguments),
    /// Open a shell in a guest
    Shell(shell::Arguments),
    /// Make boxes for Vagrant
    Box(boxes::Arguments),
    /// Remove what was cached
    Clean(clean::Arguments),
    /// Measure what the harness costs
    Bench(bench::Arguments),
    /// Run the project's own checks, all that CI runs
    Test(checks::Arguments),
    /// The same as `test --setup`, as CI calls it
    Ci,
}

/// Runs a command line to its exit code. What went wrong is on standard error.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed by the same way, and are no errors.
            let _closed = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::AsExpected };
        }
    };
    let outcome = match cli.command {
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Doctor => doctor::run(),
        Command::Matrix(arguments) => matrix::run(&arguments),
        Command::Repro(arguments) => repro::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Scenarios => scenarios::list(),
        Command::Show(arguments) => scenarios::show(&arguments),
        Command::Hosts(arguments) => hosts::run(&arguments),
        Command::Shell(arguments) => shell::run(&arguments),
        Command::Box(arguments) => boxes::run(&arguments),
        Command::Clean(arguments) => clean::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Test(arguments) => checks::run(&arguments),
        Command::Ci => checks::run(&checks::Arguments::ci()),
    };
    outcome.unwrap_or_else(|error| {
        // What was cut short by Ctrl-C fails in many ways, and none of them matters.
        if interrupt::happened() {
            eprintln!("interrupted");
            return ExitCode::Interrupted;
        }
        eprintln!("error: {error:#}");
        exit_code(&error)
    })
}

/// Something that a command needed to know could not be found out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

/// What is wrong with the command line or a file is the user's to mend; what this machine or a mirror refused leaves
/// the question open.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let unanswered = error.chain().any(|cause| {
        cause.downcast_ref::<InstallError>().is_some_and(|error| !error.is_usage())
            || matches!(cause.downcast_ref::<FolderError>(), Some(FolderError::Io { .. }))
            || cause.is::<WriteError>()
            || cause.is::<LaunchError>()
            || cause.is::<Unanswered>()
    });
    if unanswered { ExitCode::Broken } else { ExitCode::Usage }
}

/// Prints to standard output. Whoever has read enough of it (`| head`) is not an error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot print"))
        }
        _ => Ok(()),
    }
}

/// How to write to a file of this process.
fn style_of(file: BorrowedFd<'_>) -> Style {
    Style::detect(|name| std::env::var(name).ok(), terminal_width(file))
}
