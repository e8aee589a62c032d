//! Files that a person writes: read as TOML, and answered with file, line, caret and the legal words when wrong.

use std::fmt;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::de::DeserializeOwned;

/// A file and its text, kept so that a later finding can still point into it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it was read from.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// A file of the user's that cannot be taken, with the place in it.
#[derive(Debug)]
pub struct FileError {
    source: Source,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

/// Why a file could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be read at all.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It was read, and is wrong.
    #[error(transparent)]
    Wrong(#[from] Box<FileError>),
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text =
            fs::read_to_string(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Takes the text for a `T`.
    ///
    /// # Errors
    /// At the first place that is not TOML, or not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Box<FileError>> {
        toml::from_str(&self.text)
            .map_err(|error| self.wrong(error.span().unwrap_or(0..0), error.message().trim_end()))
    }

    /// A finding about a part of the text.
    pub fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> Box<FileError> {
        Box::new(FileError { source: self.clone(), span, message: message.into(), help: None })
    }
}

impl FileError {
    /// The same finding with what to do about it.
    #[must_use]
    pub fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.source.path.display().to_string();
        let snippet = Snippet::source(&self.source.text)
            .path(path)
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let mut report = vec![Level::ERROR.primary_title(&self.message).element(snippet)];
        if let Some(help) = &self.help {
            report.push(Group::with_title(Level::HELP.secondary_title(help)));
        }
        f.write_str(&Renderer::plain().render(&report))
    }
}

impl std::error::Error for FileError {}
