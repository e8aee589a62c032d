//! All saved states: found, or made by the first that asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::key::{Hashes, state_key};
use super::save::{Unsaved, save};
use super::saved::{Facts, Saved};
use crate::host::Preparation;
use crate::host::qemu::frame::Frame;
use crate::host::qemu::host::Traces;
use crate::host::qemu::provider::Notes;
use crate::install::{Bound, Cache, Held};
use crate::model::Lost;

/// The kind of entry that a state is in the cache.
const KIND: &str = "warm";

/// How much room states may take. A guest of 512 MiB that was prepared with little has 150 MiB; what was not used
/// for the longest time goes first.
const BOUND: Bound = Bound { bytes: 12 << 30, entries: 64 };

/// Where guests are woken from.
pub struct WarmStates {
    cache: Arc<Cache>,
    hashes: Hashes,
    /// Of each key what is known of it, under a lock of its own: while one makes a state, others wait for it.
    known: Mutex<BTreeMap<String, Arc<Mutex<Known>>>>,
}

/// What was found out about a key.
#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    /// It cannot be saved.
    Impossible,
    /// It cannot be prepared.
    Unprepared(Lost),
}

impl WarmStates {
    /// States that are kept in that cache.
    pub fn new(cache: Cache) -> Self {
        Self { cache: Arc::new(cache), hashes: Hashes::default(), known: Mutex::default() }
    }

    /// The state of a guest like that; it is made when it is not there. `None`: it cannot be saved, as was noted.
    /// `traces` are of its making, when it is made.
    ///
    /// # Errors
    /// When such a guest is lost while it is prepared, or cannot be prepared.
    pub(in crate::host::qemu) fn saved(
        &self,
        frame: &Frame,
        preparation: &Preparation,
        traces: &Traces,
        notes: &Notes,
    ) -> Result<Option<Saved>, Lost> {
        let key = match state_key(frame, preparation, &self.hashes, &processor()) {
            Ok(key) => key,
            // A file that is missing is told by whoever needs it.
            Err(error) => return Ok(cold(notes, &error.to_string())),
        };
        let known = {
            let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key.clone()).or_default())
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Known::Nothing => {}
            Known::Impossible => return Ok(None),
            Known::Unprepared(lost) => return Err(lost.clone()),
        }
        match self.held(&key, frame, preparation, traces, notes) {
            Ok(saved) => Ok(Some(saved)),
            Err(Unsaved::Impossible(why)) => {
                *known = Known::Impossible;
                Ok(cold(notes, &why))
            }
            Err(Unsaved::Lost(lost)) => {
                if matches!(lost, Lost::Unprepared(_)) {
                    *known = Known::Unprepared(lost.clone());
                }
                Err(lost)
            }
        }
    }

    /// The state, held, of a machine like this one.
    fn held(
        &self,
        key: &str,
        frame: &Frame,
        preparation: &Preparation,
        traces: &Traces,
        notes: &Notes,
    ) -> Result<Saved, Unsaved> {
        let make = || -> Result<(Held, bool), Unsaved> {
            let made = !self.cache.is_built(KIND, key);
            let tell = |note| notes.add(note);
            let path = self.cache.built(KIND, key, &tell, |dir| save(dir, frame, preparation, traces))?;
            Ok((self.cache.hold(&path)?, made))
        };
        let (mut held, mut made) = make()?;
        let mut facts = Facts::read(held.path());
        if !facts.is_some_and(|facts| facts.fit(frame.tsc_khz)) {
            // Of another machine, from a cache that has moved; or damaged.
            self.cache.discard(&held)?;
            (held, made) = make()?;
            facts = Facts::read(held.path());
        }
        if made {
            self.cache.trim(KIND, BOUND)?;
        }
        let facts = facts.ok_or_else(|| Unsaved::Impossible("a saved state cannot be read".to_owned()))?;
        Ok(Saved { cache: Arc::clone(&self.cache), held, facts })
    }
}

fn cold<T>(notes: &Notes, why: &str) -> Option<T> {
    notes.add(format!("guests are booted, because their state cannot be saved: {why}"));
    None
}

/// What a guest sees of this machine's processor under KVM.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wanted = ["model name", "microcode", "flags"];
    let lines = text.split("\n\n").next().unwrap_or_default().lines();
    lines.filter(|line| wanted.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>().join("\n")
}
