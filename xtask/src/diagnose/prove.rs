//! Holds the rules against the logs that they were written from, and against logs that they were not.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::case::Case;
use super::class::Class;
use super::context::{Context, Fact};
use super::reason::Diagnosis;
use super::rule::{Match, Role, Rule};
use super::rulebook::{Rulebook, RulebookError};
use crate::toml_file::{ReadError, Source};

/// Something that is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// What is wrong, in a sentence.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// Every finding about the rules; none where each explains its own logs, spares those that it must spare, and leaves
/// the others' alone.
pub fn prove(book: &Rulebook) -> Vec<Finding> {
    let mut findings = twins(book);
    for rule in book.rules() {
        let mut say = |what: String| findings.push(Finding { rule: rule.id.clone(), what });
        for excerpt in &rule.matches {
            of_own_log(book, rule, excerpt, &mut say);
        }
        for spare in &rule.spares {
            let diagnoses = diagnoses(book, &spare.text, &spare.context);
            if diagnoses.iter().any(|diagnosis| diagnosis.rule == rule.id) {
                say(format!("explains a log that it must spare, {}", spare.source));
            }
        }
    }
    findings
}

fn diagnoses(book: &Rulebook, text: &str, context: &BTreeMap<Fact, String>) -> Vec<Diagnosis> {
    book.explain(&Case::of_text("-", text), &Context::of(context)).diagnoses
}

fn of_own_log(book: &Rulebook, rule: &Rule, excerpt: &Match, say: &mut dyn FnMut(String)) {
    let source = &excerpt.source;
    let index = book.rules().iter().position(|other| other.id == rule.id);
    if !excerpt.text.lines().any(|line| index.is_some_and(|index| book.matching(line, true).contains(&index)))
    {
        say(format!("its pattern matches no line of its own log, {source}"));
        return;
    }
    let diagnoses = diagnoses(book, &excerpt.text, &excerpt.context);
    let place = diagnoses.iter().position(|diagnosis| diagnosis.rule == rule.id);
    let expected = rule.role <= Role::Symptom;
    match (place, diagnoses.first()) {
        (None, Some(first)) if expected => {
            say(format!("is shadowed by `{}` in its own log, {source}", first.rule));
        }
        (None, None) if expected => say(format!("does not explain its own log, {source}")),
        (Some(place), Some(first)) if place > 0 && !excerpt.alongside.contains(&first.rule) => {
            say(format!("stands behind `{}` in its own log, {source}", first.rule));
        }
        _ => {}
    }
    for other in &diagnoses {
        if other.rule != rule.id && place.is_some() && !excerpt.alongside.contains(&other.rule) {
            say(format!("`{}` explains its log too, {source}", other.rule));
        }
    }
    for other in &excerpt.alongside {
        if !book.rules().iter().any(|rule| rule.id == *other) {
            say(format!("says that `{other}` matches too, and there is no such rule"));
        }
    }
}

/// Rules with one pattern must be told apart by their versions, or by the lines around.
fn twins(book: &Rulebook) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, rule) in book.rules().iter().enumerate() {
        let same = |other: &&Rule| {
            other.pattern == rule.pattern
                && other.when == rule.when
                && other.with == rule.with
                && other.without == rule.without
        };
        if let Some(other) = book.rules()[..at].iter().find(same) {
            let what = format!("has the pattern of `{}`, and nothing tells them apart", other.id);
            findings.push(Finding { rule: rule.id.clone(), what });
        }
    }
    findings
}

/// Rules that quote a log which is held out: what they were written from proves nothing of them.
pub fn quoted(book: &Rulebook, held_out: &[Judged]) -> Vec<Finding> {
    let quotes = |rule: &Rule, source: &str| {
        rule.matches
            .iter()
            .map(|log| &log.source)
            .chain(rule.spares.iter().map(|log| &log.source))
            .any(|it| it == source)
    };
    let mut findings = Vec::new();
    for rule in book.rules() {
        for log in held_out.iter().filter(|log| quotes(rule, &log.source)) {
            findings.push(Finding {
                rule: rule.id.clone(),
                what: format!("quotes a log that is held out, {}", log.source),
            });
        }
    }
    findings
}

/// A file of `knowledge/held-out/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldOutFile {
    case: Vec<HeldOut>,
}

/// A real log whose cause is known, and that no rule was written from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldOut {
    source: String,
    class: Class,
    #[serde(default)]
    also: Vec<Class>,
    #[serde(default)]
    context: BTreeMap<Fact, String>,
    why: String,
    text: String,
}

/// How the rules did on one held-out log.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Where the log stands.
    pub source: String,
    /// The true class.
    pub class: Class,
    /// How that is known.
    pub why: String,
    /// The rule and the class that were answered.
    pub answer: Option<(String, Class)>,
    /// Right, wrong or unknown.
    pub outcome: Outcome,
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The true class, or an answer of "unknown" where nobody knows.
    Right,
    /// Another class.
    Wrong,
    /// No answer.
    Unknown,
}

/// Holds the rules against every log of a folder.
///
/// # Errors
/// When the folder or a file of it cannot be read.
pub fn judge_held_out(book: &Rulebook, folder: &Path) -> Result<Vec<Judged>, RulebookError> {
    let mut judged = Vec::new();
    for path in super::rulebook::toml_files(folder)
        .map_err(|source| RulebookError::Folder { path: folder.to_owned(), source })?
    {
        let source = Source::read(&path)?;
        let file: HeldOutFile = source.parse().map_err(ReadError::from)?;
        judged.extend(file.case.into_iter().map(|case| judge(book, case)));
    }
    Ok(judged)
}

fn judge(book: &Rulebook, case: HeldOut) -> Judged {
    let first = diagnoses(book, &case.text, &case.context).into_iter().next();
    let outcome = match &first {
        Some(first) if first.class == case.class || case.also.contains(&first.class) => Outcome::Right,
        None if case.class == Class::UNKNOWN => Outcome::Right,
        None => Outcome::Unknown,
        Some(_) => Outcome::Wrong,
    };
    let answer = first.map(|first| (first.rule, first.class));
    Judged { source: case.source, class: case.class, why: case.why, answer, outcome }
}
