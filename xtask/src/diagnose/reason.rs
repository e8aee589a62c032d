//! From the logs of a case to what is at fault.
//!
//! - A cause is nearer than a symptom; what only follows from another error explains nothing.
//! - The first error is nearer than the last, an error nearer than a warning, and CRIU's own log nearer than what an
//!   engine makes of it.
//! - The stack decides: a rule for other versions is out, one that needs a version that nobody knows says "if".
//! - Where no rule is left, nobody knows, and that is the answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::case::{Case, Line};
use super::class::Class;
use super::context::{Context, Fact, Fit};
use super::line::Kind;
use super::rule::{Confidence, Role, Rule};
use super::rulebook::Rulebook;

/// What is at fault, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The rule's id; `finished` for the built-in one of [`Class::NONE`].
    pub rule: String,
    /// What is at fault.
    pub class: Class,
    /// How sure it is.
    pub confidence: Confidence,
    /// The cause in one line.
    pub headline: String,
    /// The lines that say so, three at the most.
    pub evidence: Vec<Evidence>,
    /// Whether the same may go well the next time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sporadic: bool,
    /// Whether it is the machine's doing, and not that of what the log is about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub machine: bool,
    /// What must be true besides, and nobody knows: `glibc >=2.35`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assuming: Vec<String>,
    /// What happens, and why.
    pub cause: String,
    /// What to do, the best first.
    pub advice: Vec<String>,
    /// Addresses.
    pub references: Vec<String>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The log's name.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// The line, at most 400 characters of it.
    pub text: String,
}

/// All that can be said of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Best first; empty where nobody knows.
    pub diagnoses: Vec<Diagnosis>,
    /// The first error that is not known to follow from another, with the lines around it: what to look at where
    /// nothing is diagnosed. Empty where there is no error.
    pub first_error: Vec<Evidence>,
    /// What is known of the stack.
    pub context: Context,
}

/// A rule that a case has lines of.
struct Candidate<'a> {
    rule: &'a Rule,
    index: usize,
    lines: Vec<Line>,
    met: usize,
    open: Vec<(Fact, &'a str)>,
    confidence: Confidence,
}

/// Lines around the first error.
const AROUND: usize = 4;
/// Lines of evidence that a diagnosis shows.
const SHOWN: usize = 3;
/// Diagnoses of one case.
const MOST: usize = 3;

impl Rulebook {
    /// What is at fault in a case. `known` is sure, and what the logs tell adds to it.
    pub fn explain(&self, case: &Case, known: &Context) -> Answer {
        let facts = self.reader.read(case);
        let hits = self.hits(case);
        let mut candidates = Vec::new();
        for (rule, lines) in &hits {
            let mut by_run: BTreeMap<Option<usize>, Vec<Line>> = BTreeMap::new();
            for line in lines {
                by_run.entry(line.run).or_default().push(*line);
            }
            for (run, lines) in by_run {
                candidates.extend(self.candidate(case, &known.or(&facts.of_run(run)), *rule, lines));
            }
        }
        let first = self.first_error(case, &hits);
        for candidate in &mut candidates {
            if first.is_some_and(|first| hearsay(candidate, case.lines()[first], case, &hits)) {
                candidate.confidence = Confidence::Low;
            }
        }
        candidates.sort_by_cached_key(rank);
        let mut chosen: Vec<Candidate<'_>> = Vec::new();
        for candidate in candidates {
            if chosen.len() < MOST && !told_already(&chosen, &candidate) {
                chosen.push(candidate);
            }
        }
        let mut diagnoses: Vec<_> = chosen.iter().map(|candidate| diagnosis(candidate, case)).collect();
        if diagnoses.is_empty() && case.all_finished() && first.is_none() {
            diagnoses.extend(nothing_failed(case));
        }
        let first_error = first.map_or_else(Vec::new, |first| around(case, first));
        Answer { diagnoses, first_error, context: known.or(&facts.case) }
    }

    /// For each rule, the lines that it matches, in the order of the case.
    fn hits(&self, case: &Case) -> BTreeMap<usize, Vec<Line>> {
        let mut hits: BTreeMap<usize, Vec<Line>> = BTreeMap::new();
        for line in case.lines() {
            for rule in self.matching(case.text(*line), line.kind != Kind::Debug) {
                if self.rules()[rule].silent || !case.finished(*line) {
                    hits.entry(rule).or_default().push(*line);
                }
            }
        }
        hits
    }

    fn candidate<'a>(
        &'a self,
        case: &Case,
        context: &Context,
        index: usize,
        mut lines: Vec<Line>,
    ) -> Option<Candidate<'a>> {
        let rule = &self.rules()[index];
        if rule.role > Role::Symptom {
            return None;
        }
        lines.retain(|line| !rule.last || case.is_last(*line));
        if lines.is_empty() {
            return None;
        }
        let Fit::In { met, open } = context.fit(rule) else { return None };
        let any =
            |pattern: &Regex| case.lines().iter().any(|line| pattern.is_match(case.text(*line).as_bytes()));
        if !self.with(index).iter().all(any) || self.without(index).iter().any(any) {
            return None;
        }
        let confidence = if open.is_empty() { rule.confidence } else { rule.confidence.lower() };
        lines.sort_by_key(|line| place(*line));
        Some(Candidate { rule, index, lines, met, open, confidence })
    }

    /// The first error of a run that did not finish, or the first words that sound like one.
    fn first_error(&self, case: &Case, hits: &BTreeMap<usize, Vec<Line>>) -> Option<usize> {
        let explains_nothing: HashSet<(u32, u32)> = hits
            .iter()
            .filter(|(rule, _)| self.rules()[**rule].role >= Role::Cascade)
            .flat_map(|(_, lines)| lines.iter().map(|line| line.at()))
            .collect();
        let is_error = |line: &Line| match line.kind {
            Kind::Error => !case.finished(*line),
            Kind::Words => sounds_wrong(case.text(*line)),
            Kind::Warning | Kind::Debug => false,
        };
        let errors: Vec<usize> = (0..case.lines().len()).filter(|at| is_error(&case.lines()[*at])).collect();
        let of_criu = |at: &usize| case.lines()[*at].kind == Kind::Error;
        let telling = |at: &&usize| !explains_nothing.contains(&case.lines()[**at].at());
        let first = errors.iter().filter(telling).find(|at| of_criu(at));
        first.or_else(|| errors.iter().find(telling)).or_else(|| errors.first()).copied()
    }
}

/// A line and those around it in its log: the line itself first, the others as they stand.
fn around(case: &Case, at: usize) -> Vec<Evidence> {
    let line = case.lines()[at];
    let near = at.saturating_sub(AROUND)..(at + AROUND + 1).min(case.lines().len());
    let of_log = case.lines()[near].iter().filter(|other| std::ptr::eq(case.log(**other), case.log(line)));
    let mut shown: Vec<Evidence> = of_log.map(|line| evidence(*line, case)).collect();
    shown.sort_by_key(|other| (other.line != line.number, other.line));
    shown
}

/// Whether a rule has but words of a text in which CRIU itself tells of an error that no rule knows: somebody may
/// have mentioned another failure.
fn hearsay(candidate: &Candidate<'_>, first: Line, case: &Case, hits: &BTreeMap<usize, Vec<Line>>) -> bool {
    first.kind == Kind::Error
        && candidate.lines.iter().all(|line| line.kind == Kind::Words)
        && candidate.lines.iter().all(|line| std::ptr::eq(case.log(*line), case.log(first)))
        && !hits.values().flatten().any(|line| same(line, &first))
}

/// Less is nearer to the cause.
fn rank(candidate: &Candidate<'_>) -> impl Ord + use<> {
    let Candidate { rule, lines, met, open, confidence, index } = candidate;
    let place = lines.first().map(|line| place(*line));
    (
        (rule.role, *confidence == Confidence::Low),
        place,
        (open.len(), Reverse(met + rule.with.len()), Reverse(*confidence), *index),
    )
}

/// Where a line stands among the evidence: the kind of line, then its place in the case.
fn place(line: Line) -> (u8, (u32, u32)) {
    let kind = match line.kind {
        Kind::Error => 0,
        Kind::Debug => 1,
        Kind::Words => 2,
        Kind::Warning => 3,
    };
    (kind, line.at())
}

/// Whether what is chosen already says what this candidate would, or explains why its lines are there. What is left
/// are other runs of CRIU, and other readings of the same line that are as good.
fn told_already(chosen: &[Candidate<'_>], candidate: &Candidate<'_>) -> bool {
    chosen.iter().any(|better| {
        if better.rule.role < candidate.rule.role {
            return true;
        }
        let same_line = better.lines.iter().any(|line| same(line, &candidate.lines[0]));
        if same_line {
            return better.open.is_empty()
                || candidate.open.is_empty()
                || better.confidence > candidate.confidence
                || better.rule.class == candidate.rule.class;
        }
        // Of one run, or of words, the first cause is the one that counts.
        let run = |of: &Candidate<'_>| of.lines[0].run;
        run(candidate).is_none() || run(better) == run(candidate)
    })
}

fn same(one: &Line, other: &Line) -> bool {
    one.at() == other.at()
}

fn diagnosis(candidate: &Candidate<'_>, case: &Case) -> Diagnosis {
    let Rule { id, class, headline, sporadic, machine, cause, advice, references, .. } = candidate.rule;
    Diagnosis {
        rule: id.clone(),
        class: *class,
        confidence: candidate.confidence,
        headline: headline.clone(),
        sporadic: *sporadic,
        machine: *machine,
        evidence: candidate.lines.iter().take(SHOWN).map(|line| evidence(*line, case)).collect(),
        assuming: candidate.open.iter().map(|(fact, demand)| format!("{fact} {demand}")).collect(),
        cause: cause.trim().to_owned(),
        advice: advice.clone(),
        references: references.clone(),
    }
}

fn evidence(line: Line, case: &Case) -> Evidence {
    let printed = case.text(line).chars().filter(|c| *c == '\t' || !c.is_control());
    let text = printed.take(400).collect();
    Evidence { file: case.log(line).name.clone(), line: line.number, text }
}

/// Every run of CRIU finished, and nothing else complains.
fn nothing_failed(case: &Case) -> Option<Diagnosis> {
    let last = case.lines().iter().rfind(|line| case.finished(**line) && case.says_finished(**line))?;
    Some(Diagnosis {
        rule: "finished".into(),
        class: Class::NONE,
        confidence: Confidence::Medium,
        headline: "CRIU says that it finished, and nothing here says otherwise".into(),
        sporadic: false,
        machine: false,
        evidence: vec![evidence(*last, case)],
        assuming: Vec::new(),
        cause: "Each run of CRIU in these logs ends well; warnings and errors before its end were survived."
            .into(),
        advice: vec![
            "If the program is wrong all the same, look at its own output, and at the engine's log.".into(),
        ],
        references: Vec::new(),
    })
}

/// Words of failures.
const WRONG: &str = "(?i-u)error|fail|cannot|can't|could not|couldn't|unable|killed|panic|segmentation|denied|\
    timed out|timeout|not found|no such|refused|invalid|fatal|abort|out of memory|not permitted|not supported";

/// Whether words that are not of CRIU's log tell of a failure.
fn sounds_wrong(text: &str) -> bool {
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(WRONG).ok());
    WORDS.as_ref().is_some_and(|words| words.is_match(text.as_bytes()))
}
