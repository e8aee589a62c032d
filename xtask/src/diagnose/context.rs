//! What is known of the stack that a log is from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use crate::model::{Ranges, leading_version};

/// Something of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// CRIU's version.
    Criu,
    /// The kernel's release.
    Kernel,
    /// The version of the glibc that the program, or CRIU, runs on.
    Glibc,
    /// docker's version.
    Docker,
    /// containerd's version.
    Containerd,
    /// podman's version.
    Podman,
    /// runc's version.
    Runc,
    /// crun's version.
    Crun,
    /// `uname -m`.
    Arch,
    /// Who drives CRIU: `docker`, `podman`, `criu`, …
    Engine,
    /// What runs a virtual machine's code: `kvm`, or `tcg`, which is QEMU's emulation.
    Accelerator,
}

impl Fact {
    /// Whether a rule gives words for it, and not versions.
    pub(super) fn is_word(self) -> bool {
        matches!(self, Self::Arch | Self::Engine | Self::Accelerator)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Criu => "CRIU",
            Self::Kernel => "kernel",
            Self::Glibc => "glibc",
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Arch => "architecture",
            Self::Engine => "engine",
            Self::Accelerator => "accelerator",
        })
    }
}

/// A value, and whether it was said of this very stack. One that prose mentions, or that a distribution's name stands
/// for, may support a rule and never rules one out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    value: String,
    sure: bool,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<Fact, Known>);

/// What a context says to what a rule holds for.
#[derive(Debug)]
pub(super) enum Fit<'a> {
    /// It contradicts it, or something that must be known is not.
    Out,
    /// It does not contradict it.
    In {
        /// How many of the rule's demands are known to be met.
        met: usize,
        /// Those that nobody knows about.
        open: Vec<(Fact, &'a str)>,
    },
}

impl Context {
    /// Who drives CRIU elsewhere, and is not played here: somebody's log may be from there.
    pub const ENGINES_ELSEWHERE: [&str; 5] = ["containerd", "cri-o", "kubernetes", "lxc", "incus"];

    /// Adds what is sure: from the command line, a record, or a log's own head. What is known already stays.
    #[must_use]
    pub fn with(mut self, fact: Fact, value: &str) -> Self {
        if !value.trim().is_empty() {
            self.note(fact, value, true);
        }
        self
    }

    /// Adds who drives CRIU, with its version where that is known.
    #[must_use]
    pub fn of_engine(self, name: &str, version: Option<&str>) -> Self {
        // `podman-runc` is podman on another runtime.
        let name = name.strip_suffix("-runc").unwrap_or(name);
        let context = self.with(Fact::Engine, name);
        version.into_iter().fold(context, |context, version| context.of_part(name, version))
    }

    /// Adds the version of a part of an engine's stack, by the part's own name, where rules ask for such.
    #[must_use]
    pub fn of_part(self, name: &str, version: &str) -> Self {
        let parts = [Fact::Docker, Fact::Containerd, Fact::Podman, Fact::Runc, Fact::Crun];
        match parts.into_iter().find(|fact| fact.to_string() == name) {
            Some(fact) => self.with(fact, version),
            None => self,
        }
    }

    /// A context of what a rule's author has written beside an excerpt.
    pub(super) fn of(facts: &BTreeMap<Fact, String>) -> Self {
        facts.iter().fold(Self::default(), |context, (fact, value)| context.with(*fact, value))
    }

    pub(super) fn note(&mut self, fact: Fact, value: &str, sure: bool) {
        self.0.entry(fact).or_insert_with(|| Known { value: value.trim().to_owned(), sure });
    }

    /// What this one knows, and where it does not, what the other knows.
    pub(super) fn or(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (fact, known) in &other.0 {
            both.0.entry(*fact).or_insert_with(|| known.clone());
        }
        both
    }

    /// All that is known.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Fact, &str)> {
        self.0.iter().map(|(fact, known)| (*fact, known.value.as_str()))
    }

    /// The value of something.
    pub fn value(&self, fact: Fact) -> Option<&str> {
        self.0.get(&fact).map(|known| known.value.as_str())
    }

    pub(super) fn fit<'a>(&self, rule: &'a Rule) -> Fit<'a> {
        let mut met = 0;
        let mut open = Vec::new();
        for (fact, demand) in &rule.when {
            let known = self.0.get(fact);
            match known.and_then(|known| holds(*fact, demand, &known.value)) {
                Some(true) => met += 1,
                Some(false) if known.is_some_and(|known| known.sure) => return Fit::Out,
                // What prose says otherwise is no help, and no proof against it.
                Some(false) | None if rule.needs.contains(fact) => return Fit::Out,
                Some(false) | None => open.push((*fact, demand.as_str())),
            }
        }
        Fit::In { met, open }
    }
}

/// Whether a demand of a rule holds for a value; none where the value cannot be read.
fn holds(fact: Fact, demand: &str, value: &str) -> Option<bool> {
    if fact.is_word() {
        return Some(demand.split("||").any(|word| word.trim() == value));
    }
    Some(Ranges::read(demand).ok()?.hold(&leading_version(value)?))
}
