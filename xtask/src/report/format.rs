//! Which report is meant, and the way to each.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{Diff, Report, Style, diff, json, junit, markdown, table};

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As a terminal shows it.
    Text,
    /// GitHub-flavoured Markdown: `report.md`.
    Markdown,
    /// For other tools: `report.json`.
    Json,
    /// For CI systems: `junit.xml`.
    Junit,
}

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It names no form.
    #[error("no report format {0:?}: text, markdown, json and junit are known")]
    Unknown(String),
    /// What changed is no list of test cases.
    #[error("a diff has no form {0}: text, markdown and json are known")]
    NoDiff(Format),
    /// A value that JSON cannot hold.
    #[error("cannot write report.json: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that XML cannot hold.
    #[error("cannot write junit.xml: {0}")]
    Junit(#[from] quick_junit::SerializeError),
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Markdown, Self::Json, Self::Junit];

    /// The report in this form. Only text obeys the style and names logs from `folder` on, the run folder as the
    /// user would type it; the others go into that folder, and name them from there.
    ///
    /// # Errors
    /// When a value has no form in JSON or XML.
    pub fn render(self, report: &Report, style: &Style, folder: &Path) -> Result<String, FormatError> {
        Ok(match self {
            Self::Text => table::render(report, style, folder),
            Self::Markdown => markdown::render(report),
            Self::Json => json::render(report)?,
            Self::Junit => junit::render(report)?,
        })
    }
}

impl Format {
    /// What changed between two reports, in this form. Only text obeys the style.
    ///
    /// # Errors
    /// When a value has no form in JSON, and for JUnit XML.
    pub fn render_diff(self, diff: &Diff, style: &Style) -> Result<String, FormatError> {
        match self {
            Self::Text => Ok(diff::text(diff, style)),
            Self::Markdown => Ok(diff::markdown(diff)),
            Self::Json => Ok(json::pretty(diff)?),
            Self::Junit => Err(FormatError::NoDiff(self)),
        }
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|format| format.to_string() == name);
        known.ok_or_else(|| FormatError::Unknown(name.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Json => "json",
            Self::Junit => "junit",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        let error = "html".parse::<Format>().unwrap_err();
        insta::assert_snapshot!(error, @r#"no report format "html": text, markdown, json and junit are known"#);
    }
}
