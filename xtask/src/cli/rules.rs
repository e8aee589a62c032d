//! `rules`: what `explain` knows, and the proof of it.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::places;
use crate::diagnose::{Outcome, Rulebook, judge_held_out, prove, quoted};
use crate::exit_code::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Hold each rule against the logs that it was written from, and all of them against logs that they were not
    Check,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let book = Rulebook::read(&places::knowledge())?;
    match arguments.command {
        None => list(&book),
        Some(Command::Check) => check(&book),
    }
}

fn list(book: &Rulebook) -> anyhow::Result<ExitCode> {
    let wide = |of: &dyn Fn(&crate::diagnose::Rule) -> usize| book.rules().iter().map(of).max().unwrap_or(0);
    let (id, class) = (wide(&|rule| rule.id.len()), wide(&|rule| rule.class.to_string().len()));
    let mut text = String::new();
    let mut last = None;
    for (file, rule) in book.files() {
        let theme = file.file_stem().context("a file of rules has a name")?.to_string_lossy();
        if last != Some(file) {
            let _ = writeln!(text, "{}{theme}", if last.is_some() { "\n" } else { "" });
            last = Some(file);
        }
        let _ = writeln!(
            text,
            "  {:id$}  {:class$}  {:8}  {:6}  {}",
            rule.id, rule.class, rule.role, rule.confidence, rule.headline
        );
    }
    super::print(&text)?;
    Ok(ExitCode::AsExpected)
}

fn check(book: &Rulebook) -> anyhow::Result<ExitCode> {
    let judged = judge_held_out(book, &places::knowledge().join("held-out"))?;
    let findings = [prove(book), quoted(book, &judged)].concat();
    for finding in &findings {
        println!("{finding}");
    }
    let excerpts: usize = book.rules().iter().map(|rule| rule.matches.len()).sum();
    println!("{} rules, {excerpts} logs of their own: {} findings", book.rules().len(), findings.len());
    let count = |outcome| judged.iter().filter(|one| one.outcome == outcome).count();
    for one in judged.iter().filter(|one| one.outcome != Outcome::Right) {
        let answer =
            one.answer.as_ref().map_or("no answer".to_owned(), |(rule, class)| format!("{class} ({rule})"));
        println!("held out: {answer}, and it is {}: {}", one.class, one.source);
    }
    let (right, wrong, unknown) = (count(Outcome::Right), count(Outcome::Wrong), count(Outcome::Unknown));
    println!("{} logs held out: {right} right, {wrong} wrong, {unknown} unknown", judged.len());
    // One wrong answer in thirty is what a reader can live with.
    let sound = findings.is_empty() && wrong * 30 <= judged.len();
    Ok(if sound { ExitCode::AsExpected } else { ExitCode::Unexpected })
}
