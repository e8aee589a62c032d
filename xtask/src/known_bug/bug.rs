//! A known bug as it is used and kept in `plan.toml`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pattern, Reason, Several};
use crate::model::{GuestFacts, HostAsk, Role, Stage};

/// Cells that are known to fail, how, and where that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBug {
    /// The scenarios; empty: every one.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub scenario: Several<Pattern>,
    /// The kernels; empty: every one. So for each axis.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub kernel: Several<Pattern>,
    /// The userlands.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub userland: Several<Pattern>,
    /// The CRIUs.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub criu: Several<Pattern>,
    /// The engines.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub engine: Several<Pattern>,
    /// The CPU models.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub cpu: Several<Pattern>,
    /// The stages at one of which the cells fail; one at least.
    pub stage: Several<Stage>,
    /// Words of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Where it is told.
    #[serde(flatten)]
    pub known: KnownAs,
}

/// Where a known bug is told: one of both at least.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KnownAs {
    /// The issue's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// The rule of `knowledge/` that diagnoses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What is seen of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where it failed.
    pub stage: Option<Stage>,
    /// Why, with the first error of the log.
    pub reason: &'a str,
    /// The rules that its diagnosis names.
    pub rules: &'a [&'a str],
}

impl KnownBug {
    /// Whether it shows on that host of a move: restores are the destination's, and all that comes before the source's.
    pub fn shows_on(&self, role: Role) -> bool {
        let late = |stage: &Stage| matches!(stage, Stage::Restore | Stage::Verify);
        self.stage.iter().any(|stage| late(stage) == (role == Role::Destination))
    }

    /// Whether a cell is one of those that it is about. Versions are those that the guest reported, where it did.
    pub fn means(&self, scenario: &str, host: &HostAsk, facts: Option<&GuestFacts>) -> bool {
        let reported = |fact: fn(&GuestFacts) -> &str| facts.map_or("", fact);
        any(&self.scenario, |it| it.means(scenario, ""))
            && any(&self.kernel, |it| it.means(&host.kernel, reported(|facts| &facts.kernel)))
            && any(&self.userland, |it| match it.name_of_range() {
                // A userland has no version that could be compared with another's; its libc has.
                Some(_) => it.has(reported(|facts| &facts.glibc)),
                None => it.means(&host.userland, ""),
            })
            && any(&self.criu, |it| it.means(&host.criu, reported(|facts| &facts.criu)))
            && any(&self.engine, |it| match host.engine.as_str() {
                "criu" => it.means("criu", reported(|facts| &facts.criu)),
                engine => it.means(engine, reported(|facts| &facts.engine)),
            })
            && any(&self.cpu, |it| it.means(&host.cpu, ""))
    }

    /// Whether a failure of such a cell is this one.
    pub fn describes(&self, seen: Seen<'_>) -> bool {
        self.stage.iter().any(|stage| Some(*stage) == seen.stage)
            && self.reason.as_ref().is_none_or(|reason| reason.is_in(seen.reason))
            && self.known.rule.as_ref().is_none_or(|rule| seen.rules.contains(&rule.as_str()))
    }

    /// `dump`, or `dump or restore`.
    pub fn stages(&self) -> String {
        self.stage.iter().map(Stage::to_string).collect::<Vec<_>>().join(" or ")
    }
}

fn any(patterns: &Several<Pattern>, means: impl Fn(&Pattern) -> bool) -> bool {
    patterns.is_empty() || patterns.iter().any(means)
}

impl fmt::Display for KnownAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.issue, &self.rule) {
            (Some(issue), _) => f.write_str(issue),
            (None, Some(rule)) => write!(f, "rule {rule}"),
            (None, None) => f.write_str("nobody says where"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bug(text: &str) -> KnownBug {
        toml::from_str(text).unwrap()
    }

    fn host(engine: &str) -> HostAsk {
        HostAsk {
            kernel: "7.2".into(),
            userland: "bookworm".into(),
            criu: "3.17.1".into(),
            engine: engine.into(),
            cpu: "max".into(),
        }
    }

    #[test]
    fn every_axis_counts() {
        let facts = GuestFacts { glibc: "2.36".into(), engine: "26.1.5".into(), ..GuestFacts::default() };
        let check = |keys: &str, expected: bool| {
            let bug = bug(&format!("{keys}\nstage = 'dump'\nissue = 'https://e.org/1'"));
            assert_eq!(bug.means("counter", &host("docker"), Some(&facts)), expected, "{keys}");
        };
        check("", true);
        check("scenario = ['clone', 'c*r']", true);
        check("scenario = 'clone'", false);
        check("kernel = '>= 6.13'\ncriu = '< 4'", true);
        check("kernel = '>= 6.13'\ncriu = '>= 4'", false);
        check("userland = 'bookworm'", true);
        check("userland = 'glibc >= 2.35'", true);
        check("userland = 'glibc >= 2.40'", false);
        check("engine = ['runc', 'docker < 28']", true);
        check("engine = 'docker >= 28'", false);
        check("cpu = 'Westmere'", false);
    }

    #[test]
    fn a_failure_is_described_by_stage_words_and_rule() {
        let check = |keys: &str, expected: bool| {
            let bug = bug(&format!("stage = ['pre-dump', 'dump']\n{keys}"));
            let seen = Seen { stage: Some(Stage::Dump), reason: "it said so", rules: &["vdso-bounds"] };
            assert_eq!(bug.describes(seen), expected, "{keys}");
            assert!(!bug.describes(Seen { stage: Some(Stage::Restore), ..seen }), "another stage");
        };
        check("", true);
        check("reason = 'said'", true);
        check("reason = 'says'", false);
        check("rule = 'vdso-bounds'", true);
        check("rule = 'rseq'", false);
        check("rule = 'vdso-bounds'\nreason = 'says'", false);
    }

    #[test]
    fn a_plan_keeps_it() {
        let bug = bug("kernel = '>= 6.13'\nstage = 'dump'\nreason = '/a.c/'\nissue = 'https://e.org/1'");
        assert_eq!(toml::from_str::<KnownBug>(&toml::to_string(&bug).unwrap()).unwrap(), bug);
    }
}
