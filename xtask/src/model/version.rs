//! Versions as people and programs write them, and ranges of them.

use semver::{Version, VersionReq};

/// The version that a text begins with: `6.8.0-45-generic` is 6.8.0, `v3.15` is 3.15.0. Three numbers at the most, and
/// zeros for those that are not said; none where it begins with no number.
pub fn leading_version(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut numbers = text[..end].split('.').map_while(|number| number.parse().ok());
    let major = numbers.next()?;
    Some(Version::new(major, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

/// `>=3.17,<4.0 || >=4.1`: any of several ranges.
///
/// A bound has as many numbers as it says: `<=3.16` and `=3.16` hold for 3.16.1 too, as in Cargo's requirements.
#[derive(Clone, Debug)]
pub struct Ranges(Vec<VersionReq>);

impl Ranges {
    /// Reads them.
    ///
    /// # Errors
    /// With the part that is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let part = part.trim();
            let wrong = || format!("`{part}` is no range of versions: `>=3.17,<4.0`, `<6.13`, `=4.2`");
            // Without a sign Cargo means "compatible", which nobody expects here.
            if !part.starts_with(['<', '>', '=']) {
                return Err(wrong());
            }
            VersionReq::parse(part).map_err(|_| wrong())
        };
        text.split("||").map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a version is in one of them.
    pub fn hold(&self, version: &Version) -> bool {
        self.0.iter().any(|range| range.matches(version))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("<3.17", "3.16.1", true)]
    #[case("<3.17", "3.17", false)]
    #[case("<3.17", "3.17.1", false)]
    #[case("<=3.16", "3.16.1", true)]
    #[case("<=3.16", "3.17", false)]
    #[case("=20.10", "20.10.24+dfsg1-1", true)]
    #[case(">20.10", "20.10.24", false)]
    #[case(">=6.8", "6.8.0-45-generic", true)]
    #[case(">=3.17.1", "v3.17", false)]
    #[case(">=3.17,<4.0", "3.19", true)]
    #[case(">=3.17,<4.0", "4.0", false)]
    #[case("<3.17 || >=4.0", "4.1", true)]
    #[case("<3.17 || >=4.0", "3.18", false)]
    fn a_range_holds(#[case] range: &str, #[case] version: &str, #[case] expected: bool) {
        assert_eq!(Ranges::read(range).unwrap().hold(&leading_version(version).unwrap()), expected);
    }

    #[test]
    fn what_is_no_range_is_said() {
        for wrong in ["3.17", "", "<", "<a", ">=3.17,,"] {
            assert!(Ranges::read(wrong).unwrap_err().contains("is no range"), "{wrong}");
        }
        assert_eq!(leading_version("unknown"), None);
    }
}
