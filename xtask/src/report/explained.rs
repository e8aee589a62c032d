//! Diagnoses as text: what is at fault, the line that says so, and what to do.

use std::fmt::Write as _;

use super::style::Style;
use crate::diagnose::{Answer, Confidence, Diagnosis, Evidence};

/// What can be said of a case, for a person.
pub fn explained(answer: &Answer, style: &Style) -> String {
    let mut text = String::new();
    for (at, diagnosis) in answer.diagnoses.iter().enumerate() {
        if at > 0 {
            text.push_str("\nIt may also be:\n\n");
        }
        told(&mut text, diagnosis, style);
    }
    if let ([first, ..], [error, ..]) = (answer.diagnoses.as_slice(), answer.first_error.as_slice())
        && first.confidence == Confidence::Low
        && !first.evidence.contains(error)
    {
        let _ = writeln!(text, "\nThe first error itself is another line, and no rule is sure of it:");
        quote(&mut text, error);
    }
    if answer.diagnoses.is_empty() {
        unknown(&mut text, &answer.first_error, style);
    }
    text
}

fn told(text: &mut String, diagnosis: &Diagnosis, style: &Style) {
    let Diagnosis {
        rule, class, confidence, headline, evidence, assuming, cause, advice, references, ..
    } = diagnosis;
    paragraph(text, headline, "", style);
    let _ = writeln!(text, "  class {class}, confidence {confidence}, rule {rule}");
    if !assuming.is_empty() {
        let _ = writeln!(text, "  if {}: the log does not tell", assuming.join(" and "));
    }
    for line in evidence {
        quote(text, line);
    }
    text.push('\n');
    paragraph(text, cause, "  ", style);
    if !advice.is_empty() {
        text.push_str("\n  What to do:\n");
        for advice in advice {
            item(text, advice, style);
        }
    }
    if !references.is_empty() {
        text.push('\n');
        for reference in references {
            let _ = writeln!(text, "  {reference}");
        }
    }
}

fn unknown(text: &mut String, first_error: &[Evidence], style: &Style) {
    let Some(first) = first_error.first() else {
        text.push_str("unknown: there is no error in it that could be explained\n");
        paragraph(text, LOOK_NO_ERROR, "  ", style);
        return;
    };
    let _ = writeln!(
        text,
        "unknown: no rule explains it; the first error is line {} of {}",
        first.line, first.file
    );
    let mut around: Vec<&Evidence> = first_error.iter().collect();
    around.sort_by_key(|line| line.line);
    for line in around {
        let mark = if line.line == first.line { '>' } else { ' ' };
        let _ = writeln!(text, "  {mark} {:>6}  {}", line.line, line.text);
    }
    paragraph(text, LOOK, "  ", style);
}

const LOOK: &str = "Look at what stands before that line in the full log (`-v4`), at dmesg from the same time, \
    and at `criu check --all`. With the versions given (--criu, --kernel, --glibc, --engine) more rules can decide.";
const LOOK_NO_ERROR: &str = "An engine's message alone says little: give CRIU's own log as well. `dump.log` and \
    `restore.log`, in the engine's work folder or beside its images.";

fn quote(text: &mut String, line: &Evidence) {
    let _ = writeln!(text, "  {}:{}: {}", line.file, line.line, line.text);
}

fn item(text: &mut String, words: &str, style: &Style) {
    let mut part = String::new();
    paragraph(&mut part, words, "    ", style);
    text.push_str("  - ");
    text.push_str(part.trim_start());
}

/// Words in lines that fit.
fn paragraph(text: &mut String, words: &str, indent: &str, style: &Style) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let long = word.chars().count();
        if column == 0 {
            text.push_str(indent);
            column = indent.len();
        } else if column + 1 + long > style.width {
            text.push('\n');
            text.push_str(indent);
            column = indent.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += long;
    }
    text.push('\n');
}
