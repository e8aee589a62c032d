//! Words of a failure's reason: a plain part of it, or a regular expression between slashes.

use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// `Unexpected rt vDSO area bounds`, or `/vdso: Unexpected .* bounds/`. CRIU's lines are full of brackets and dots,
/// so that a plain part is the rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason {
    text: String,
    regex: Option<Regex>,
}

/// Why something is no part of a reason.
#[derive(Debug, thiserror::Error)]
pub enum ReasonError {
    /// It is in every reason.
    #[error("an empty reason means nothing: leave the key out, and it means any")]
    Empty,
    /// It is not a regular expression.
    #[error("`{0}` is no regular expression: {1}")]
    Regex(String, regex::Error),
}

impl Reason {
    /// Whether it is found in a reason.
    pub fn is_in(&self, reason: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(reason),
            None => reason.contains(&self.text),
        }
    }
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;

    fn try_from(text: String) -> Result<Self, ReasonError> {
        let between = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        if between.unwrap_or(&text).trim().is_empty() {
            return Err(ReasonError::Empty);
        }
        let regex = between
            .map(|between| Regex::new(between).map_err(|error| ReasonError::Regex(text.clone(), error)))
            .transpose()?;
        Ok(Self { text, regex })
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.text
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Reason {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let reason = Reason::try_from(text.to_owned()).unwrap();
        let said = "exit status 1: Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds";
        assert_eq!(reason.is_in(said), expected, "{text}");
    }

    #[test]
    fn plain_or_regular() {
        check("vDSO area bounds", true);
        check("(criu/vdso.c:381)", true);
        check("vdso.*bounds", false);
        check("/vdso.*bounds$/", true);
        check("/^vdso/", false);
        let error = |text: &str| Reason::try_from(text.to_owned()).unwrap_err().to_string();
        assert!(error("/(/").contains("is no regular expression"));
        assert!(error("//").contains("leave the key out"));
    }
}
