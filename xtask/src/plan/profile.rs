//! A profile: the axes of a matrix, as a person writes them under `scenarios/matrix/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::To;
use crate::install::{Config, ConfigError, OwnCriu, OwnKernel, Suite};
use crate::known_bug::{Hosts, KnownBug, KnownBugTable, Pattern, Several};
use crate::model::HostAsk;
use crate::toml_file::{ReadError, Source};

/// `scenarios/matrix/NAME.toml`, or any file of this shape.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// What the profile is for, in a sentence. Required.
    pub summary: String,
    /// Series (`6.12`), exact packages (`6.12.117+deb13`), or names of `[kernels.NAME]`. Required.
    pub kernel: Vec<String>,
    /// Suites (`trixie`), or paths of rootfs tars. Required.
    pub userland: Vec<String>,
    /// Upstream versions (`4.1.1`, `4.1.1@userland`), or names of `[crius.NAME]`. Required.
    pub criu: Vec<String>,
    /// Engines. Default: `["criu"]`.
    #[serde(default = "engine")]
    pub engine: Vec<String>,
    /// CPU models, by QEMU's names. Default: `["max"]`.
    #[serde(default = "cpu")]
    pub cpu: Vec<String>,
    /// Scenarios, by name or glob. Default: `["*"]`.
    #[serde(default = "scenario")]
    pub scenario: Vec<String>,
    /// Where stories that move go to: each host that the other axes span, crossed with each that this table does. A
    /// story without a second host is played on the sources. Default: the second host is like the first.
    pub to: Option<To>,
    /// Hosts that are left out, each with its reason. Default: none.
    #[serde(default)]
    pub except: Vec<Except>,
    /// Cells that are known to fail, and how. Default: none.
    #[serde(default)]
    known_bug: Vec<Spanned<KnownBugTable>>,
    /// The same, found sound.
    #[serde(skip)]
    pub known_bugs: Vec<KnownBug>,
    /// A guest's memory, MiB. Default: 512.
    #[serde(default = "memory_mib")]
    pub memory_mib: u32,
    /// A guest's processors. Default: 1.
    #[serde(default = "cpus")]
    pub cpus: u32,
    /// What containers are made of: the path of a rootfs tar, or of what `docker save` or `podman save` wrote.
    /// Default: the userland's busybox.
    pub image: Option<PathBuf>,
    /// Kernels that the user built. Default: none.
    #[serde(default)]
    pub kernels: BTreeMap<String, OwnKernel>,
    /// CRIUs that the user built. Default: none.
    #[serde(default)]
    pub crius: BTreeMap<String, OwnCriu>,
    /// Suites and mirrors: one of a known name stands in its place, others come on top. Default: Debian's.
    #[serde(default)]
    pub suite: Vec<Suite>,
    /// The file's folder: paths in the file are meant from there.
    #[serde(skip)]
    folder: PathBuf,
}

/// `[[except]]`: hosts of a profile that are not asked, as they are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptTable {
    #[serde(default)]
    kernel: Several<Pattern>,
    #[serde(default)]
    userland: Several<Pattern>,
    #[serde(default)]
    criu: Several<Pattern>,
    #[serde(default)]
    engine: Several<Pattern>,
    /// Why, for the skipped cells. Required.
    reason: String,
}

/// Hosts of a profile that are not asked, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "ExceptTable")]
pub struct Except {
    /// The hosts.
    pub hosts: Hosts,
    /// Why, for the skipped cells.
    pub reason: String,
}

impl From<ExceptTable> for Except {
    fn from(table: ExceptTable) -> Self {
        let ExceptTable { kernel, userland, criu, engine, reason } = table;
        Self { hosts: Hosts { kernel, userland, criu, engine }, reason }
    }
}

fn engine() -> Vec<String> {
    vec!["criu".to_owned()]
}

fn cpu() -> Vec<String> {
    vec!["max".to_owned()]
}

fn scenario() -> Vec<String> {
    vec!["*".to_owned()]
}

fn memory_mib() -> u32 {
    512
}

fn cpus() -> u32 {
    1
}

/// Axes from the command line; each that is given stands in place of the profile's.
#[derive(Clone, Debug, Default)]
pub struct Axes {
    /// `--kernel`.
    pub kernel: Vec<String>,
    /// `--userland`.
    pub userland: Vec<String>,
    /// `--criu`.
    pub criu: Vec<String>,
    /// `--engine`.
    pub engine: Vec<String>,
    /// `--cpu`.
    pub cpu: Vec<String>,
    /// `--scenario`.
    pub scenario: Vec<String>,
    /// `--to-kernel`, `--to-cpu` and so on.
    pub to: To,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read, or is wrong.
    #[error(transparent)]
    File(#[from] ReadError),
    /// No such name.
    #[error("no profile `{name}`; there are {known}, and any path of a TOML file will do")]
    Unknown {
        /// As it was given.
        name: String,
        /// The names that there are.
        known: String,
    },
}

impl Profile {
    /// Reads a profile by its name in a folder, or by its path.
    ///
    /// # Errors
    /// When there is none, or it is wrong.
    pub fn read(folder: &Path, name: &str) -> Result<Self, ProfileError> {
        let named = folder.join(name).with_extension("toml");
        let path = if name.ends_with(".toml") { Path::new(name) } else { named.as_path() };
        if !path.exists() {
            return Err(ProfileError::Unknown { name: name.to_owned(), known: known(folder) });
        }
        let source = Source::read(path)?;
        let mut profile: Self = source.parse().map_err(ReadError::from)?;
        profile.known_bugs =
            KnownBugTable::of_profile(&source, &profile.known_bug).map_err(ReadError::from)?;
        profile.folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(profile)
    }

    /// Puts the command line's axes in place of the profile's.
    pub fn take(&mut self, axes: Axes) {
        let Axes { kernel, userland, criu, engine, cpu, scenario, to } = axes;
        if !to.is_empty() {
            let mine = self.to.get_or_insert_default();
            in_place([
                (&mut mine.kernel, to.kernel),
                (&mut mine.userland, to.userland),
                (&mut mine.criu, to.criu),
                (&mut mine.engine, to.engine),
                (&mut mine.cpu, to.cpu),
            ]);
        }
        in_place([
            (&mut self.kernel, kernel),
            (&mut self.userland, userland),
            (&mut self.criu, criu),
            (&mut self.engine, engine),
            (&mut self.cpu, cpu),
            (&mut self.scenario, scenario),
        ]);
    }

    /// Makes it one of machines that are taken as they are: kernel, userland and processor are what they are.
    pub fn as_is(&mut self) {
        for axis in [&mut self.kernel, &mut self.userland, &mut self.cpu] {
            *axis = vec![HostAsk::AS_IS.to_owned()];
        }
        // What is left out is named by what was asked, and nothing was.
        self.except.clear();
    }

    /// Why a host is not asked, where it is left out.
    pub fn excepted(&self, host: &HostAsk) -> Option<String> {
        self.except.iter().find(|except| except.hosts.mean(host)).map(|except| except.reason.clone())
    }

    /// The image of containers, from the folder that it is meant from.
    pub fn image(&self) -> Option<PathBuf> {
        self.image.as_ref().map(|image| self.folder.join(image))
    }

    /// The part that resolving and installing need.
    ///
    /// # Errors
    /// When a suite is not what a suite can be.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Config::default().with(&self.folder, self.suite.clone(), self.kernels.clone(), self.crius.clone())
    }
}

/// Puts each axis that was given in place of the one that is there.
fn in_place<const AXES: usize>(axes: [(&mut Vec<String>, Vec<String>); AXES]) {
    for (mine, given) in axes {
        if !given.is_empty() {
            *mine = given;
        }
    }
}

fn known(folder: &Path) -> String {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.retain(|name| name != "suites");
    names.sort();
    names.join(", ")
}
