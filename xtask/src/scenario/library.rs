//! The folder `scenarios/`: every story in it, by name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::file::ScenarioFile;
use super::lower::lower;
use super::story::Story;
use crate::toml_file::{ReadError, Source};

/// The folder of profiles: no stories in there.
const PROFILES: &str = "matrix";

/// Why the stories could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The folder could not be read.
    #[error("cannot read the folder of scenarios {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file in it is wrong.
    #[error(transparent)]
    File(#[from] ReadError),
    /// A pattern is none.
    #[error("`{pattern}` is no pattern: {source}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A pattern that no story bears.
    #[error("no scenario is called `{pattern}`; there are {known}")]
    Nothing {
        /// As it was given.
        pattern: String,
        /// The names that there are.
        known: String,
    },
}

/// All stories, sorted by name.
#[derive(Clone, Debug)]
pub struct Library {
    stories: Vec<Story>,
}

impl Library {
    /// Reads every `*.toml` below a folder, profiles apart.
    ///
    /// # Errors
    /// At the first file that is wrong.
    pub fn read(folder: &Path, workloads: &[&str]) -> Result<Self, LibraryError> {
        let mut stories = Vec::new();
        for path in toml_files(folder)? {
            let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("");
            let source = Source::read(&path)?;
            let file: ScenarioFile = source.parse().map_err(ReadError::from)?;
            let name = name.to_string_lossy().into_owned();
            stories.extend(lower(&name, &source, &file, workloads).map_err(ReadError::from)?);
        }
        stories.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { stories })
    }

    /// All of them.
    pub fn stories(&self) -> &[Story] {
        &self.stories
    }

    /// Those whose name a pattern matches; each pattern must match one.
    ///
    /// # Errors
    /// A pattern that is none, or that matches nothing.
    pub fn matching(&self, patterns: &[String]) -> Result<Vec<&Story>, LibraryError> {
        let mut chosen = vec![false; self.stories.len()];
        for pattern in patterns {
            let glob = matcher(pattern)?;
            let mut any = false;
            for (story, chosen) in self.stories.iter().zip(&mut chosen) {
                if glob.is_match(&story.name) {
                    *chosen = true;
                    any = true;
                }
            }
            if !any {
                return Err(LibraryError::Nothing { pattern: pattern.clone(), known: self.names() });
            }
        }
        Ok(self.stories.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(story, _)| story).collect())
    }

    fn names(&self) -> String {
        self.stories.iter().map(|story| story.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, LibraryError> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|source| LibraryError::Pattern { pattern: pattern.to_owned(), source })
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    let wrong = |source| LibraryError::Folder { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_dir() {
            if !path.ends_with(PROFILES) {
                found.extend(toml_files(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(found)
}
