//! Which QEMU, and how it is started.

use std::ffi::OsString;
use std::fmt;

/// QEMU, and how it is started.
#[derive(Clone, Debug)]
pub struct QemuProgram {
    /// The program with the words that come first: a private build is started by its own loader.
    pub argv: Vec<OsString>,
    /// What is put into its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its version.
    pub version: String,
}

impl QemuProgram {
    /// The release that the version belongs to; 0.0 where it has none.
    pub(super) fn release(&self) -> Release {
        let mut numbers = self.version.split('.').map(|number| number.parse().unwrap_or(0));
        Release(numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// A release of QEMU, which has machines of its own name: 10.0 for version 10.0.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(pub(super) u32, pub(super) u32);

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("10.0.13", Release(10, 0))]
    #[case("7.2.17", Release(7, 2))]
    #[case("11.1.0-rc1", Release(11, 1))]
    fn releases(#[case] version: &str, #[case] expected: Release) {
        let program = QemuProgram { argv: Vec::new(), env: Vec::new(), version: version.to_owned() };
        assert_eq!(program.release(), expected);
    }
}
