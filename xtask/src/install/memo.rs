//! What was resolved before from the same package lists: asking apt again for thirty closures takes seconds.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::install::apt::Apt;
use crate::install::cache::{self, Cache};
use crate::install::config::Config;
use crate::install::lock::Lock;
use crate::install::resolve::Asks;

/// The kind of entry that it is in the cache.
const KIND: &str = "lock";
/// Changes with how things are resolved.
const FORMAT: &str = "1";
const FILE: &str = "lock.json";

/// An answer with what was said on the way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) lock: Lock,
    pub(crate) notes: Vec<String>,
}

/// Where an answer is kept: it holds for as long as the lists are those that it was found in.
pub(crate) struct Memo<'a> {
    cache: &'a Cache,
    key: String,
}

impl<'a> Memo<'a> {
    /// For these asks, where the lists may be taken as they are.
    pub(crate) fn of(asks: &Asks, config: &Config, cache: &'a Cache, offline: bool) -> Option<Self> {
        let lists = Apt::usable_lists(config, cache, offline)?;
        let key = cache::key([FORMAT, env!("CARGO_PKG_VERSION"), &lists, &format!("{asks:?} {config:?}")]);
        Some(Self { cache, key })
    }

    /// The answer, if it was kept and can be read.
    pub(crate) fn recall(&self) -> Option<Answer> {
        let folder = self.cache.find(KIND, &self.key)?;
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Keeps it. What cannot be kept is asked again.
    pub(crate) fn keep(&self, answer: &Answer) {
        let Ok(scratch) = self.cache.scratch() else { return };
        let folder = scratch.path().join(&self.key);
        let written = fs::create_dir(&folder)
            .and_then(|()| fs::write(folder.join(FILE), serde_json::to_vec(answer).unwrap_or_default()));
        if written.is_ok() {
            let _asked_again = self.cache.take_over(KIND, &self.key, &folder);
        }
    }
}
