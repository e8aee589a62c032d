//! The packages that matter here, out of apt's verified lists: kernels, CRIU, and a few names more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use crate::install::apt::{self, Apt, PackagesList};
use crate::install::cache::{self, Cache};
use crate::install::error::InstallError;
use crate::install::package::Package;

/// What is kept of one stanza of a `Packages` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// The configured suite that has it.
    pub(crate) suite: String,
    /// The package.
    pub(crate) package: Package,
    /// Its `Depends:` field.
    pub(crate) depends: String,
}

/// The stanzas that matter, of all suites, in the order of the suites.
pub(crate) fn stanzas(apt: &Apt<'_>, cache: &Cache, flavour: &str) -> Result<Vec<Stanza>, InstallError> {
    kept(apt, cache, flavour, |name| matters(name, flavour))
}

/// The stanzas of all packages of these names, of all suites, in the order of the suites.
pub(crate) fn named(
    apt: &Apt<'_>,
    cache: &Cache,
    names: &BTreeSet<&str>,
) -> Result<Vec<Stanza>, InstallError> {
    let key: Vec<&str> = names.iter().copied().collect();
    kept(apt, cache, &format!("names {}", key.join(" ")), |name| names.contains(name))
}

/// Filters each list once, for as long as it does not change: `what` says by what.
fn kept(
    apt: &Apt<'_>,
    cache: &Cache,
    what: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Stanza>, InstallError> {
    let mut all = Vec::new();
    for list in apt.lists() {
        let key = cache::key(["index 1", what, &apt::fingerprint(&list.file)?]);
        let dir = cache.built("index", &key, &|_| {}, |dir| {
            let path = dir.join("stanzas");
            filter(&list.file, &path, &wanted).map_err(InstallError::file(&list.file))
        })?;
        let path = dir.join("stanzas");
        let text = fs::read_to_string(&path).map_err(InstallError::file(&path))?;
        all.extend(parse(&text, list));
    }
    Ok(all)
}

/// Whether resolving ever asks for that package by name or pattern.
fn matters(name: &str, flavour: &str) -> bool {
    let kernel = ["linux-image-", "linux-binary-", "linux-modules-", "linux-base-"];
    let is_kernel = kernel.iter().any(|prefix| name.starts_with(prefix))
        && name.strip_suffix(flavour).is_some_and(|rest| rest.ends_with('-'));
    is_kernel || name == "criu" || name == "usr-is-merged" || name.starts_with("libarchive13")
}

/// Copies the stanzas of packages whose name is wanted. A list has more than a million lines.
fn filter(list: &Path, out: &Path, wanted: impl Fn(&str) -> bool) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(list)?);
    let mut out = std::io::BufWriter::new(File::create(out)?);
    let mut line = Vec::new();
    let mut keep = false;
    while {
        line.clear();
        reader.read_until(b'\n', &mut line)? > 0
    } {
        if let Some(name) = line.strip_prefix(b"Package: ") {
            keep = std::str::from_utf8(name).is_ok_and(|name| wanted(name.trim_end()));
        }
        if keep {
            out.write_all(&line)?;
        }
    }
    out.flush()
}

/// Reads stanzas. One without a file, a size or a SHA-256 is none.
pub(crate) fn parse(text: &str, list: &PackagesList) -> Vec<Stanza> {
    text.split("\n\n").filter_map(|stanza| one(stanza, list)).collect()
}

fn one(text: &str, list: &PackagesList) -> Option<Stanza> {
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let package = Package {
        name: field("Package")?.to_owned(),
        version: field("Version")?.to_owned(),
        arch: field("Architecture")?.to_owned(),
        size: field("Size")?.parse().ok()?,
        sha256: field("SHA256")?.to_owned(),
        uri: format!("{}/{}", list.base, field("Filename")?),
    };
    Some(Stanza {
        suite: list.suite.clone(),
        package,
        depends: field("Depends").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stanza as in a `Packages` file, out of a name, a version and what it depends on.
    pub(crate) fn stanza(suite: &str, name: &str, version: &str, depends: &str) -> Stanza {
        let list = PackagesList { suite: suite.to_owned(), file: "".into(), base: "http://m".to_owned() };
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nDepends: {depends}\nFilename: pool/{name}_{version}.deb\nSize: 3\nSHA256: {hash}\n"
        );
        parse(&text, &list).remove(0)
    }

    #[test]
    fn only_what_matters_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (list, out) = (dir.path().join("l"), dir.path().join("o"));
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = ["criu", "criu-dev", "linux-image-6.12.1-cloud-amd64", "linux-image-6.12.1-amd64", "zoo"]
            .map(|name| format!("Package: {name}\nVersion: 1\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 3\nSHA256: {hash}\nDescription: a\n"))
            .join("\n");
        fs::write(&list, text).unwrap();
        filter(&list, &out, |name| matters(name, "cloud-amd64")).unwrap();
        let list = PackagesList { suite: "s".to_owned(), file: list, base: "http://m".to_owned() };
        let kept: Vec<String> = parse(&fs::read_to_string(out).unwrap(), &list)
            .into_iter()
            .map(|stanza| stanza.package.uri)
            .collect();
        assert_eq!(kept, ["http://m/pool/criu.deb", "http://m/pool/linux-image-6.12.1-cloud-amd64.deb"]);
    }
}
