//! The versions of one package that the suites have.

use debversion::Version;

use crate::install::index::Stanza;

/// A package of a suite.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Upstream's version: `4.1.1`, `20.10.24`, `1.0.0-rc93`.
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

/// Every version of that package, oldest first; of one version in several suites, only the first suite's.
pub(crate) fn catalogue(stanzas: &[Stanza], package: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for stanza in stanzas.iter().filter(|stanza| stanza.package.name == package) {
        let Ok(version) = stanza.package.version.parse::<Version>() else { continue };
        if offers.iter().all(|offer| offer.version != version) {
            offers.push(Offer {
                upstream: upstream(&version.upstream_version),
                version,
                suite: stanza.suite.clone(),
                bytes: stanza.package.size,
                sha256: stanza.package.sha256.clone(),
            });
        }
    }
    offers.sort_by(|a, b| a.version.cmp(&b.version));
    offers
}

/// What there is, for an error's words.
pub(crate) fn there_are(offers: &[Offer]) -> String {
    let words = |offer: &Offer| format!("{} ({} in {})", offer.upstream, offer.version, offer.suite);
    if offers.is_empty() {
        return "none".to_owned();
    }
    offers.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Upstream's own words: without what Debian says of its repacking (`+dfsg1`, `~ds1`), and with `-rc93` for `~rc93`.
fn upstream(version: &str) -> String {
    let repacked = ["+", "~ds", "~dfsg"].iter().filter_map(|mark| version.find(mark)).min();
    version[..repacked.unwrap_or(version.len())].replace('~', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("20.10.24+dfsg1", "20.10.24")]
    #[case("1.0.0~rc93+ds1", "1.0.0-rc93")]
    #[case("1.6.20~ds1", "1.6.20")]
    #[case("28.5.2+dfsg4", "28.5.2")]
    #[case("4.1.1", "4.1.1")]
    fn repacking_is_not_said(#[case] version: &str, #[case] expected: &str) {
        assert_eq!(upstream(version), expected);
    }
}
