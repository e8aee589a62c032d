//! Which packages an engine is that somebody asked for.

use std::collections::BTreeSet;

use debversion::Version;

use crate::install::apt::Apt;
use crate::install::cache::Cache;
use crate::install::config::{Config, Suite};
use crate::install::error::InstallError;
use crate::install::index::{self, Stanza};
use crate::install::lock::LockedEngine;
use crate::install::offers::{self, Offer};
use crate::model::Recipe;

/// An engine that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAsk {
    /// As it was written: `docker@28`, `docker`.
    pub ask: String,
    /// The userland that it is for: without a version it is the one of that suite.
    pub userland: String,
    /// What stands behind the `@`.
    pub version: Option<String>,
    /// What it is made of.
    pub recipe: Recipe,
}

/// The name of an engine in a lock. One with a version is the same in every userland.
pub fn engine_key(ask: &str, userland: &str) -> String {
    if ask.contains('@') { ask.to_owned() } else { format!("{ask} of {userland}") }
}

/// The exact packages of an engine; none where no version is asked for and the userland is the user's own, whose own
/// programs are meant then.
///
/// # Errors
/// When no suite has that version: with what there is.
pub(crate) fn resolve(
    ask: &EngineAsk,
    config: &Config,
    apt: &Apt<'_>,
    cache: &Cache,
) -> Result<Option<LockedEngine>, InstallError> {
    let userland = config.suite(&ask.userland).filter(|suite| suite.userland);
    if ask.version.is_none() && userland.is_none() {
        return Ok(None);
    }
    let stanzas = index::named(apt, cache, &ask.recipe.names().collect::<BTreeSet<_>>())?;
    let offers = offers::catalogue(&stanzas, ask.recipe.package);
    let refuse = || InstallError::NoEngine {
        ask: engine_key(&ask.ask, &ask.userland),
        there_are: offers::there_are(&offers),
    };
    let (offer, suite) = match (&ask.version, userland) {
        (Some(version), _) => {
            let offer = choose(&offers, version).ok_or_else(refuse)?;
            (offer.clone(), home(config, &offer.suite)?)
        }
        (None, Some(suite)) => {
            let of_suite = offers::catalogue(&of(config, suite, &stanzas), ask.recipe.package);
            (of_suite.last().cloned().ok_or_else(refuse)?, suite)
        }
        (None, None) => return Ok(None),
    };
    let with = companions(&ask.recipe, &of(config, suite, &stanzas));
    let mut wanted = vec![format!("{}={}", ask.recipe.package, offer.version)];
    wanted.extend(with.iter().map(|(name, version)| format!("{name}={version}")));
    Ok(Some(LockedEngine {
        upstream: offer.upstream,
        version: offer.version.to_string(),
        suite: offer.suite,
        packages: apt.closure(suite, &wanted)?,
        take: std::iter::once(ask.recipe.package)
            .chain(with.iter().map(|(name, _)| *name))
            .map(str::to_owned)
            .collect(),
        opened: ask.recipe.opened.iter().map(|name| (*name).to_owned()).collect(),
    }))
}

/// The newest whose version is the one asked for, or begins with it and goes on with a dot; or exactly that package.
pub(crate) fn choose<'a>(offers: &'a [Offer], ask: &str) -> Option<&'a Offer> {
    let ask = ask.replace('~', "-");
    let begins = |offer: &Offer| {
        offer.upstream.strip_prefix(&ask).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    offers.iter().rev().find(|offer| begins(offer) || offer.version.to_string().replace('~', "-") == ask)
}

/// The suite to resolve in: security and updates hold too little to stand alone.
fn home<'a>(config: &'a Config, suite: &str) -> Result<&'a Suite, InstallError> {
    let itself = config.tool_suite("engine", suite)?;
    let whole = config
        .suites
        .iter()
        .find(|whole| whole.userland && config.together(whole).iter().any(|part| part.name == suite));
    Ok(if itself.userland { itself } else { whole.unwrap_or(itself) })
}

/// The stanzas of a suite and of those taken together with it.
fn of(config: &Config, suite: &Suite, stanzas: &[Stanza]) -> Vec<Stanza> {
    let together = config.together(suite);
    stanzas.iter().filter(|stanza| together.iter().any(|part| part.name == stanza.suite)).cloned().collect()
}

/// The further packages that these stanzas have, each in its newest version: left to itself, apt takes sid's netavark
/// for experimental's podman, which does not understand it.
fn companions(recipe: &Recipe, stanzas: &[Stanza]) -> Vec<(&'static str, Version)> {
    let newest = |name: &'static str| Some((name, offers::catalogue(stanzas, name).pop()?.version));
    recipe.with.iter().filter_map(|names| names.split('|').find_map(newest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::index::tests::stanza;

    fn stanzas() -> Vec<Stanza> {
        vec![
            stanza("bullseye", "docker.io", "20.10.5+dfsg1-1+deb11u2", ""),
            stanza("bullseye-security", "docker.io", "20.10.5+dfsg1-1+deb11u4", ""),
            stanza("bookworm", "docker.io", "20.10.24+dfsg1-1+b3", ""),
            stanza("trixie", "docker.io", "26.1.5+dfsg1-9", ""),
            stanza("trixie", "docker-cli", "26.1.5+dfsg1-9", ""),
            stanza("trixie", "tini", "0.19.0-3", ""),
            stanza("forky", "docker.io", "28.5.2+dfsg4-5", ""),
            stanza("sid", "docker.io", "28.5.2+dfsg4-5", ""),
            stanza("sid", "tini", "0.19.0-6", ""),
            stanza("sid", "tini-static", "0.19.0-6", ""),
            stanza("sid", "netavark", "1.17.2-3", ""),
            stanza("experimental", "netavark", "2.0.0-1", ""),
            stanza("bullseye", "runc", "1.0.0~rc93+ds1-5", ""),
            stanza("experimental", "runc", "1.4.3+ds1-1", ""),
        ]
    }

    #[rstest::rstest]
    #[case("docker.io", "20.10", Some("20.10.24+dfsg1-1+b3 bookworm"))]
    #[case("docker.io", "20.10.5", Some("20.10.5+dfsg1-1+deb11u4 bullseye-security"))]
    #[case("docker.io", "20.10.5+dfsg1-1+deb11u2", Some("20.10.5+dfsg1-1+deb11u2 bullseye"))]
    #[case("docker.io", "20.10.2", None)]
    #[case("docker.io", "2", None)]
    #[case("docker.io", "28", Some("28.5.2+dfsg4-5 forky"))]
    #[case("docker.io", "27", None)]
    #[case("runc", "1.0.0-rc93", Some("1.0.0~rc93+ds1-5 bullseye"))]
    #[case("runc", "1.0.0~rc93", Some("1.0.0~rc93+ds1-5 bullseye"))]
    #[case("runc", "1.0.0", None)]
    #[case("runc", "1", Some("1.4.3+ds1-1 experimental"))]
    fn a_version_is_whole_numbers_from_its_beginning(
        #[case] package: &str,
        #[case] ask: &str,
        #[case] expected: Option<&str>,
    ) {
        let offers = offers::catalogue(&stanzas(), package);
        let found = choose(&offers, ask).map(|offer| format!("{} {}", offer.version, offer.suite));
        assert_eq!(found.as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("bullseye", &[])]
    #[case("trixie", &["docker-cli=26.1.5+dfsg1-9", "tini=0.19.0-3"])]
    #[case("sid", &["tini-static=0.19.0-6", "netavark=1.17.2-3"])]
    #[case("experimental", &["tini-static=0.19.0-6", "netavark=2.0.0-1"])]
    fn what_a_suite_has_not_is_left_out(#[case] suite: &str, #[case] expected: &[&str]) {
        const RECIPE: Recipe = Recipe {
            package: "docker.io",
            with: &["docker-cli", "tini-static|tini", "netavark"],
            opened: &[],
        };
        let config = Config::default();
        let suite = config.suite(suite).unwrap();
        let found = companions(&RECIPE, &of(&config, suite, &stanzas()));
        let said: Vec<String> = found.iter().map(|(name, version)| format!("{name}={version}")).collect();
        assert_eq!(said, expected);
    }

    #[rstest::rstest]
    #[case("bullseye-security", "bullseye")]
    #[case("trixie", "trixie")]
    #[case("sid", "sid")]
    #[case("experimental", "experimental")]
    #[case("bookworm-backports", "bookworm-backports")]
    fn security_is_resolved_in_its_suite(#[case] suite: &str, #[case] expected: &str) {
        assert_eq!(home(&Config::default(), suite).unwrap().name, expected);
    }

    #[test]
    fn a_version_is_one_thing_in_every_userland() {
        assert_eq!(engine_key("docker@28", "trixie"), "docker@28");
        assert_eq!(engine_key("docker", "trixie"), "docker of trixie");
    }
}
