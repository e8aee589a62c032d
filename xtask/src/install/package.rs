//! One exact Debian package: a line of the lock file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A package as a signed index names it. In the lock file it is one line:
/// `NAME VERSION ARCH SIZE SHA256 URI`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Package {
    /// The binary package's name.
    pub name: String,
    /// Its Debian version, epoch included.
    pub version: String,
    /// `amd64` or `all`.
    pub arch: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's SHA-256, as 64 hex digits.
    pub sha256: String,
    /// Where the file was to be had when it was resolved.
    pub uri: String,
}

/// A line that is no package.
#[derive(Debug, thiserror::Error)]
#[error("`{line}` is no package: NAME VERSION ARCH SIZE SHA256 URI is wanted")]
pub struct NoPackage {
    line: String,
}

impl FromStr for Package {
    type Err = NoPackage;

    fn from_str(line: &str) -> Result<Self, NoPackage> {
        let wrong = || NoPackage { line: line.to_owned() };
        let words: Vec<&str> = line.split(' ').collect();
        let [name, version, arch, size, sha256, uri] = words[..] else { return Err(wrong()) };
        let hex = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if name.is_empty() || name.contains('/') || !hex {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: arch.to_owned(),
            size: size.parse().map_err(|_| wrong())?,
            sha256: sha256.to_ascii_lowercase(),
            uri: uri.to_owned(),
        })
    }
}

impl TryFrom<String> for Package {
    type Error = NoPackage;

    fn try_from(line: String) -> Result<Self, NoPackage> {
        line.parse()
    }
}

impl From<Package> for String {
    fn from(package: Package) -> Self {
        let Package { name, version, arch, size, sha256, uri } = package;
        format!("{name} {version} {arch} {size} {sha256} {uri}")
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// A line of `apt-get --print-uris`: `'URI' FILE SIZE SHA256:HEX`.
/// The file's name carries name, version (its colon as `%3a`) and architecture.
pub(crate) fn from_print_uris(line: &str) -> Option<Package> {
    let mut words = line.split_whitespace();
    let uri = words.next()?.trim_matches('\'');
    let file = words.next()?.strip_suffix(".deb")?;
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?;
    let mut parts = file.splitn(3, '_');
    let (name, version, arch) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Package {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        arch: arch.to_owned(),
        size,
        sha256: sha256.to_owned(),
        uri: uri.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "'http://m/pool/g/libgmp10_6.3.0%2bdfsg-3_amd64.deb' libgmp10_2%3a6.3.0+dfsg-3_amd64.deb 560220 SHA256:d0d0265eb01770f17afd0f7c8c0622f80479dcfbbe13653a0debeec61464e622";

    #[test]
    fn an_epoch_survives_apt_and_the_lock() {
        let package = from_print_uris(LINE).unwrap();
        assert_eq!(package.version, "2:6.3.0+dfsg-3");
        assert_eq!(package.arch, "amd64");
        let line = String::from(package.clone());
        assert_eq!(line.parse::<Package>().unwrap(), package);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("criu 4.1.1-1 amd64 560280")]
    #[case("criu 4.1.1-1 amd64 many f3120d90b37d893879213d799c83696d6175ac8df3dc290e4e6c1fd0d2c2f82f u")]
    #[case("criu 4.1.1-1 amd64 5 f3120d u")]
    fn what_is_no_package_is_refused(#[case] line: &str) {
        assert!(line.parse::<Package>().is_err());
    }
}
