//! The outcome of a cell, and why. A failed restore is a verdict; that we could not ask is one too, and another.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::known_bug::KnownAs;
use crate::model::Stage;

/// The seven outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The story went as told, and the evidence proves it.
    Pass,
    /// The thing under test did not do it.
    Fail,
    /// It was not asked, for a reason.
    Skip,
    /// It fails as a known bug does.
    KnownBug,
    /// A known bug is gone.
    Fixed,
    /// It passes and fails by turns.
    Flaky,
    /// We could not ask.
    Broken,
}

impl Kind {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 7] =
        [Self::Pass, Self::Fail, Self::Fixed, Self::Flaky, Self::Broken, Self::KnownBug, Self::Skip];

    /// `pass`, `fail`, `skip`, `known-bug`, `fixed`, `flaky`, `broken`: as in report.json.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::KnownBug => "known-bug",
            Self::Fixed => "fixed",
            Self::Flaky => "flaky",
            Self::Broken => "broken",
        }
    }

    /// Whether nobody needs to look at it.
    pub fn is_expected(self) -> bool {
        matches!(self, Self::Pass | Self::Skip | Self::KnownBug)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What was measured, by what and in which unit; a number for each time that it was.
pub type Samples = BTreeMap<String, Vec<u64>>;

/// An outcome with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which.
    pub kind: Kind,
    /// Where it failed, where it did.
    pub stage: Option<Stage>,
    /// The step that it failed in, from 1, where it did; 0 is the check before the story.
    pub step: Option<usize>,
    /// Why, in a CRIU developer's words; of a pass what it has measured, and empty for a plain one.
    pub reason: String,
    /// The first line that says `Error` in the log of that stage.
    pub first_error: Option<String>,
    /// The known bug that it is, or was.
    pub known: Option<KnownAs>,
    /// Which copies of the program run after a move that failed.
    pub copies: Option<String>,
    /// What a pass has measured, for each time that it was played.
    pub samples: Samples,
    /// Wall time of the cell; `None` where none was played.
    pub seconds: Option<f64>,
}

impl Verdict {
    /// A verdict of which no more is known than why.
    pub fn new(kind: Kind, reason: &str) -> Self {
        Self {
            kind,
            stage: None,
            step: None,
            reason: reason.to_owned(),
            first_error: None,
            known: None,
            copies: None,
            samples: Samples::new(),
            seconds: None,
        }
    }

    /// The reason, what became of the program, and the first error as one line.
    pub fn sentence(&self) -> String {
        let error = self.first_error.as_deref().map(str::trim).filter(|error| !error.is_empty());
        let reason = match &self.copies {
            None => self.reason.clone(),
            Some(copies) => format!("{}; {copies}", self.reason),
        };
        match error {
            None => reason,
            Some(error) if reason.is_empty() => error.to_owned(),
            Some(error) if reason.contains(error) => reason,
            Some(error) => format!("{reason}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn a_sentence_says_each_thing_once() {
        let verdict = |reason: &str, error: Option<&str>| Verdict {
            kind: Kind::Fail,
            stage: Some(Stage::Dump),
            step: Some(3),
            reason: reason.into(),
            first_error: error.map(Into::into),
            known: None,
            copies: None,
            samples: Samples::new(),
            seconds: None,
        };
        assert_eq!(verdict("exit status 1", None).sentence(), "exit status 1");
        assert_eq!(verdict("exit status 1", Some("Error: no")).sentence(), "exit status 1: Error: no");
        assert_eq!(verdict("said Error: no", Some("Error: no")).sentence(), "said Error: no");
        assert_eq!(verdict("", Some("Error: no")).sentence(), "Error: no");
    }
}
