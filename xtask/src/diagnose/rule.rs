//! One rule, as a person writes it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::class::Class;
use super::context::Fact;

/// A file of `knowledge/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    #[serde(default)]
    pub(super) rule: Vec<toml::Spanned<Rule>>,
}

/// A cause of failures, how it looks in a log, and what to do about it. `knowledge/README.md` explains each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Kebab-case, unique.
    pub id: String,
    /// What is at fault.
    pub class: Class,
    /// The cause in one line.
    pub headline: String,
    /// What the line is to the failure.
    #[serde(default)]
    pub role: Role,
    /// How sure the line makes it.
    pub confidence: Confidence,
    /// A regular expression, searched in one line.
    pub pattern: String,
    /// Each must match some line of the case.
    #[serde(default)]
    pub with: Vec<String>,
    /// None may match any line of the case.
    #[serde(default)]
    pub without: Vec<String>,
    /// Which lines of CRIU's log are looked at.
    #[serde(default)]
    pub level: Level,
    /// Whether CRIU says that it finished, and yet it failed.
    #[serde(default)]
    pub silent: bool,
    /// Whether the line must be the last one of its log: where something hung, nothing comes after it.
    #[serde(default)]
    pub last: bool,
    /// Whether the same may go well the next time.
    #[serde(default)]
    pub sporadic: bool,
    /// Whether it is the machine's doing: then nothing was asked of what the story is about.
    #[serde(default)]
    pub machine: bool,
    /// What it holds for.
    #[serde(default)]
    pub when: BTreeMap<Fact, String>,
    /// Which of these must be known.
    #[serde(default)]
    pub needs: Vec<Fact>,
    /// What happens, and why.
    pub cause: String,
    /// What to do, the best first.
    pub advice: Vec<String>,
    /// Addresses, the most telling first.
    pub references: Vec<String>,
    /// Real logs that it explains.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// Real logs that it does not explain, although they look alike.
    #[serde(default)]
    pub spares: Vec<Spare>,
}

/// A real log that a rule explains.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Where it stands.
    pub source: String,
    /// What its author says and the text does not.
    #[serde(default)]
    pub context: BTreeMap<Fact, String>,
    /// Other rules that rightly match too.
    #[serde(default)]
    pub alongside: Vec<String>,
    /// The excerpt.
    pub text: String,
}

/// A real log that a rule does not explain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spare {
    /// Where it stands.
    pub source: String,
    /// What it is instead.
    pub because: String,
    /// What its author says and the text does not.
    #[serde(default)]
    pub context: BTreeMap<Fact, String>,
    /// The excerpt.
    pub text: String,
}

/// What a line is to the failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It tells why.
    #[default]
    Cause,
    /// It tells what broke, and not why.
    Symptom,
    /// It follows from an error before it.
    Cascade,
    /// It is met where nothing failed.
    Harmless,
}

/// Which lines of CRIU's log a rule looks at. Of other texts every line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Errors and warnings.
    #[default]
    Error,
    /// All.
    Any,
}

/// How sure a diagnosis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It is often this.
    Low,
    /// It is this nearly always.
    Medium,
    /// The line says it all.
    High,
}

impl Confidence {
    /// One less, and never less than low.
    pub(super) fn lower(self) -> Self {
        match self {
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cause => "cause",
            Self::Symptom => "symptom",
            Self::Cascade => "cascade",
            Self::Harmless => "harmless",
        })
    }
}
