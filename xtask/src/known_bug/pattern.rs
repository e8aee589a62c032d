//! One pattern for the values of an axis: a name, a glob, a version with all that it begins, or a range of versions.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::model::leading_version;

/// `6.12` (and every 6.12.x), `>= 6.13, < 7`, `trixie`, `my-*`, `docker >= 28`.
///
/// A `*` does not look into folders, as in a pattern of scenarios: `bugs/*` does.
/// A bound has as many numbers as it says: `<= 6.12` has all of 6.12.x, as in Cargo's requirements.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// What was asked for has this name; or the version begins so, where it is one.
    Word { name: GlobMatcher, series: Option<VersionReq> },
    /// The version is in the range, and what was asked for has this name, where one is given.
    Range { name: Option<String>, versions: VersionReq },
}

/// Why something is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// It has no character.
    #[error("an empty pattern means nothing: leave the key out, and it means all")]
    Empty,
    /// It is not a range.
    #[error("`{0}` is no range of versions: write it like `>= 6.13, < 7`, or `docker >= 28`")]
    Range(String),
    /// It is not a glob.
    #[error("`{0}` is no pattern: {1}")]
    Glob(String, globset::Error),
}

impl Pattern {
    /// Whether it means a value of an axis: as it was asked for, and the version that a guest reported of it (empty
    /// where none did; then the version is the one that was asked for).
    pub fn means(&self, asked: &str, reported: &str) -> bool {
        let bare = asked.split('@').next().unwrap_or(asked);
        match &self.test {
            Test::Word { name, series } => {
                name.is_match(asked)
                    || name.is_match(bare)
                    || within(series.as_ref(), version_of(asked, reported))
            }
            Test::Range { name, versions } => {
                name.as_ref().is_none_or(|name| name == bare)
                    && within(Some(versions), version_of(asked, reported))
            }
        }
    }

    /// The name before a range: `docker` of `docker >= 28`.
    pub fn name_of_range(&self) -> Option<&str> {
        match &self.test {
            Test::Range { name, .. } => name.as_deref(),
            Test::Word { .. } => None,
        }
    }

    /// Whether it asks for a range.
    pub fn is_range(&self) -> bool {
        matches!(self.test, Test::Range { .. })
    }

    /// Whether a version lies in its range; a name has none.
    pub fn has(&self, version: &str) -> bool {
        match &self.test {
            Test::Range { versions, .. } => within(Some(versions), leading_version(version)),
            Test::Word { .. } => false,
        }
    }
}

fn within(versions: Option<&VersionReq>, version: Option<Version>) -> bool {
    versions.zip(version).is_some_and(|(versions, version)| versions.matches(&version))
}

/// `6.12.117` of `6.12.117+deb13-cloud-amd64`, 28 of `docker@28`, 4.1.1 of `4.1.1@userland`.
fn version_of(asked: &str, reported: &str) -> Option<Version> {
    let behind = asked.split_once('@').map(|(_, behind)| behind);
    leading_version(reported).or_else(|| leading_version(behind?)).or_else(|| leading_version(asked))
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(PatternError::Empty);
        }
        let test = match trimmed.find(['<', '>', '=']) {
            Some(at) => {
                let versions = VersionReq::parse(&trimmed[at..]);
                let versions = versions.map_err(|_| PatternError::Range(trimmed.to_owned()))?;
                let name = Some(trimmed[..at].trim().to_owned()).filter(|name| !name.is_empty());
                Test::Range { name, versions }
            }
            None => {
                let glob = GlobBuilder::new(trimmed).literal_separator(true).build();
                let glob = glob.map_err(|error| PatternError::Glob(trimmed.to_owned(), error))?;
                let version = trimmed.chars().all(|c| c.is_ascii_digit() || c == '.');
                let series = version.then(|| VersionReq::parse(&format!("={trimmed}")).ok()).flatten();
                Test::Word { name: glob.compile_matcher(), series }
            }
        };
        Ok(Self { text, test })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, asked: &str, reported: &str, expected: bool) {
        let parsed = Pattern::try_from(pattern.to_owned()).unwrap();
        assert_eq!(parsed.means(asked, reported), expected, "{pattern}: {asked}, {reported}");
    }

    #[test]
    fn names_versions_and_ranges() {
        check("6.12", "6.12", "", true);
        check("6.12", "6.12", "6.12.117+deb13-cloud-amd64", true);
        check("6.12", "6.12.117+deb13", "", true);
        check("6.12", "mine", "6.12.0-rc1", true);
        check("6.1", "6.12", "6.12.117+deb13-cloud-amd64", false);
        check("4.1", "4.1.1", "", true);
        check("4.1.1", "4.1.1@userland", "", true);
        check("mine", "mine", "6.13.0-rc1", true);
        check("mi*", "mine", "", true);
        check("mine", "6.12", "6.12.1", false);
        check(">= 6.13", "7.2", "", true);
        check(">= 6.13", "mine", "6.13.0-rc1", true);
        check(">= 6.13", "mine", "", false);
        check(">= 6.13, < 7", "7.2", "", false);
        check("<= 6.12", "6.12", "6.12.117+deb13-cloud-amd64", true);
        check("> 6.12", "6.12", "6.12.117+deb13-cloud-amd64", false);
        check("< 4", "3.17.1@userland", "3.17.1", true);
        // What the guest reported outweighs what was asked for.
        check("< 4", "3.17.1", "4.0", false);
        check("my-*", "my-root", "", true);
        check("/srv/my-*", "/srv/my-root.tar", "", true);
        check("docker", "docker@28.5.2", "", true);
        check("docker@28.5.2", "docker@28.5.2", "28.5.2", true);
        check("docker >= 28", "docker@28.5.2", "", true);
        check("docker >= 28", "docker", "26.1.5+dfsg1", false);
        check("docker >= 28", "podman@30", "30", false);
    }

    #[test]
    fn an_asterisk_does_not_look_into_folders() {
        check("*", "counter", "", true);
        check("*", "bugs/criu-3162", "", false);
        check("bugs/*", "bugs/criu-3162", "", true);
        check("**", "bugs/criu-3162", "", true);
    }

    #[test]
    fn what_is_none() {
        let error = |text: &str| Pattern::try_from(text.to_owned()).unwrap_err().to_string();
        assert!(error(" ").contains("leave the key out"));
        assert!(error(">= six").contains("`>= six` is no range of versions"));
        assert!(error("a[").contains("is no pattern"));
    }
}
