//! Which CRIUs the suites have, and which one an ask means.

use debversion::Version;

use crate::install::error::InstallError;
use crate::install::index::Stanza;

/// A CRIU package of a suite.
#[derive(Clone, Debug)]
pub(crate) struct DebianCriu {
    /// Upstream's version: `4.1.1`.
    pub(crate) upstream: String,
    /// The package's.
    pub(crate) version: Version,
    /// The suite that has it.
    pub(crate) suite: String,
    /// Size of the package itself in bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256.
    pub(crate) sha256: String,
}

/// Every CRIU package, oldest first; of one version in several suites, only the first suite's.
pub(crate) fn catalogue(stanzas: &[Stanza]) -> Vec<DebianCriu> {
    let mut crius: Vec<DebianCriu> = Vec::new();
    for stanza in stanzas.iter().filter(|stanza| stanza.package.name == "criu") {
        let Ok(version) = stanza.package.version.parse::<Version>() else { continue };
        if crius.iter().all(|criu| criu.version != version) {
            crius.push(DebianCriu {
                upstream: version.upstream_version.clone(),
                version,
                suite: stanza.suite.clone(),
                bytes: stanza.package.size,
                sha256: stanza.package.sha256.clone(),
            });
        }
    }
    crius.sort_by(|a, b| a.version.cmp(&b.version));
    crius
}

/// The newest package of that upstream version, or exactly that package.
///
/// # Errors
/// When there is none, with what there is.
pub(crate) fn choose<'a>(crius: &'a [DebianCriu], ask: &str) -> Result<&'a DebianCriu, InstallError> {
    crius.iter().rev().find(|criu| criu.upstream == ask || criu.version.to_string() == ask).ok_or_else(|| {
        let there_are: Vec<String> = crius
            .iter()
            .map(|criu| format!("{} ({} in {})", criu.upstream, criu.version, criu.suite))
            .collect();
        InstallError::NoCriu { ask: ask.to_owned(), there_are: there_are.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::index::tests::stanza;

    #[track_caller]
    fn check(ask: &str, expected: &str) {
        let stanzas = [
            stanza("bookworm", "criu", "3.17.1-2+deb12u2", ""),
            stanza("forky", "criu", "4.2.1-1", ""),
            stanza("sid", "criu", "4.2.1-1", ""),
            stanza("sid", "criu", "4.2.1-2", ""),
            stanza("experimental", "criu", "4.3-1~exp2", ""),
        ];
        let said = match choose(&catalogue(&stanzas), ask) {
            Ok(criu) => format!("{} {}", criu.version, criu.suite),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn the_newest_revision_of_an_upstream_version() {
        check("3.17.1", "3.17.1-2+deb12u2 bookworm");
        check("4.2.1", "4.2.1-2 sid");
        check("4.2.1-1", "4.2.1-1 forky");
        check("4.3", "4.3-1~exp2 experimental");
        check(
            "4.4",
            "no CRIU `4.4` in the configured suites; there are: 3.17.1 (3.17.1-2+deb12u2 in bookworm), 4.2.1 (4.2.1-1 in forky), 4.2.1 (4.2.1-2 in sid), 4.3 (4.3-1~exp2 in experimental)",
        );
    }
}
