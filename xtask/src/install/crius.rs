//! Which CRIU of the suites an ask means.

use crate::install::error::InstallError;
use crate::install::offers::{self, Offer};

/// The newest package of that upstream version, or exactly that package.
///
/// # Errors
/// When there is none, with what there is.
pub(crate) fn choose<'a>(crius: &'a [Offer], ask: &str) -> Result<&'a Offer, InstallError> {
    crius
        .iter()
        .rev()
        .find(|criu| criu.upstream == ask || criu.version.to_string() == ask)
        .ok_or_else(|| InstallError::NoCriu { ask: ask.to_owned(), there_are: offers::there_are(crius) })
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
        let said = match choose(&offers::catalogue(&stanzas, "criu"), ask) {
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
