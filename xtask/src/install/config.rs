//! Where kernels, userlands and CRIUs come from. Debian's suites are the default: `scenarios/matrix/suites.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::Libc;

/// The suites that are configured when nobody says otherwise.
const DEFAULT: &str = include_str!("../../../scenarios/matrix/suites.toml");

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No TOML, or an unknown key.
    #[error("suites: {0}")]
    Parse(#[from] toml::de::Error),
    /// Names a suite that is not there.
    #[error("suite `{by}` names `{name}`, which is not configured; configured are: {there_are}")]
    UnknownSuite {
        /// Which suite, or which key.
        by: String,
        /// The name that leads nowhere.
        name: String,
        /// What there is.
        there_are: String,
    },
    /// The keyring that verifies a suite.
    #[error("suite `{suite}`: the keyring {} is not there: install debian-archive-keyring (`cargo xtask setup`), or name another with `keyring`", .keyring.display())]
    NoKeyring {
        /// The suite.
        suite: String,
        /// The file that is missing.
        keyring: PathBuf,
    },
    /// A value that would break out of apt's source line.
    #[error("suite `{suite}`: `{value}` cannot stand in a source of apt: no spaces, brackets or quotes")]
    BadValue {
        /// The suite.
        suite: String,
        /// What cannot stand there.
        value: String,
    },
}

/// Where kernels, userlands and CRIUs come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The suites, older ones first. Default: Debian bullseye to experimental, with security and backports.
    #[serde(default, rename = "suite")]
    pub suites: Vec<Suite>,
    /// Kernels of one's own, by the name that `--kernel` takes. Default: none.
    #[serde(default, rename = "kernel")]
    pub kernels: BTreeMap<String, OwnKernel>,
    /// CRIUs of one's own, by the name that `--criu` takes. Default: none.
    #[serde(default, rename = "criu")]
    pub crius: BTreeMap<String, OwnCriu>,
    /// Which flavour of Debian's kernels. Default: `cloud-amd64`, the smallest.
    #[serde(default = "default_flavour")]
    pub kernel_flavour: String,
    /// The suite that gives mke2fs (1.47.1 or newer) and QEMU (10.0 or newer) when this machine has none. Default: `trixie`.
    #[serde(default = "default_tools")]
    pub tools_suite: String,
    /// The suite whose libc the workloads are compiled against: the oldest userland. Default: `bullseye`, or the first that is a userland.
    #[serde(default = "default_sysroot")]
    pub sysroot_suite: String,
    /// What a userland holds beside the essential and required packages. Default: `busybox-static`, because the shell loop of everyone's first example runs under it, `kmod`, which loads the modules that the kernel asks for, `iproute2`, which CRIU calls for routes and rules, `strace`, which tells where a command hangs, and what stories start in containers: `redis-server`, `python3-minimal`, `tini`.
    #[serde(default = "default_extras")]
    pub userland_packages: Vec<String>,
    /// Archives to look in for a file that has vanished from its mirror: bases that hold `pool/`. Default: none.
    #[serde(default)]
    pub archives: Vec<String>,
}

/// One suite of an apt archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    /// What `--userland` and the reports call it. No default.
    pub name: String,
    /// The archive's base. Default: `http://deb.debian.org/debian`.
    #[serde(default = "default_uri")]
    pub uri: String,
    /// Its name in the archive. Default: `name`.
    #[serde(default)]
    pub suite: Option<String>,
    /// Components. Default: `["main"]`.
    #[serde(default = "default_components")]
    pub components: Vec<String>,
    /// The keyring that must have signed its Release. Default: `/usr/share/keyrings/debian-archive-keyring.gpg`.
    #[serde(default = "default_keyring")]
    pub keyring: PathBuf,
    /// Whether a Release past its Valid-Until is refused. Default: true.
    #[serde(default = "yes")]
    pub check_valid_until: bool,
    /// Whether `--userland` offers it. Default: false.
    #[serde(default)]
    pub userland: bool,
    /// Suites that are taken together with it when packages are chosen: security, updates, a base. Default: none.
    #[serde(default)]
    pub with: Vec<String>,
}

/// A kernel that the user built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnKernel {
    /// A bzImage or an uncompressed vmlinux. No default.
    pub vmlinuz: PathBuf,
    /// The folder given to `make modules_install INSTALL_MOD_PATH=…`, or `lib/modules/RELEASE` itself. No default.
    pub modules: PathBuf,
}

/// A CRIU that the user built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnCriu {
    /// The binary, or a folder with `criu/criu`, `sbin/criu` or `criu` in it. No default.
    pub path: PathBuf,
    /// `own`: this machine's libc goes along; `userland`: the guest's is used. Default: `own`.
    #[serde(default)]
    pub libc: Libc,
}

impl Default for Config {
    fn default() -> Self {
        Self::parse(DEFAULT)
            .unwrap_or_else(|error| unreachable!("the embedded suites.toml is tested: {error}"))
    }
}

impl Config {
    /// Reads a configuration as it stands, with no defaults for suites.
    ///
    /// # Errors
    /// When it is no TOML, has an unknown key, or names a suite that it does not have.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// This configuration, with what a matrix file adds: a suite of the same name replaces, others are appended;
    /// kernels and CRIUs likewise. Their relative paths are meant from `folder`, the matrix file's.
    ///
    /// # Errors
    /// When a suite then names another that is not there.
    pub fn with(
        mut self,
        folder: &Path,
        suites: Vec<Suite>,
        kernels: BTreeMap<String, OwnKernel>,
        crius: BTreeMap<String, OwnCriu>,
    ) -> Result<Self, ConfigError> {
        for suite in suites {
            match self.suites.iter_mut().find(|have| have.name == suite.name) {
                Some(have) => *have = suite,
                None => self.suites.push(suite),
            }
        }
        self.kernels.extend(kernels.into_iter().map(|(name, own)| {
            (name, OwnKernel { vmlinuz: folder.join(own.vmlinuz), modules: folder.join(own.modules) })
        }));
        self.crius.extend(
            crius
                .into_iter()
                .map(|(name, own)| (name, OwnCriu { path: folder.join(own.path), libc: own.libc })),
        );
        self.check()?;
        Ok(self)
    }

    /// The suite of that name.
    pub fn suite(&self, name: &str) -> Option<&Suite> {
        self.suites.iter().find(|suite| suite.name == name)
    }

    /// A suite and those that are taken together with it.
    pub(crate) fn together(&self, suite: &Suite) -> Vec<&Suite> {
        self.suites
            .iter()
            .filter(|other| other.name == suite.name || suite.with.contains(&other.name))
            .collect()
    }

    /// The suite that a tool comes from.
    pub(crate) fn tool_suite(&self, by: &str, name: &str) -> Result<&Suite, ConfigError> {
        self.suite(name).ok_or_else(|| self.unknown(by, name))
    }

    /// The suite whose libc the workloads are compiled against.
    pub(crate) fn sysroot(&self) -> Result<&Suite, ConfigError> {
        self.suite(&self.sysroot_suite)
            .or_else(|| self.suites.iter().find(|suite| suite.userland))
            .ok_or_else(|| self.unknown("sysroot-suite", &self.sysroot_suite))
    }

    /// That every keyring is there, before anything is fetched.
    pub(crate) fn check_keyrings(&self) -> Result<(), ConfigError> {
        match self.suites.iter().find(|suite| !suite.keyring.is_file()) {
            Some(suite) => {
                Err(ConfigError::NoKeyring { suite: suite.name.clone(), keyring: suite.keyring.clone() })
            }
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        for suite in &self.suites {
            suite.check()?;
            if let Some(name) = suite.with.iter().find(|name| self.suite(name).is_none()) {
                return Err(self.unknown(&suite.name, name));
            }
        }
        Ok(())
    }

    fn unknown(&self, by: &str, name: &str) -> ConfigError {
        let there_are: Vec<&str> = self.suites.iter().map(|suite| suite.name.as_str()).collect();
        ConfigError::UnknownSuite {
            by: by.to_owned(),
            name: name.to_owned(),
            there_are: there_are.join(", "),
        }
    }
}

impl Suite {
    /// Its name in the archive.
    pub fn archive_name(&self) -> &str {
        self.suite.as_deref().unwrap_or(&self.name)
    }

    /// Its line in a sources.list.
    pub(crate) fn source_line(&self) -> String {
        let valid = if self.check_valid_until { "" } else { " check-valid-until=no" };
        format!(
            "deb [arch=amd64 signed-by={}{valid}] {} {} {}\n",
            self.keyring.display(),
            self.uri,
            self.archive_name(),
            self.components.join(" ")
        )
    }

    fn check(&self) -> Result<(), ConfigError> {
        let keyring = self.keyring.to_string_lossy();
        let values = [self.name.as_str(), &self.uri, self.archive_name(), &keyring];
        let bad = |value: &&str| {
            value.is_empty() || value.contains(|c: char| c.is_whitespace() || "[]\"'".contains(c))
        };
        let components = self.components.iter().map(String::as_str);
        match values.into_iter().chain(components).find(bad) {
            Some(value) => Err(ConfigError::BadValue { suite: self.name.clone(), value: value.to_owned() }),
            None if self.name.contains('/') => {
                Err(ConfigError::BadValue { suite: self.name.clone(), value: self.name.clone() })
            }
            None => Ok(()),
        }
    }
}

fn default_flavour() -> String {
    "cloud-amd64".to_owned()
}

fn default_tools() -> String {
    "trixie".to_owned()
}

fn default_sysroot() -> String {
    "bullseye".to_owned()
}

fn default_extras() -> Vec<String> {
    ["busybox-static", "iproute2", "kmod", "python3-minimal", "redis-server", "strace", "tini"]
        .map(str::to_owned)
        .into()
}

fn default_uri() -> String {
    "http://deb.debian.org/debian".to_owned()
}

fn default_components() -> Vec<String> {
    vec!["main".to_owned()]
}

fn default_keyring() -> PathBuf {
    "/usr/share/keyrings/debian-archive-keyring.gpg".into()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_reads_and_has_all_userlands() {
        let config = Config::default();
        let userlands: Vec<&str> =
            config.suites.iter().filter(|suite| suite.userland).map(|suite| suite.name.as_str()).collect();
        assert_eq!(userlands, ["bullseye", "bookworm", "trixie", "forky", "sid"]);
        let trixie = config.suite("trixie").unwrap();
        let names: Vec<&str> = config.together(trixie).iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!(names, ["trixie", "trixie-security", "trixie-updates"]);
    }

    #[test]
    fn a_source_says_what_it_accepts() {
        let config = Config::default();
        insta::assert_snapshot!(
            config.suite("sid").unwrap().source_line(),
            @"deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] http://deb.debian.org/debian sid main"
        );
    }

    #[rstest::rstest]
    #[case("[[suite]]\nname = \"x\"\nurl = \"y\"", "unknown field `url`, expected one of `name`, `uri`")]
    #[case(
        "[[suite]]\nname = \"x\"\nwith = [\"z\"]",
        "suite `x` names `z`, which is not configured; configured are: x"
    )]
    #[case("[[suite]]\nname = \"x y\"", "suite `x y`: `x y` cannot stand in a source of apt")]
    #[case("[kernel.mine]\nvmlinuz = \"a\"", "missing field `modules`")]
    #[case(
        "[criu.mine]\npath = \"a\"\nlibc = \"musl\"",
        "unknown variant `musl`, expected `own` or `userland`"
    )]
    fn errors_name_the_place_and_the_legal_words(#[case] text: &str, #[case] expected: &str) {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_matrix_file_replaces_and_adds() {
        let mine: Config =
            toml::from_str("[[suite]]\nname = \"sid\"\nuri = \"http://m/\"\n[[suite]]\nname = \"own\"\n[kernel.k]\nvmlinuz = \"bz\"\nmodules = \"/x\"").unwrap();
        let config =
            Config::default().with(Path::new("/m"), mine.suites, mine.kernels, BTreeMap::new()).unwrap();
        assert_eq!(config.suite("sid").unwrap().uri, "http://m/");
        assert_eq!(config.suites.last().unwrap().name, "own");
        assert_eq!(config.kernels["k"], OwnKernel { vmlinuz: "/m/bz".into(), modules: "/x".into() });
    }
}
