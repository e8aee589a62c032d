//! Versions as logs tell them, and ranges of versions as rules write them.

use std::cmp::Ordering;

/// The numbers at the beginning of a version: `6.8.0-45-generic` is 6, 8, 0; `v3.15` is 3, 15.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(Vec<u32>);

impl Version {
    /// The version in a text; none where it does not begin with a number.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['v', 'V']);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let numbers: Result<Vec<u32>, _> =
            text[..end].trim_end_matches('.').split('.').map(str::parse).collect();
        numbers.ok().filter(|numbers| !numbers.is_empty()).map(Self)
    }

    /// How this one stands to another, of which only as many numbers are looked at as `other` has.
    fn compare(&self, other: &Self) -> Ordering {
        let ours = self.0.iter().chain(std::iter::repeat(&0));
        ours.zip(&other.0).map(|(a, b)| a.cmp(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// `>=3.17,<4.0 || >=4.1`: any of several lists, in which each comparison must hold.
#[derive(Clone, Debug)]
pub(super) struct Ranges(Vec<Vec<(Comparison, Version)>>);

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Less,
    AtMost,
    Same,
    AtLeast,
    Greater,
}

/// The signs, the longer ones first.
const SIGNS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("=", Comparison::Same),
];

impl Ranges {
    /// Reads what a rule says.
    ///
    /// # Errors
    /// With the part that is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let list = |list: &str| list.split(',').map(comparison).collect();
        text.split("||").map(list).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a version is in one of them. `<=3.16` and `=3.16` hold for 3.16.1 too.
    pub(super) fn hold(&self, version: &Version) -> bool {
        self.0.iter().any(|all| {
            all.iter().all(|(comparison, bound)| {
                let order = version.compare(bound);
                match comparison {
                    Comparison::Less => order.is_lt(),
                    Comparison::AtMost => order.is_le(),
                    Comparison::Same => order.is_eq(),
                    Comparison::AtLeast => order.is_ge(),
                    Comparison::Greater => order.is_gt(),
                }
            })
        })
    }
}

fn comparison(text: &str) -> Result<(Comparison, Version), String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is no range of versions: `>=3.17,<4.0`, `<6.13`, `=4.2`");
    let (sign, comparison) = SIGNS.into_iter().find(|(sign, _)| text.starts_with(sign)).ok_or_else(wrong)?;
    Ok((comparison, Version::read(&text[sign.len()..]).ok_or_else(wrong)?))
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
        assert_eq!(Ranges::read(range).unwrap().hold(&Version::read(version).unwrap()), expected);
    }

    #[test]
    fn what_is_no_range_is_said() {
        for wrong in ["3.17", "", "<", "<a", ">=3.17,"] {
            assert!(Ranges::read(wrong).unwrap_err().contains("is no range"), "{wrong}");
        }
        assert_eq!(Version::read("unknown"), None);
    }
}
