//! All rules, read from `knowledge/*.toml`, with their patterns ready to be searched for.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::facts::Reader;
use super::rule::{Level, Role, Rule, RuleFile};
use crate::model::Ranges;
use crate::toml_file::{FileError, ReadError, Source};

/// Why the rules could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    /// The folder could not be read.
    #[error("cannot read the folder of rules {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file in it is wrong.
    #[error(transparent)]
    File(#[from] ReadError),
    /// Each pattern is one, but all together are too much.
    #[error("the patterns of all rules together: {0}")]
    Patterns(#[from] regex::Error),
}

/// All rules.
pub struct Rulebook {
    rules: Vec<Rule>,
    /// Beside each rule: the file that it stands in.
    files: Vec<PathBuf>,
    with: Vec<Vec<Regex>>,
    without: Vec<Vec<Regex>>,
    /// The patterns of all rules, in their order.
    all: RegexSet,
    /// The rules that look at every line, and their patterns.
    any_level: (Vec<usize>, RegexSet),
    pub(super) reader: Reader,
}

impl Rulebook {
    /// Reads every `*.toml` of a folder, and none of the folders in it.
    ///
    /// # Errors
    /// At the first file that is wrong.
    pub fn read(folder: &Path) -> Result<Self, RulebookError> {
        let files =
            toml_files(folder).map_err(|source| RulebookError::Folder { path: folder.to_owned(), source })?;
        let sources = files.iter().map(|path| Source::read(path)).collect::<Result<Vec<_>, _>>()?;
        Self::of(&sources)
    }

    /// The rules of these files.
    ///
    /// # Errors
    /// At the first file that is wrong.
    pub fn of(sources: &[Source]) -> Result<Self, RulebookError> {
        let mut book = Rules::default();
        for source in sources {
            let file: RuleFile = source.parse().map_err(ReadError::from)?;
            for rule in file.rule {
                book.add(source, rule.span(), rule.into_inner()).map_err(ReadError::from)?;
            }
        }
        book.finish()
    }

    /// The rules, by file and as they stand there.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The file of each rule.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Rule)> {
        self.files.iter().map(PathBuf::as_path).zip(&self.rules)
    }

    /// The rules whose pattern a line matches: of all rules, or of those that look at every line.
    pub(super) fn matching(&self, line: &str, every: bool) -> Vec<usize> {
        if every {
            return self.all.matches(line.as_bytes()).into_iter().collect();
        }
        let (rules, patterns) = &self.any_level;
        patterns.matches(line.as_bytes()).into_iter().map(|at| rules[at]).collect()
    }

    pub(super) fn with(&self, rule: usize) -> &[Regex] {
        &self.with[rule]
    }

    pub(super) fn without(&self, rule: usize) -> &[Regex] {
        &self.without[rule]
    }
}

/// Rules while they are being read.
#[derive(Default)]
struct Rules {
    rules: Vec<Rule>,
    files: Vec<PathBuf>,
    with: Vec<Vec<Regex>>,
    without: Vec<Vec<Regex>>,
    ids: HashMap<String, PathBuf>,
}

impl Rules {
    fn add(&mut self, source: &Source, span: Range<usize>, rule: Rule) -> Result<(), Box<FileError>> {
        let wrong = |message: String| source.wrong(span.clone(), message);
        let id = &rule.id;
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || !id.chars().all(kebab) {
            return Err(wrong(format!("`{id}` is no id: small letters, digits and dashes")));
        }
        if let Some(other) = self.ids.insert(id.clone(), source.path.clone()) {
            return Err(wrong(format!("a second rule `{id}`: the first is in {}", other.display())));
        }
        if rule.matches.is_empty() {
            return Err(wrong(format!("`{id}` has no log that it explains"))
                .help("a rule is written from a real log: add it as `[[rule.matches]]`"));
        }
        if rule.role == Role::Cause && (rule.advice.is_empty() || rule.references.is_empty()) {
            return Err(wrong(format!("`{id}` is a cause and has no advice, or no reference")));
        }
        for (fact, demand) in rule.when.iter().filter(|(fact, _)| !fact.is_word()) {
            Ranges::read(demand).map_err(|error| wrong(format!("`{id}`, {fact}: {error}")))?;
        }
        if let Some(fact) = rule.needs.iter().find(|fact| !rule.when.contains_key(fact)) {
            return Err(wrong(format!("`{id}` needs {fact} and says nothing of it in `when`")));
        }
        let compile = |patterns: &[String]| -> Result<Vec<Regex>, Box<FileError>> {
            patterns
                .iter()
                .map(|pattern| regex(pattern).map_err(|error| wrong(format!("`{id}`: {error}"))))
                .collect()
        };
        compile(std::slice::from_ref(&rule.pattern))?;
        self.with.push(compile(&rule.with)?);
        self.without.push(compile(&rule.without)?);
        self.files.push(source.path.clone());
        self.rules.push(rule);
        Ok(())
    }

    fn finish(self) -> Result<Rulebook, RulebookError> {
        let Self { rules, files, with, without, ids: _ } = self;
        let any: Vec<usize> = (0..rules.len()).filter(|at| rules[*at].level == Level::Any).collect();
        let all = set(rules.iter().map(|rule| rule.pattern.as_str()))?;
        let patterns = set(any.iter().map(|at| rules[*at].pattern.as_str()))?;
        Ok(Rulebook { rules, files, with, without, all, any_level: (any, patterns), reader: Reader::new()? })
    }
}

fn regex(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).build()
}

fn set<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<RegexSet, regex::Error> {
    // The automaton of all patterns is built while it runs, and is thrown away where it does not fit.
    RegexSetBuilder::new(patterns).unicode(false).dfa_size_limit(64 << 20).size_limit(64 << 20).build()
}

pub(super) fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
