//! From what was asked for to exact packages.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::install::apt::{self, Apt};
use crate::install::cache::{self, Cache};
use crate::install::config::{Config, OwnCriu, OwnKernel, Suite};
use crate::install::engines::{self, EngineAsk, engine_key};
use crate::install::error::InstallError;
use crate::install::index::{self, Stanza};
use crate::install::kernels::{self, DebianKernel};
use crate::install::lock::{Lock, LockedCriu, LockedKernel, LockedUserland, Tools};
use crate::install::memo::{Answer, Memo};
use crate::install::vagrant_box::BOX_PACKAGES;
use crate::install::{criu, crius, kernel, offers};
use crate::model::Libc;

/// What the axes ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Series, exact packages, or names of kernel tables.
    pub kernels: Vec<String>,
    /// Suites, or files of rootfs tars.
    pub userlands: Vec<String>,
    /// Suites that a Vagrant box is made of.
    pub boxes: Vec<String>,
    /// Upstream versions, with `@userland` behind for the userland's libc; or names of CRIU tables.
    pub crius: Vec<String>,
    /// Container engines, each for a userland.
    pub engines: Vec<EngineAsk>,
}

/// Where an answer may come from.
#[derive(Clone, Debug, Default)]
pub struct Mode {
    /// Fetch nothing; use the lists of the last time.
    pub offline: bool,
    /// Use this lock and nothing else.
    pub locked: Option<Lock>,
}

/// Exact packages for all that was asked for, and for the harness's own tools.
///
/// # Errors
/// When something that was asked for cannot be had: the error names the nearest that can.
pub fn resolve(
    asks: &Asks,
    config: &Config,
    cache: &Cache,
    mode: &Mode,
    tell: &dyn Fn(String),
) -> Result<Lock, InstallError> {
    if let Some(lock) = &mode.locked {
        return obey(asks, lock);
    }
    config.check_keyrings()?;
    apt::tell_of_lenience(config, tell);
    if let Some(answer) = Memo::of(asks, config, cache, mode.offline).and_then(|memo| memo.recall())
        && let Ok(lock) = obey(asks, &answer.lock)
    {
        answer.notes.into_iter().for_each(tell);
        return Ok(lock);
    }
    let apt = Apt::open(config, cache, mode.offline, tell)?;
    let memo = Memo::of(asks, config, cache, mode.offline);
    let notes = RefCell::new(Vec::new());
    let lock = resolve_anew(asks, config, cache, &apt, &|note: String| {
        notes.borrow_mut().push(note.clone());
        tell(note);
    })?;
    let answer = Answer { lock, notes: notes.into_inner() };
    // Another run may have brought the lists up to date meanwhile.
    if let (Some(memo), Some(now)) = (memo, Memo::of(asks, config, cache, mode.offline))
        && memo.is(&now)
    {
        memo.keep(&answer);
    }
    Ok(answer.lock)
}

fn resolve_anew(
    asks: &Asks,
    config: &Config,
    cache: &Cache,
    apt: &Apt<'_>,
    tell: &dyn Fn(String),
) -> Result<Lock, InstallError> {
    let stanzas = index::stanzas(apt, cache, &config.kernel_flavour)?;
    let kernels = kernels::catalogue(&stanzas, &config.kernel_flavour);
    let resolver = Resolver { config, apt, stanzas: &stanzas };
    let mut lock = Lock::new(resolver.tools()?);
    for ask in &asks.kernels {
        let found = match config.kernels.get(ask) {
            Some(own) => own_kernel(own)?,
            None => debian_kernel(&kernels, ask, tell)?,
        };
        lock.kernels.insert(ask.clone(), found);
    }
    for ask in &asks.userlands {
        lock.userlands.insert(ask.clone(), resolver.userland(ask)?);
    }
    for ask in &asks.boxes {
        lock.boxes.insert(ask.clone(), resolver.vagrant_box(ask)?);
    }
    for ask in &asks.crius {
        let found = match config.crius.get(ask) {
            Some(own) => own_criu(own)?,
            None => resolver.criu(ask)?,
        };
        lock.crius.insert(ask.clone(), found);
    }
    for ask in &asks.engines {
        let key = engine_key(&ask.ask, &ask.userland);
        if !lock.engines.contains_key(&key)
            && let Some(found) = engines::resolve(ask, config, apt, cache)?
        {
            lock.engines.insert(key, found);
        }
    }
    Ok(lock)
}

/// That part of the lock that was asked for. The user's own files must be as they were.
fn obey(asks: &Asks, lock: &Lock) -> Result<Lock, InstallError> {
    let mut obeyed = Lock::new(lock.tools.clone());
    obeyed.kernels = pick("kernel", &asks.kernels, &lock.kernels)?;
    obeyed.userlands = pick("userland", &asks.userlands, &lock.userlands)?;
    obeyed.boxes = pick("box", &asks.boxes, &lock.boxes)?;
    obeyed.crius = pick("CRIU", &asks.crius, &lock.crius)?;
    let own = |userland: &str| matches!(obeyed.userlands.get(userland), Some(LockedUserland::Own { .. }));
    let installed = asks.engines.iter().filter(|ask| ask.version.is_some() || !own(&ask.userland));
    let engines: Vec<String> = installed.map(|ask| engine_key(&ask.ask, &ask.userland)).collect();
    obeyed.engines = pick("engine", &engines, &lock.engines)?;
    for kernel in obeyed.kernels.values() {
        if let LockedKernel::Own { vmlinuz, sha256, modules, modules_sha256, .. } = kernel {
            unchanged(vmlinuz, sha256, hash(vmlinuz)?)?;
            unchanged(modules, modules_sha256, hash_tree(modules)?)?;
        }
    }
    for userland in obeyed.userlands.values() {
        if let LockedUserland::Own { tar, sha256 } = userland {
            unchanged(tar, sha256, hash(tar)?)?;
        }
    }
    for criu in obeyed.crius.values() {
        if let LockedCriu::Own { path, sha256, .. } = criu {
            unchanged(path, sha256, hash(path)?)?;
        }
    }
    Ok(obeyed)
}

fn pick<T: Clone>(
    kind: &'static str,
    asks: &[String],
    have: &BTreeMap<String, T>,
) -> Result<BTreeMap<String, T>, InstallError> {
    let one = |ask: &String| match have.get(ask) {
        Some(it) => Ok((ask.clone(), it.clone())),
        None => {
            let there_are: Vec<&str> = have.keys().map(String::as_str).collect();
            let there_are = if there_are.is_empty() { "none".to_owned() } else { there_are.join(", ") };
            Err(InstallError::NotLocked { kind, ask: ask.clone(), there_are })
        }
    };
    asks.iter().map(one).collect()
}

fn unchanged(path: &Path, was: &str, now: String) -> Result<(), InstallError> {
    if was == now {
        return Ok(());
    }
    Err(InstallError::Changed { path: path.to_owned(), was: was.to_owned(), now })
}

struct Resolver<'a> {
    config: &'a Config,
    apt: &'a Apt<'a>,
    stanzas: &'a [Stanza],
}

impl Resolver<'_> {
    fn tools(&self) -> Result<Tools, InstallError> {
        let suite = self.config.tool_suite("tools-suite", &self.config.tools_suite)?;
        let libarchive =
            self.first_named(suite, "libarchive13").unwrap_or_else(|| "libarchive13t64".to_owned());
        let sysroot = self.config.sysroot()?;
        Ok(Tools {
            e2fsprogs: self.apt.closure(suite, &["e2fsprogs".to_owned(), libarchive])?,
            qemu: self.apt.closure(suite, &["qemu-system-x86".to_owned()])?,
            sysroot: self.apt.closure(sysroot, &["libc6-dev".to_owned()])?,
        })
    }

    fn userland(&self, ask: &str) -> Result<LockedUserland, InstallError> {
        match self.config.suite(ask).filter(|suite| suite.userland) {
            Some(suite) => self.debian_userland(suite, &[]),
            None => self.own_userland(ask),
        }
    }

    fn vagrant_box(&self, ask: &str) -> Result<LockedUserland, InstallError> {
        match self.config.suite(ask).filter(|suite| suite.userland) {
            Some(suite) => self.debian_userland(suite, BOX_PACKAGES),
            None => Err(InstallError::NoUserland { ask: ask.to_owned(), suites: self.suites() }),
        }
    }

    fn debian_userland(&self, suite: &Suite, more: &[&str]) -> Result<LockedUserland, InstallError> {
        let mut wanted = vec!["?essential".to_owned(), "?priority(required)".to_owned()];
        // From bookworm on an essential package wants the merged /usr; without this one apt takes a converter and perl.
        wanted.extend(self.first_named(suite, "usr-is-merged"));
        wanted.extend(self.config.userland_packages.iter().cloned());
        wanted.extend(more.iter().map(|name| (*name).to_owned()));
        Ok(LockedUserland::Debian { suite: suite.name.clone(), packages: self.apt.closure(suite, &wanted)? })
    }

    /// Those that a userland can be made of.
    fn suites(&self) -> String {
        let suites =
            self.config.suites.iter().filter(|suite| suite.userland).map(|suite| suite.name.as_str());
        suites.collect::<Vec<_>>().join(", ")
    }

    fn own_userland(&self, ask: &str) -> Result<LockedUserland, InstallError> {
        let path = Path::new(ask);
        if !path.is_file() {
            return Err(InstallError::NoUserland { ask: ask.to_owned(), suites: self.suites() });
        }
        let tar = absolute(path)?;
        let sha256 = hash(&tar)?;
        Ok(LockedUserland::Own { tar, sha256 })
    }

    fn criu(&self, ask: &str) -> Result<LockedCriu, InstallError> {
        let (version, libc) = match ask.strip_suffix("@userland") {
            Some(version) => (version, Libc::Userland),
            None => (ask, Libc::Own),
        };
        let all = offers::catalogue(self.stanzas, "criu");
        let found = crius::choose(&all, version)?;
        let suite = self.config.tool_suite("criu", &found.suite)?;
        Ok(LockedCriu::Debian {
            upstream: found.upstream.clone(),
            version: found.version.to_string(),
            suite: found.suite.clone(),
            libc,
            packages: self.apt.closure(suite, &[format!("criu={}", found.version)])?,
        })
    }

    /// The first package of a suite (and those taken with it) whose name begins so: `libarchive13` or `libarchive13t64`.
    fn first_named(&self, suite: &Suite, prefix: &str) -> Option<String> {
        let together = self.config.together(suite);
        self.stanzas
            .iter()
            .filter(|stanza| together.iter().any(|suite| suite.name == stanza.suite))
            .map(|stanza| stanza.package.name.clone())
            .find(|name| name.starts_with(prefix))
    }
}

fn debian_kernel(
    kernels: &[DebianKernel],
    ask: &str,
    tell: &dyn Fn(String),
) -> Result<LockedKernel, InstallError> {
    let choice = kernels::choose(kernels, ask)?;
    if let Some(note) = choice.note {
        tell(format!("kernel {ask} is {}: {note}", choice.kernel.abi));
    }
    Ok(LockedKernel::Debian {
        release: choice.kernel.release.clone(),
        version: choice.kernel.version.to_string(),
        suite: choice.kernel.suite.clone(),
        packages: choice.kernel.packages.clone(),
    })
}

fn own_kernel(own: &OwnKernel) -> Result<LockedKernel, InstallError> {
    let vmlinuz = absolute(&own.vmlinuz)?;
    let modules = kernel::own_modules(&absolute(&own.modules)?)?;
    let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(LockedKernel::Own {
        sha256: hash(&vmlinuz)?,
        vmlinuz,
        modules_sha256: hash_tree(&modules)?,
        modules,
        release,
    })
}

fn own_criu(own: &OwnCriu) -> Result<LockedCriu, InstallError> {
    let path = criu::own_binary(&absolute(&own.path)?)?;
    Ok(LockedCriu::Own { sha256: hash(&path)?, path, libc: own.libc })
}

fn absolute(path: &Path) -> Result<PathBuf, InstallError> {
    path.canonicalize().map_err(InstallError::file(path))
}

fn hash(path: &Path) -> Result<String, InstallError> {
    cache::hash_file(path).map_err(InstallError::file(path))
}

/// The SHA-256 over names and contents of a tree; symbolic links by what they point to.
pub(crate) fn hash_tree(root: &Path) -> Result<String, InstallError> {
    let mut parts = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        let mut items: Vec<PathBuf> = fs::read_dir(&dir)
            .and_then(|items| items.map(|item| Ok(item?.path())).collect())
            .map_err(InstallError::file(&dir))?;
        items.sort();
        for path in items {
            let meta = fs::symlink_metadata(&path).map_err(InstallError::file(&path))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if meta.is_dir() {
                todo.push(path);
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).map_err(InstallError::file(&path))?;
                parts.push(format!("{name} -> {}", target.display()));
            } else {
                parts.push(format!("{name} {}", hash(&path)?));
            }
        }
    }
    parts.sort();
    Ok(cache::key(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(_: String) {}

    #[test]
    fn a_lock_gives_what_it_has_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(dir.path()).unwrap();
        let tar = dir.path().join("tmp/r.tar");
        fs::write(&tar, "abc").unwrap();
        let mut lock = Lock::new(Tools::default());
        lock.userlands
            .insert("r".to_owned(), LockedUserland::Own { sha256: hash(&tar).unwrap(), tar: tar.clone() });
        let ask = |userland: &str| Asks { userlands: vec![userland.to_owned()], ..Asks::default() };
        let mode = Mode { offline: true, locked: Some(lock.clone()) };
        let config = Config::default();
        assert_eq!(resolve(&ask("r"), &config, &cache, &mode, &silent).unwrap(), lock);
        let error = resolve(&ask("trixie"), &config, &cache, &mode, &silent).unwrap_err().to_string();
        assert_eq!(
            error,
            "the lock file has no userland `trixie`: run once without --locked, or ask for one of: r"
        );
        fs::write(&tar, "abd").unwrap();
        let error = resolve(&ask("r"), &config, &cache, &mode, &silent).unwrap_err();
        assert!(matches!(error, InstallError::Changed { .. }), "{error}");
    }
}
