//! What was resolved before from the same package lists: asking apt again for thirty closures takes seconds.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::install::apt::Apt;
use crate::install::cache::{self, Cache};
use crate::install::config::Config;
use crate::install::elf;
use crate::install::hold::Bound;
use crate::install::lock::Lock;
use crate::install::resolve::Asks;

/// The kind of entry that it is in the cache.
const KIND: &str = "lock";
/// How many are kept.
const BOUND: Bound = Bound { bytes: 64 << 20, entries: 64 };
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
    /// Files of the user's own are looked at each time.
    pub(crate) fn of(asks: &Asks, config: &Config, cache: &'a Cache, offline: bool) -> Option<Self> {
        let suite = |userland: &String| config.suite(userland).is_some_and(|suite| suite.userland);
        let own = asks.kernels.iter().any(|kernel| config.kernels.contains_key(kernel))
            || asks.crius.iter().any(|criu| config.crius.contains_key(criu))
            || !asks.userlands.iter().all(suite);
        let lists = Apt::usable_lists(config, cache, offline).filter(|_| !own)?;
        let harness = elf::identity_of_program("/proc/self/exe".as_ref()).ok()?;
        let key = cache::key([harness, lists, format!("{asks:?} {config:?}")]);
        Some(Self { cache, key })
    }

    /// Whether it is of the same lists.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.key == other.key
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
            let kept = self.cache.take_over(KIND, &self.key, &folder);
            let _asked_again = kept.and_then(|()| self.cache.trim(KIND, BOUND));
        }
    }
}
