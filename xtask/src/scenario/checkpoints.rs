//! Which checkpoints there are at a point of a story, and on which hosts.

use std::collections::BTreeMap;

use toml::Spanned;

use super::words::{Lowered, quoted};
use crate::model::Role;
use crate::toml_file::{FileError, Source};

/// The checkpoints so far, by name.
pub(super) struct Checkpoints<'a> {
    source: &'a Source,
    known: BTreeMap<String, Checkpoint>,
}

/// What is known of a checkpoint.
struct Checkpoint {
    /// A pre-dump cannot be restored.
    restorable: bool,
    /// The hosts that have its images.
    on: Vec<Role>,
}

impl<'a> Checkpoints<'a> {
    /// None yet.
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, known: BTreeMap::new() }
    }

    /// A checkpoint that is made on that host.
    pub(super) fn add(&mut self, name: &Spanned<String>, restorable: bool, on: Role) -> Lowered<String> {
        let word = name.get_ref();
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(self
                .source
                .wrong(name.span(), "a checkpoint's name is made of letters, digits and `-`"));
        }
        if self.known.insert(word.clone(), Checkpoint { restorable, on: vec![on] }).is_some() {
            return Err(self.source.wrong(name.span(), format!("there is a checkpoint `{word}` already")));
        }
        Ok(word.clone())
    }

    /// The pre-dump that a dump builds on.
    pub(super) fn parent(&self, parent: Option<&Spanned<String>>) -> Lowered<Option<String>> {
        let Some(parent) = parent else { return Ok(None) };
        match self.known.get(parent.get_ref()) {
            Some(Checkpoint { restorable: false, .. }) => Ok(Some(parent.get_ref().clone())),
            Some(_) => Err(self.source.wrong(parent.span(), "a dump is no parent: only a pre-dump is")),
            None => Err(self.none(parent, false)),
        }
    }

    /// The checkpoint of that name, where its images are on that host.
    pub(super) fn restorable(&self, name: &Spanned<String>, on: Role) -> Lowered<String> {
        let word = name.get_ref();
        match self.known.get(word) {
            Some(checkpoint) if !checkpoint.restorable => {
                Err(self.source.wrong(name.span(), "a pre-dump cannot be restored: dump first"))
            }
            Some(checkpoint) if checkpoint.on.contains(&on) => Ok(word.clone()),
            Some(_) => {
                let error =
                    self.source.wrong(name.span(), format!("`{word}` is not on the {} yet", on.name()));
                Err(match on {
                    Role::Destination => error.help(format!("put `transfer = \"{word}\"` before it")),
                    Role::Source => {
                        error.help("checkpoints are carried from the source to the destination only")
                    }
                })
            }
            None => Err(self.none(name, true)),
        }
    }

    fn none(&self, name: &Spanned<String>, restorable: bool) -> Box<FileError> {
        let fitting: Vec<_> =
            self.known.iter().filter(|(_, it)| it.restorable == restorable).map(|(name, _)| name).collect();
        let error =
            self.source.wrong(name.span(), format!("no checkpoint `{}` at this point", name.get_ref()));
        if fitting.is_empty() { error } else { error.help(format!("there is {}", quoted(fitting.iter()))) }
    }

    /// One that goes to the second host. A pre-dump is of use over there to what builds on it.
    pub(super) fn transfer(&mut self, name: &Spanned<String>) -> Lowered<String> {
        let checkpoint = match self.known.get(name.get_ref()) {
            Some(known) if !known.restorable && known.on.contains(&Role::Source) => name.get_ref().clone(),
            _ => self.restorable(name, Role::Source)?,
        };
        if let Some(known) = self.known.get_mut(&checkpoint) {
            known.on.push(Role::Destination);
        }
        Ok(checkpoint)
    }

    /// One that is removed.
    pub(super) fn forget(&mut self, name: &Spanned<String>, on: Role) -> Lowered<String> {
        let word = self.restorable(name, on)?;
        self.known.remove(&word);
        Ok(word)
    }
}
