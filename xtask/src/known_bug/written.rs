//! `[[known-bug]]` as a person writes it, in a scenario or a profile, and what may be wrong with it.

use serde::Deserialize;
use toml::Spanned;

use super::{KnownAs, KnownBug, Pattern, Reason, Several};
use crate::model::Stage;
use crate::toml_file::{FileError, Source};

/// `[[known-bug]]`: cells that are known to fail. Each axis is a value or a list of values; a value is a name, a
/// glob, a version with all that it begins (`6.12`), or a range (`>= 6.13, < 7`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownBugTable {
    /// In a profile: the scenarios, by name or glob. Default: all. A scenario's own known bugs are about itself.
    #[serde(default)]
    scenario: Option<Spanned<Several<Pattern>>>,
    /// The kernels. Default: all.
    #[serde(default)]
    kernel: Several<Pattern>,
    /// The userlands, by name, or by their libc: `glibc >= 2.35`. Default: all.
    #[serde(default)]
    userland: Option<Spanned<Several<Pattern>>>,
    /// The CRIUs. Default: all.
    #[serde(default)]
    criu: Several<Pattern>,
    /// The engines: `docker`, `docker@28.5.2`, `docker >= 28`. Default: all.
    #[serde(default)]
    engine: Several<Pattern>,
    /// The CPU models. Default: all.
    #[serde(default)]
    cpu: Several<Pattern>,
    /// The stage at which they fail, or a list: `check`, `pre-dump`, `dump`, `restore`, `verify`. Required.
    stage: Several<Stage>,
    /// Words of the reason: a plain part, or a regular expression between slashes. Default: any reason.
    #[serde(default)]
    reason: Option<Reason>,
    /// The rule of `knowledge/` that diagnoses it. This or `issue` is required, and both may be given.
    #[serde(default)]
    rule: Option<String>,
    /// The address of the issue. This or `rule` is required.
    #[serde(default)]
    issue: Option<Spanned<String>>,
}

impl KnownBugTable {
    /// The known bugs of a profile.
    ///
    /// # Errors
    /// At the first that is told nowhere, or compares what has no version.
    pub fn of_profile(source: &Source, tables: &[Spanned<Self>]) -> Result<Vec<KnownBug>, Box<FileError>> {
        tables.iter().map(|table| lower(source, table)).collect()
    }

    /// The known bugs of a scenario.
    ///
    /// # Errors
    /// As of a profile, and at one that names scenarios.
    pub fn of_scenario(source: &Source, tables: &[Spanned<Self>]) -> Result<Vec<KnownBug>, Box<FileError>> {
        match tables.iter().find_map(|table| table.get_ref().scenario.as_ref()) {
            Some(scenario) => Err(source
                .wrong(scenario.span(), "a scenario's known bugs are about that scenario")
                .help("leave `scenario` out, or put the known bug into a profile")),
            None => Self::of_profile(source, tables),
        }
    }
}

fn lower(source: &Source, table: &Spanned<KnownBugTable>) -> Result<KnownBug, Box<FileError>> {
    let KnownBugTable { scenario, kernel, userland, criu, engine, cpu, stage, reason, rule, issue } =
        table.get_ref().clone();
    if rule.is_none() && issue.is_none() {
        return Err(source
            .wrong(table.span(), "this known bug is told nowhere")
            .help("give it `issue = \"https://…\"`, or the `rule` that diagnoses it"));
    }
    if let Some(issue) = issue.as_ref().filter(|issue| !issue.get_ref().starts_with("https://")) {
        return Err(source
            .wrong(issue.span(), "this is no address")
            .help("write the whole of it: `https://github.com/checkpoint-restore/criu/issues/2532`"));
    }
    let compared = |it: &Pattern| it.is_range() && it.name_of_range().is_none_or(|name| name != "glibc");
    if let Some(userland) = userland.as_ref().filter(|userland| userland.get_ref().iter().any(compared)) {
        return Err(source
            .wrong(userland.span(), "userlands have no versions that could be compared")
            .help("name them, or compare their libc: `glibc >= 2.35`"));
    }
    let known = KnownAs { issue: issue.map(Spanned::into_inner), rule };
    let scenario = scenario.map(Spanned::into_inner).unwrap_or_default();
    let userland = userland.map(Spanned::into_inner).unwrap_or_default();
    Ok(KnownBug { scenario, kernel, userland, criu, engine, cpu, stage, reason, known })
}
