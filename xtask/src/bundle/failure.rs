//! One failed cell, and what it is known by when it is met again.

use crate::engine::Engine;
use crate::judge::Verdict;
use crate::model::{Exit, Verb, Workload};
use crate::record::CellRecord;
use crate::report::Cell;
use crate::scenario::Story;
use crate::script;

/// What the judge says of ticks in the same words as `same-ticks.sh` does.
const OF_TICKS: &[&str] = &[
    "is another program",
    "changed its pid",
    "changed its items",
    "lost items",
    "lost ticks",
    "told ticks again",
    "went on too far",
    "told no tick after the restore",
];

/// A failed cell with all that its record tells.
#[derive(Clone, Copy)]
pub struct Failure<'a> {
    /// As it is reported, diagnosed.
    pub cell: &'a Cell,
    /// Its story as it was played.
    pub story: &'a Story,
    /// The story's program.
    pub workload: &'a Workload,
    /// Who drove CRIU.
    pub engine: &'a dyn Engine,
    /// What was recorded of it.
    pub record: &'a CellRecord,
    /// The verdict: a fail.
    pub verdict: &'a Verdict,
}

/// What a failure is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// The marker of the step that fails: `3 dump one`.
    pub step: String,
    /// A piece of the error's text that is the same each time; `None` where no log of the machine's says it.
    pub text: Option<String>,
    /// Whether the step does not fail but hangs.
    pub hangs: bool,
}

impl Failure<'_> {
    /// What it is known by.
    pub fn symptom(&self) -> Symptom {
        let number = self.verdict.step.unwrap_or_default();
        let step = match number.checked_sub(1).and_then(|index| self.story.steps.get(index)) {
            Some(step) => script::marker(number, step),
            None => script::CHECK.to_owned(),
        };
        let hangs = self.commands(number).any(|exit| exit == Exit::TimedOut);
        Symptom { step, text: self.text(number).as_deref().and_then(stable), hangs }
    }

    /// Why the script cannot be run by itself in one guest, where it cannot.
    pub fn needs_more(&self) -> Option<&'static str> {
        let has = |wanted: fn(&Verb) -> bool| self.story.steps.iter().any(|step| wanted(&step.verb));
        if self.story.roles().len() > 1 {
            Some("the story needs a second host: say DEST=root@host")
        } else if has(|verb| matches!(verb, Verb::PowerCut { .. })) {
            Some(
                "the story cuts the machine's power: say POWER_CUT=yes, and paste its second part after the boot",
            )
        } else {
            None
        }
    }

    /// The line that says why: the first evidence of the diagnosis, where it stands in a log of the failed step, or
    /// else the first error that the judge found there, or its word for what is wrong with the ticks. What only the
    /// harness saw is in no log.
    fn text(&self, number: usize) -> Option<String> {
        let evidence = self.cell.diagnosis.iter().flatten().next().and_then(|first| first.evidence.first());
        let of_step = format!("{number:02}-");
        match evidence {
            Some(line) if line.file.starts_with(&of_step) => Some(line.text.clone()),
            _ if self.verdict.first_error.is_some() => self.verdict.first_error.clone(),
            _ => OF_TICKS.iter().find(|words| self.verdict.reason.contains(**words)).map(ToString::to_string),
        }
    }

    fn commands(&self, number: usize) -> impl Iterator<Item = Exit> {
        let steps = self.record.steps.iter().filter(move |step| step.index == number);
        steps.flat_map(|step| &step.commands).map(|command| command.finished.exit)
    }
}

/// The longest piece of a line that holds no digit, no quote and no tab: numbers are others each time. `None` where
/// even that is too short to tell anything.
fn stable(line: &str) -> Option<String> {
    const LEAST: usize = 8;
    // What is before it is the place in CRIU's source, which many errors share.
    let words = line.split_once("): ").map_or(line, |(_, words)| words);
    let pieces = words.split(|c: char| c.is_ascii_digit() || c.is_control() || c == '"' || c == '\\');
    let longest = pieces.map(str::trim).max_by_key(|piece| piece.len())?;
    (longest.len() >= LEAST).then(|| longest.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_script_says_it_in_the_same_words() {
        let script = include_str!("../../../guest/workloads/same-ticks.sh");
        for words in OF_TICKS {
            assert!(script.contains(&format!("wrong \"{words}")), "{words}");
        }
    }

    #[rstest]
    #[case(
        "(00.346944) Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds",
        Some("vdso: Unexpected rt vDSO area bounds")
    )]
    #[case("Error (criu/x.c:1): Can't dump 123: pid 7", Some("Can't dump"))]
    #[case("1 2 3 no 4", None)]
    #[case("", None)]
    fn the_piece_that_is_the_same_each_time(#[case] line: &str, #[case] expected: Option<&str>) {
        assert_eq!(stable(line).as_deref(), expected);
    }
}
