//! Packages into the cache: fetched by apt's own downloader, verified by SHA-256, tried again when the network fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use debversion::Version;

use crate::install::apt::{self, TRIES};
use crate::install::cache::Cache;
use crate::install::error::InstallError;
use crate::install::lock::Lock;
use crate::install::package::Package;
use crate::install::workshop::{self, Workshop};
use crate::process::{self, ProcessError};

/// apt's downloader: https, proxies and verification are its business.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";
/// Downloads side by side.
const LANES: usize = 3;
/// Held while packages are fetched.
static FETCHING: Mutex<()> = Mutex::new(());

/// What a run would download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// For what: `kernel 6.12`, `userland trixie`, …
    pub what: String,
    /// Bytes that it has in all.
    pub bytes: u64,
    /// Bytes of them that the cache does not have yet.
    pub missing: u64,
}

impl Download {
    /// Whether nothing is left to fetch.
    pub fn cached(&self) -> bool {
        self.missing == 0
    }
}

/// What the lock's parts weigh, and what of it is not in the cache. A package that two parts share counts for the first.
pub fn downloads(lock: &Lock, cache: &Cache) -> Vec<Download> {
    let mut seen = BTreeSet::new();
    let mut one = |what: String, packages: &[Package]| {
        let fresh: Vec<&Package> =
            packages.iter().filter(|package| seen.insert(package.sha256.clone())).collect();
        let missing = fresh.iter().filter(|package| cache.blob(&package.sha256).is_none());
        let missing = missing.map(|package| package.size).sum();
        Download { what, bytes: fresh.iter().map(|package| package.size).sum(), missing }
    };
    let mut all = vec![
        one("tool e2fsprogs".to_owned(), &lock.tools.e2fsprogs),
        one("tool sysroot".to_owned(), &lock.tools.sysroot),
        one("tool qemu".to_owned(), &lock.tools.qemu),
    ];
    all.extend(lock.kernels.iter().map(|(ask, it)| one(format!("kernel {ask}"), it.packages())));
    all.extend(lock.userlands.iter().map(|(ask, it)| one(format!("userland {ask}"), it.packages())));
    all.extend(lock.crius.iter().map(|(ask, it)| one(format!("CRIU {ask}"), it.packages())));
    all.extend(lock.engines.iter().map(|(key, it)| one(format!("engine {key}"), &it.packages)));
    all
}

impl Workshop<'_> {
    /// Brings all these packages into the cache.
    ///
    /// # Errors
    /// When one cannot be had: offline, vanished, or the network failed each time.
    pub fn fetch(&self, packages: &[Package]) -> Result<(), InstallError> {
        let missing = self.missing(packages);
        let Some(first) = missing.first() else { return Ok(()) };
        if self.offline {
            return Err(InstallError::Offline { what: first.to_string() });
        }
        // Who fetches ahead may be at the same ones.
        let _alone = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = self.missing(packages);
        if missing.is_empty() {
            return Ok(());
        }
        let bytes: u64 = missing.iter().map(|package| package.size).sum();
        self.say(format!("downloading {} packages, {} MiB", missing.len(), bytes.div_ceil(1 << 20)));
        let scratch = self.cache.scratch()?;
        let conf = bare_conf(scratch.path())?;
        let mut detail = String::new();
        for tries in 1..=TRIES {
            let errors = self.round(&self.missing(packages), &conf, scratch.path(), tries);
            if let Some(full) = errors.iter().position(|error| matches!(error, InstallError::DiskFull { .. }))
            {
                return Err(errors
                    .into_iter()
                    .nth(full)
                    .unwrap_or_else(|| unreachable!("a position is in range")));
            }
            if self.missing(packages).is_empty() || errors.iter().any(is_gone) {
                break;
            }
            detail = errors.first().map(ToString::to_string).unwrap_or_default();
            if tries < TRIES {
                apt::back_off(tries);
            }
        }
        for package in self.missing(packages) {
            self.last_resort(package, &conf, scratch.path(), &detail)?;
        }
        Ok(())
    }

    /// One try for each: some lanes side by side, each a run of apt's downloader over its share.
    fn round(&self, packages: &[&Package], conf: &Path, dir: &Path, tries: u32) -> Vec<InstallError> {
        let lanes: Vec<Vec<&Package>> = (0..LANES)
            .map(|lane| packages.iter().skip(lane).step_by(LANES).copied().collect())
            .filter(|lane: &Vec<&Package>| !lane.is_empty())
            .collect();
        std::thread::scope(|scope| {
            let lanes: Vec<_> = lanes
                .iter()
                .enumerate()
                .map(|(n, lane)| {
                    let dir = dir.join(format!("{tries}-{n}"));
                    scope.spawn(move || self.lane(lane, conf, &dir))
                })
                .collect();
            lanes.into_iter().filter_map(|lane| lane.join().ok()?.err()).collect()
        })
    }

    /// Fetches one share; what arrived whole is in the cache even when another file failed.
    fn lane(&self, packages: &[&Package], conf: &Path, dir: &Path) -> Result<(), InstallError> {
        fs::create_dir_all(dir).map_err(InstallError::file(dir))?;
        let mut command = process::command(APT_HELPER);
        command.env("APT_CONFIG", conf).env("LC_ALL", "C.UTF-8").arg("-q").arg("download-file");
        for package in packages {
            command
                .arg(&package.uri)
                .arg(dir.join(&package.sha256))
                .arg(format!("SHA256:{}", package.sha256));
        }
        let ran = process::output(&mut command);
        for package in packages {
            let file = dir.join(&package.sha256);
            if file.is_file() {
                self.cache
                    .adopt(&file, &package.to_string(), &package.sha256)
                    .map_err(|error| workshop::blame_full_disk(error.into(), dir, &package.to_string()))?;
            }
        }
        ran?;
        Ok(())
    }

    fn missing<'p>(&self, packages: &'p [Package]) -> Vec<&'p Package> {
        packages.iter().filter(|package| self.cache.blob(&package.sha256).is_none()).collect()
    }

    /// What did not come from its mirror: once more alone, then from the archives.
    fn last_resort(
        &self,
        package: &Package,
        conf: &Path,
        dir: &Path,
        detail: &str,
    ) -> Result<(), InstallError> {
        let (what, uri) = (package.to_string(), package.uri.clone());
        let Err(error) = self.lane(&[package], conf, &dir.join("last")) else { return Ok(()) };
        let pool = uri.find("/pool/").map_or("", |at| &uri[at + 1..]);
        for (n, base) in self.archives.iter().enumerate() {
            let elsewhere =
                Package { uri: format!("{}/{pool}", base.trim_end_matches('/')), ..package.clone() };
            if self.lane(&[&elsewhere], conf, &dir.join(format!("archive-{n}"))).is_ok() {
                self.say(format!("{what} has vanished from its mirror and came from {base}"));
                return Ok(());
            }
        }
        if is_gone(&error) {
            let nearest = nearest_in_lists(self.cache, package);
            return Err(InstallError::Vanished { what, uri, nearest });
        }
        let detail = if detail.is_empty() { error.to_string() } else { detail.to_owned() };
        Err(InstallError::Download { what, uri, tries: TRIES, detail })
    }
}

/// apt's downloader has one exit status for all that goes wrong; that a file is gone is only in its words.
fn is_gone(error: &InstallError) -> bool {
    matches!(error, InstallError::Process(ProcessError::Failed { stderr, .. }) if stderr.contains(" 404 "))
}

/// What the lists of the last update have under that name, or, of a kernel, under a name of the same series:
/// up to two older and two newer ones.
fn nearest_in_lists(cache: &Cache, package: &Package) -> String {
    let mut found = BTreeSet::new();
    for tree in fs::read_dir(cache.root().join("apt")).into_iter().flatten().flatten() {
        for list in fs::read_dir(tree.path().join("state/lists")).into_iter().flatten().flatten() {
            found.extend(names_in(&list.path(), &package.name));
        }
    }
    let Ok(wanted) = package.version.parse::<Version>() else { return "unknown".to_owned() };
    let near = nearest_versions(found, &wanted);
    let near = if near.is_empty() { "nothing of that name".to_owned() } else { near.join(", ") };
    format!("{near}; run without --locked to resolve anew")
}

fn nearest_versions(found: BTreeSet<(String, String)>, wanted: &Version) -> Vec<String> {
    let mut versions: Vec<(Version, String)> =
        found.into_iter().filter_map(|(name, version)| Some((version.parse().ok()?, name))).collect();
    versions.sort();
    let newer = versions.partition_point(|(version, _)| version <= wanted);
    let near = &versions[newer.saturating_sub(2)..(newer + 2).min(versions.len())];
    near.iter().map(|(version, name)| format!("{name} {version}")).collect()
}

/// Names and versions in a list of packages that could stand in for that name.
fn names_in(list: &Path, name: &str) -> Vec<(String, String)> {
    let Ok(text) = fs::read(list) else { return Vec::new() };
    let text = String::from_utf8_lossy(&text);
    let mut found = Vec::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(package) = line.strip_prefix("Package: ") {
            current = stands_in(package, name).then_some(package);
        } else if let (Some(package), Some(version)) = (current, line.strip_prefix("Version: ")) {
            found.push((package.to_owned(), version.to_owned()));
        }
    }
    found
}

/// The same name; or, where the name carries a version, one that differs only from the third number on.
fn stands_in(package: &str, name: &str) -> bool {
    let split = |text: &str| -> Option<(String, String)> {
        let rest = &text[text.find(|c: char| c.is_ascii_digit())?..];
        let third = rest.match_indices('.').nth(1)?.0;
        let flavour = rest[third..].find('-')? + third;
        let (before, after) = (text.len() - rest.len() + third, text.len() - rest.len() + flavour);
        let after = text[after..].trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
        Some((text[..before].to_owned(), after.to_owned()))
    };
    package == name
        || name.starts_with("linux-") && split(name).is_some_and(|parts| split(package) == Some(parts))
}

/// A configuration of apt for downloads alone.
fn bare_conf(dir: &Path) -> Result<PathBuf, InstallError> {
    for sub in ["etc", "empty", "state/lists/partial", "cache/archives/partial"] {
        let sub = dir.join(sub);
        fs::create_dir_all(&sub).map_err(InstallError::file(&sub))?;
    }
    let path = dir.join("apt.conf");
    fs::write(&path, apt::apt_conf(dir)).map_err(InstallError::file(&path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("criu", "criu", true)]
    #[case("criu-dev", "criu", false)]
    #[case("linux-image-6.12.117+deb13-cloud-amd64", "linux-image-6.12.90+deb13.1-cloud-amd64", true)]
    #[case("linux-image-6.1.0-56-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64", true)]
    #[case("linux-image-6.1.0-56-amd64", "linux-image-6.1.0-50-cloud-amd64", false)]
    #[case("linux-image-6.12.117+deb13-cloud-amd64-unsigned", "linux-image-6.12.90+deb13-cloud-amd64", false)]
    #[case("linux-image-6.18.5+deb13-cloud-amd64", "linux-image-6.12.90+deb13-cloud-amd64", false)]
    #[case("linux-image-6.12-cloud-amd64", "linux-image-6.12.90+deb13-cloud-amd64", false)]
    fn what_stands_in_for_a_vanished_package(
        #[case] there: &str,
        #[case] gone: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(stands_in(there, gone), expected);
    }

    #[test]
    fn the_nearest_are_two_on_each_side() {
        let found =
            ["1", "2", "3", "9", "10", "11"].map(|version| ("p".to_owned(), version.to_owned())).into();
        assert_eq!(nearest_versions(found, &"4".parse().unwrap()), ["p 2", "p 3", "p 9", "p 10"]);
    }

    #[test]
    fn what_two_parts_share_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(dir.path()).unwrap();
        let file = dir.path().join("tmp/f");
        fs::write(&file, "abc").unwrap();
        let have = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        cache.adopt(&file, "f", have).unwrap();
        let package = |name: &str, sha256: &str, size| Package {
            name: name.to_owned(),
            version: "1".to_owned(),
            arch: "all".to_owned(),
            size,
            sha256: sha256.to_owned(),
            uri: String::new(),
        };
        let tools = crate::install::Tools {
            e2fsprogs: vec![package("a", have, 3), package("b", "00", 10)],
            sysroot: vec![package("b", "00", 10), package("c", "11", 20)],
            qemu: Vec::new(),
        };
        let all = downloads(&Lock::new(tools), &cache);
        let said: Vec<_> =
            all.iter().map(|it| (it.what.as_str(), it.bytes, it.missing, it.cached())).collect();
        assert_eq!(
            said,
            [("tool e2fsprogs", 13, 10, false), ("tool sysroot", 20, 20, false), ("tool qemu", 0, 0, true)]
        );
    }
}
