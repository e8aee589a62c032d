//! From a plan and its lock to everything that hosts are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::places;
use crate::engine;
use crate::host::{Accelerator, Qemu, QemuProgram, Stack, probe};
use crate::install::{
    self, Asks, Cache, Criu, Engine, EngineAsk, InstallError, Kernel, Lock, Userland, Workshop, engine_key,
};
use crate::interrupt;
use crate::model::{HostAsk, WORKLOADS, Workload};
use crate::plan::{Plan, PlannedCell};
use crate::run;

/// Where the accelerator that works is remembered, in the cache.
pub(super) const ACCELERATOR: &str = "accelerator.json";

/// What the commands of steps call, beside the workloads.
const SCRIPTS: &[&str] =
    &["more-ticks.sh", "make-rootfs.sh", "detached.sh", "container-items.sh", "hang.sh", "periodic.sh"];

/// The user's own image in a guest's work folder, where `make-rootfs.sh` takes it.
const IMAGE: &str = "image.tar";

/// What the harness runs in a guest beside the workloads, compiled like them.
const PROGRAMS: &[&str] = &["capture"];

/// What a run needs of this machine, ready to use.
pub(super) struct Installed {
    /// Makes hosts.
    pub(super) provider: Qemu,
    /// The files that workloads need, by name.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// Hosts on which nothing can be asked, with the true reason: their cells are skipped.
    pub(super) unfit: BTreeMap<HostAsk, String>,
}

/// What the axes of a plan ask for.
pub(super) fn asks(plan: &Plan) -> Asks {
    let of = |axis: fn(&HostAsk) -> &String| {
        let values: BTreeSet<_> = hosts(plan).map(|host| axis(host).clone()).collect();
        values.into_iter().filter(|value| value != HostAsk::AS_IS).collect()
    };
    Asks {
        kernels: of(|host| &host.kernel),
        userlands: of(|host| &host.userland),
        boxes: if plan.provider == "vagrant" { of(|host| &host.userland) } else { Vec::new() },
        crius: of(|host| &host.criu),
        engines: engines(plan),
    }
}

/// Every host that a cell of a plan names.
fn hosts(plan: &Plan) -> impl Iterator<Item = &HostAsk> {
    plan.cell.iter().flat_map(PlannedCell::hosts)
}

/// The engines that have packages of their own, one for each userland that they are for.
fn engines(plan: &Plan) -> Vec<EngineAsk> {
    let pairs: BTreeSet<_> = hosts(plan).map(|host| (&host.engine, &host.userland)).collect();
    pairs
        .into_iter()
        .filter_map(|(ask, userland)| {
            Some(EngineAsk {
                ask: ask.clone(),
                userland: userland.clone(),
                version: engine::split(ask).1.map(str::to_owned),
                recipe: engine::recipe(ask)?,
            })
        })
        .collect()
}

/// Cells at a time, when nobody says.
pub(super) fn default_jobs(plan: &Plan) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let guests = plan.stories.values().map(|story| story.roles().len()).max().unwrap_or(1);
    run::default_jobs(processors, run::available_mib(), plan.memory_mib, guests)
}

/// Builds what is not in the cache. What cannot be had breaks the cells that need it, and no others; without QEMU,
/// the agent or the workloads there is no run at all.
pub(super) fn install(
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    offline: bool,
    tell: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Installed> {
    let archives = Vec::new();
    let workshop = Workshop::new(lock, cache, offline, &archives, tell);
    let program = qemu(&workshop)?;
    let agent = install::agent(&places::root()).context("the guest's agent cannot be built")?;
    let mut files = workload_files(&workshop)?;
    if let Some(image) = &plan.image {
        let root = workshop.container_image(image).context("containers cannot be made of that image")?;
        tell(format!("containers are made of {}, sha256 {}", image.display(), install::hash_file(image)?));
        files.insert(IMAGE.to_owned(), root);
    }
    let parts = Parts::build(plan, lock, &workshop, &agent);
    let (mut stacks, mut unfit) = (BTreeMap::new(), BTreeMap::new());
    for host in hosts(plan).collect::<BTreeSet<_>>() {
        let stack = parts.stack(host);
        if let Ok((_, Some(reason))) = &stack {
            unfit.insert(host.clone(), reason.clone());
        }
        stacks.insert(host.clone(), stack.map(|(stack, _)| stack));
    }
    let (accelerator, reason) = accelerator(&program, &stacks, cache)?;
    tell(format!("accelerator {accelerator}: {reason}"));
    let provider = Qemu { program, accelerator, stacks, warm: None, notes: Arc::default() };
    Ok(Installed { provider, files, unfit })
}

/// What is taken to a machine that is taken as it is.
pub(super) struct Luggage {
    pub(super) agent: PathBuf,
    /// The ext4 image of each host's CRIU, or why there is none.
    pub(super) crius: BTreeMap<HostAsk, Result<PathBuf, String>>,
    /// The files that workloads need, by name.
    pub(super) files: BTreeMap<String, PathBuf>,
}

/// The same for machines that are taken as they are.
pub(super) fn install_as_is(
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    offline: bool,
    tell: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Luggage> {
    let archives = Vec::new();
    let workshop = Workshop::new(lock, cache, offline, &archives, tell);
    let agent = install::agent(&places::root()).context("the agent cannot be built")?;
    let files = workload_files(&workshop)?;
    let built = each(&asks(plan).crius, &|ask| criu(lock, &workshop, ask));
    let crius = hosts(plan).map(|host| {
        let image = part(&built, "CRIU", &host.criu).map(|criu| criu.image.clone());
        (host.clone(), image)
    });
    Ok(Luggage { agent, crius: crius.collect(), files })
}

/// QEMU, of this machine or of the cache.
pub(super) fn qemu(workshop: &Workshop<'_>) -> anyhow::Result<QemuProgram> {
    let named = std::env::var_os("CRIU_MATRIX_QEMU").map(PathBuf::from);
    let qemu = workshop.qemu(named.as_deref()).context("there is no QEMU that can be used")?;
    let install::Qemu { argv_prefix, env, version, .. } = qemu;
    Ok(QemuProgram { argv: argv_prefix, env, version })
}

/// The folder of the workloads' compiled programs.
pub(super) fn programs(lock: &Lock, cache: &Cache, offline: bool) -> anyhow::Result<PathBuf> {
    let archives = Vec::new();
    let workshop = Workshop::new(lock, cache, offline, &archives, &|note| eprintln!("{note}"));
    workshop.workloads(&places::workloads()).context("the workloads cannot be built")
}

/// Scripts as they are, programs as they were compiled.
fn workload_files(workshop: &Workshop<'_>) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let sources = places::workloads();
    let built = workshop.workloads(&sources).context("the workloads cannot be built")?;
    let names = WORKLOADS.iter().flat_map(|workload| workload.files).chain(SCRIPTS).chain(PROGRAMS);
    Ok(names
        .map(|name| {
            let folder = if Workload::is_source(name) { &sources } else { &built };
            ((*name).to_owned(), folder.join(name))
        })
        .collect())
}

/// Each part of a host, once, or why it cannot be had.
struct Parts {
    kernels: BTreeMap<String, Result<(Kernel, PathBuf, PathBuf), String>>,
    userlands: BTreeMap<String, Result<Userland, String>>,
    crius: BTreeMap<String, Result<Criu, String>>,
    /// By their keys in the lock. A userland of the user's own may have none: its own programs are meant.
    engines: BTreeMap<String, Result<Option<Engine>, String>>,
}

impl Parts {
    fn build(plan: &Plan, lock: &Lock, workshop: &Workshop<'_>, agent: &Path) -> Self {
        let asks = asks(plan);
        let words = |error: InstallError| error.to_string();
        let kernel = |ask: &str| {
            let locked = lock.kernels.get(ask).ok_or("it is not in the lock")?;
            let kernel = workshop.kernel(locked).map_err(words)?;
            let initrd = workshop.initrd(&kernel, agent).map_err(words)?;
            let modules = workshop.modules(&kernel).map_err(words)?;
            Ok((kernel, initrd, modules))
        };
        let userland = |ask: &str| {
            let locked = lock.userlands.get(ask).ok_or("it is not in the lock")?;
            workshop.userland(locked).map_err(words)
        };
        let engine = |key: &str| {
            let locked = lock.engines.get(key);
            locked.map(|locked| workshop.engine(locked)).transpose().map_err(words)
        };
        let engines: Vec<_> = asks.engines.iter().map(|it| engine_key(&it.ask, &it.userland)).collect();
        Self {
            kernels: each(&asks.kernels, &kernel),
            userlands: each(&asks.userlands, &userland),
            crius: each(&asks.crius, &|ask| criu(lock, workshop, ask)),
            engines: each(&engines, &engine),
        }
    }

    /// A host's files, and why nothing can be asked of it all the same.
    fn stack(&self, host: &HostAsk) -> Result<(Stack, Option<String>), String> {
        let (kernel, initrd, modules) = part(&self.kernels, "kernel", &host.kernel)?;
        let userland = part(&self.userlands, "userland", &host.userland)?;
        let criu = part(&self.crius, "CRIU", &host.criu)?;
        let engine = match engine::recipe(&host.engine) {
            Some(_) => part(&self.engines, "engine", &engine_key(&host.engine, &host.userland))?.as_ref(),
            None => None,
        };
        let stack = Stack {
            kernel: kernel.image.clone(),
            initrd: initrd.clone(),
            config: kernel.config.clone(),
            userland: userland.image.clone(),
            criu: criu.image.clone(),
            engine: engine.map(|engine| engine.image.clone()),
            modules: Some(modules.clone()),
        };
        Ok((stack, too_old(criu, userland, host)))
    }
}

fn criu(lock: &Lock, workshop: &Workshop<'_>, ask: &str) -> Result<Criu, String> {
    let locked = lock.crius.get(ask).ok_or("it is not in the lock")?;
    workshop.criu(locked).map_err(|error| error.to_string())
}

/// A CRIU on the userland's libc needs one that is new enough.
fn too_old(criu: &Criu, userland: &Userland, host: &HostAsk) -> Option<String> {
    let (needs, has) = (criu.needs_glibc.as_ref()?, userland.glibc.as_ref()?);
    install::is_newer(needs, has)
        .then(|| format!("CRIU {} needs glibc {needs}, and {} has {has}", host.criu, host.userland))
}

fn each<T>(
    asks: &[String],
    build: &dyn Fn(&str) -> Result<T, String>,
) -> BTreeMap<String, Result<T, String>> {
    let build_unless_interrupted =
        |ask: &String| if interrupt::happened() { Err("interrupted".to_owned()) } else { build(ask) };
    asks.iter().map(|ask| (ask.clone(), build_unless_interrupted(ask))).collect()
}

fn part<'a, T>(
    parts: &'a BTreeMap<String, Result<T, String>>,
    kind: &str,
    ask: &str,
) -> Result<&'a T, String> {
    match parts.get(ask) {
        Some(Ok(part)) => Ok(part),
        Some(Err(reason)) => Err(format!("{kind} {ask}: {reason}")),
        None => Err(format!("{kind} {ask}: nobody asked for it")),
    }
}

/// The answer is remembered until QEMU, the machine's kernel or its `/dev/kvm` is another.
fn accelerator(
    program: &QemuProgram,
    stacks: &BTreeMap<HostAsk, Result<Stack, String>>,
    cache: &Cache,
) -> anyhow::Result<(Accelerator, String)> {
    let Some(stack) = stacks.values().find_map(|stack| stack.as_ref().ok()) else {
        return Ok((Accelerator::Tcg, "no kernel could be had to try KVM with".to_owned()));
    };
    let scratch = cache.scratch()?;
    Ok(probe(program, &stack.kernel, &stack.initrd, scratch.path(), &cache.root().join(ACCELERATOR)))
}
