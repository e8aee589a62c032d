//! apt as the resolver, without root: a private tree in the cache, an empty dpkg status, nothing inherited
//! from this machine's own /etc/apt. apt checks signatures, validity and hashes; we check no signature ourselves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::fcntl::Flock;

use crate::install::cache::{self, Cache};
use crate::install::config::{Config, Suite};
use crate::install::error::InstallError;
use crate::install::package::{self, Package};
use crate::interrupt;
use crate::process;

/// Lists younger than this are taken as they are.
const FRESH: Duration = Duration::from_secs(600);
/// How often a download is tried.
pub(crate) const TRIES: u32 = 4;

/// A private apt tree with the lists of all configured suites.
pub(crate) struct Apt<'a> {
    cache: &'a Cache,
    config: &'a Config,
    dir: PathBuf,
    lists: Vec<PackagesList>,
}

/// One suite's list of packages, as apt verified it.
#[derive(Clone, Debug)]
pub(crate) struct PackagesList {
    /// The configured suite's name.
    pub(crate) suite: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// What the `Filename:` fields are relative to.
    pub(crate) base: String,
}

/// Says whose outdated signatures are accepted.
pub(crate) fn tell_of_lenience(config: &Config, tell: &dyn Fn(String)) {
    let lenient: Vec<&str> = config
        .suites
        .iter()
        .filter(|suite| !suite.check_valid_until)
        .map(|suite| suite.name.as_str())
        .collect();
    if !lenient.is_empty() {
        tell(format!(
            "note: an expired Release is accepted of {} (signatures are checked)",
            lenient.join(", ")
        ));
    }
}

fn sources(config: &Config) -> Vec<String> {
    config.suites.iter().map(Suite::source_line).collect()
}

fn tree(cache: &Cache, name: &str) -> PathBuf {
    cache.root().join("apt").join(name)
}

/// When the lists of a tree were brought up to date.
fn updated(tree: &Path) -> Option<SystemTime> {
    fs::metadata(tree.join("updated")).and_then(|meta| meta.modified()).ok()
}

fn age(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

impl<'a> Apt<'a> {
    /// Makes the tree, and brings its lists up to date unless offline or fresh.
    pub(crate) fn open(
        config: &'a Config,
        cache: &'a Cache,
        offline: bool,
        tell: &dyn Fn(String),
    ) -> Result<Self, InstallError> {
        config.check_keyrings()?;
        let sources = sources(config);
        let name = cache::key(&sources);
        let dir = tree(cache, &name);
        let mut apt = Self { cache, config, dir, lists: Vec::new() };
        let _lock: Flock<File> = cache.lock(
            &format!("apt-{name}"),
            "another run updates the package lists: waiting for it",
            tell,
        )?;
        apt.make_tree(&sources)?;
        match (updated(&apt.dir).map(age), offline) {
            (None, true) => return Err(InstallError::Offline { what: "the package lists".to_owned() }),
            (Some(_), true) => {}
            (Some(age), false) if age < FRESH => {}
            (_, false) => apt.update(tell)?,
        }
        apt.lists = apt.find_lists()?;
        Ok(apt)
    }

    /// The package lists, in the order of the configured suites.
    pub(crate) fn lists(&self) -> &[PackagesList] {
        &self.lists
    }

    fn find_lists(&self) -> Result<Vec<PackagesList>, InstallError> {
        let mut command = self.command("apt-get", &self.dir.join("all.list"));
        command.args([
            "indextargets",
            "--format",
            "$(RELEASE)|$(REPO_URI)|$(FILENAME)",
            "Created-By: Packages",
        ]);
        let output = process::output(&mut command)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lists = Vec::new();
        for suite in &self.config.suites {
            let base = suite.uri.trim_end_matches('/');
            for line in text.lines() {
                let mut fields = line.splitn(3, '|');
                let (Some(release), Some(uri), Some(file)) = (fields.next(), fields.next(), fields.next())
                else {
                    continue;
                };
                let this = release == suite.archive_name() && uri.trim_end_matches('/') == base;
                if this && Path::new(file).is_file() {
                    let (suite, base) = (suite.name.clone(), base.to_owned());
                    lists.push(PackagesList { suite, file: file.into(), base });
                }
            }
        }
        Ok(lists)
    }

    /// What apt would install for `wanted` on an empty machine with that suite and those taken together with it.
    pub(crate) fn closure(&self, suite: &Suite, wanted: &[String]) -> Result<Vec<Package>, InstallError> {
        let together = self.config.together(suite);
        let list = self.together_list(suite, &together)?;
        let key = self.closure_key(&together, wanted)?;
        let dir = self.cache.built("closure", &key, &|_| {}, |dir| {
            // An archive like experimental is marked NotAutomatic: without -t its packages meet no dependency.
            let closure = self.print_uris(&list, None, wanted).or_else(|first| {
                self.print_uris(&list, Some(suite.archive_name()), wanted).map_err(|_| first)
            });
            let text = closure.map_err(|source| InstallError::Unresolvable {
                suite: suite.name.clone(),
                wanted: wanted.join(" "),
                source,
            })?;
            let path = dir.join("uris");
            fs::write(&path, text).map_err(InstallError::file(path))
        })?;
        let path = dir.join("uris");
        let text = fs::read_to_string(&path).map_err(InstallError::file(&path))?;
        let mut packages: Vec<Package> = text.lines().filter_map(package::from_print_uris).collect();
        packages.sort();
        Ok(packages)
    }

    fn print_uris(
        &self,
        list: &Path,
        target: Option<&str>,
        wanted: &[String],
    ) -> Result<String, process::ProcessError> {
        let mut command = self.command("apt-get", list);
        command.args(["-qq", "--no-install-recommends", "--print-uris", "-o", "Acquire::ForceHash=sha256"]);
        if let Some(target) = target {
            command.args(["-t", target]);
        }
        command.arg("install").args(wanted);
        let output = process::output(&mut command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Everything that a closure depends on: the lists as they are, and what is wanted.
    fn closure_key(&self, together: &[&Suite], wanted: &[String]) -> Result<String, InstallError> {
        let mut parts = vec!["closure 1".to_owned()];
        for list in self.lists.iter().filter(|list| together.iter().any(|suite| suite.name == list.suite)) {
            parts.push(fingerprint(&list.file)?);
        }
        parts.extend(wanted.iter().cloned());
        Ok(cache::key(&parts))
    }

    fn update(&self, tell: &dyn Fn(String)) -> Result<(), InstallError> {
        tell("updating the package lists".to_owned());
        let mut tries = 0;
        loop {
            tries += 1;
            let mut command = self.command("apt-get", &self.dir.join("all.list"));
            command.args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]);
            match process::output(&mut command) {
                Ok(_) => break,
                Err(source) if tries >= TRIES || matches!(source, process::ProcessError::Start { .. }) => {
                    return Err(InstallError::Update { tries, source });
                }
                Err(_) => back_off(tries),
            }
        }
        let stamp = self.dir.join("updated");
        fs::write(&stamp, "").map_err(InstallError::file(&stamp))
    }

    /// What the lists are, where there are some that need not be brought up to date: another text after each update.
    pub(crate) fn usable_lists(config: &Config, cache: &Cache, offline: bool) -> Option<String> {
        let name = cache::key(sources(config));
        let updated = updated(&tree(cache, &name))?;
        (offline || age(updated) < FRESH).then(|| format!("{name} {updated:?}"))
    }

    fn make_tree(&self, sources: &[String]) -> Result<(), InstallError> {
        for dir in ["etc", "empty", "state/lists/partial", "cache/archives/partial"] {
            let dir = self.dir.join(dir);
            fs::create_dir_all(&dir).map_err(InstallError::file(&dir))?;
        }
        let status = self.dir.join("status");
        fs::write(&status, "").map_err(InstallError::file(&status))?;
        write(&self.dir.join("all.list"), &sources.concat())?;
        for (suite, line) in self.config.suites.iter().zip(sources) {
            write(&self.list_of(&suite.name), line)?;
        }
        write(&self.dir.join("apt.conf"), &apt_conf(&self.dir))
    }

    fn list_of(&self, suite: &str) -> PathBuf {
        self.dir.join("etc").join(format!("{suite}.list"))
    }

    fn together_list(&self, suite: &Suite, together: &[&Suite]) -> Result<PathBuf, InstallError> {
        let path = self.dir.join("etc").join(format!("{}.with.list", suite.name));
        let lines: String = together.iter().map(|suite| suite.source_line()).collect();
        write(&path, &lines)?;
        Ok(path)
    }

    fn command(&self, program: &str, list: &Path) -> Command {
        let mut command = process::command(program);
        command.env("APT_CONFIG", self.dir.join("apt.conf")).env("LC_ALL", "C.UTF-8");
        command.arg("-o").arg(format!("Dir::Etc::sourcelist={}", list.display()));
        command
    }
}

/// A configuration that inherits nothing: this machine's own may switch off checks of validity, or call hooks.
pub(crate) fn apt_conf(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"Dir "{dir}";
Dir::Etc "{dir}/etc";
Dir::Etc::main "none";
Dir::Etc::parts "{dir}/empty";
Dir::Etc::sourceparts "{dir}/empty";
Dir::Etc::preferences "none";
Dir::Etc::preferencesparts "{dir}/empty";
Dir::Etc::trusted "none";
Dir::Etc::trustedparts "{dir}/empty";
Dir::Etc::netrcparts "{dir}/empty";
Dir::State "{dir}/state";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Get::List-Cleanup "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"#
    )
}

/// Waits before a download is tried again: 1, 2, 4 seconds.
pub(crate) fn back_off(tries: u32) {
    interrupt::hold(Duration::from_secs(1 << (tries - 1).min(4)));
}

/// Which state of a file this is, without reading it.
pub(crate) fn fingerprint(path: &Path) -> Result<String, InstallError> {
    let meta = fs::metadata(path).map_err(InstallError::file(path))?;
    let modified = meta.modified().map_err(InstallError::file(path))?;
    Ok(format!("{} {} {modified:?}", path.display(), meta.len()))
}

/// Writes only what differs, so that apt sees no news where there is none.
fn write(path: &Path, content: &str) -> Result<(), InstallError> {
    if fs::read_to_string(path).is_ok_and(|have| have == content) {
        return Ok(());
    }
    cache::write_whole(path, content.as_bytes()).map_err(InstallError::file(path))
}
