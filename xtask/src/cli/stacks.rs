//! From a plan and its lock to everything that hosts are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::parts::Parts;
use super::places;
use crate::engine;
use crate::host::{Accelerator, Qemu, QemuProgram, Shelf, Stack, probe};
use crate::install::{self, Asks, Cache, EngineAsk, Lock, Part, Workshop};
use crate::model::{HostAsk, WORKLOADS, Workload};
use crate::plan::{Plan, PlannedCell};

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
    pub(super) unfit: Shelf<String>,
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

/// Builds what is not in the cache. What cannot be had breaks the cells that need it, and no others; without QEMU,
/// the agent or the workloads there is no run at all.
pub(super) fn install(
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    offline: bool,
    tell: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Installed> {
    let all: BTreeSet<_> = hosts(plan).collect();
    let (installed, mut builder) = begin_install(plan, lock, cache, offline, tell, all.iter().copied())?;
    builder.build(all);
    Ok(installed)
}

/// The same without waiting for the stacks: those come onto the shelves of [`Installed`] as the builder makes them.
/// Made at once is what every cell needs, and a kernel to try the accelerator with, of the first host that has one.
pub(super) fn begin_install<'a, 'h>(
    plan: &Plan,
    lock: &'a Lock,
    cache: &'a Cache,
    offline: bool,
    tell: &'a (dyn Fn(String) + Sync),
    wanted: impl IntoIterator<Item = &'h HostAsk>,
) -> anyhow::Result<(Installed, Builder<'a>)> {
    let workshop = Workshop::new(lock, cache, offline, &[], tell);
    let program = qemu(&workshop)?;
    let agent = install::agent(&places::root()).context("the guest's agent cannot be built")?;
    let mut files = workload_files(&workshop)?;
    if let Some(image) = &plan.image {
        let root = workshop.container_image(image).context("containers cannot be made of that image")?;
        tell(format!("containers are made of {}, sha256 {}", image.display(), install::hash_file(image)?));
        files.insert(IMAGE.to_owned(), root);
    }
    let mut parts = Parts::new(lock, workshop, agent);
    let kernel = wanted.into_iter().find_map(|host| parts.kernel(&host.kernel).ok());
    let (accelerator, reason) =
        accelerator(&program, kernel.as_ref().map(|it| (&*it.0.image, &*it.1)), cache)?;
    tell(format!("accelerator {accelerator}: {reason}"));
    let (stacks, unfit) = (Shelf::default(), Shelf::default());
    let builder = Builder { parts, stacks: stacks.clone(), unfit: unfit.clone() };
    let provider = Qemu { program, accelerator, stacks, warm: None, notes: Arc::default() };
    Ok((Installed { provider, files, unfit }, builder))
}

/// Makes stacks, one after another.
pub(super) struct Builder<'a> {
    parts: Parts<'a>,
    stacks: Shelf<Result<Stack, String>>,
    unfit: Shelf<String>,
}

impl<'a> Builder<'a> {
    /// What can be fetched for these hosts, the first that is built at the beginning.
    pub(super) fn ahead<'h>(&self, hosts: impl IntoIterator<Item = &'h HostAsk>) -> Ahead<'a> {
        Ahead { parts: self.parts.of(hosts), workshop: self.parts.workshop }
    }

    /// Puts the stacks of these hosts, or why they cannot be had, onto the shelves.
    pub(super) fn build<'h>(&mut self, hosts: impl IntoIterator<Item = &'h HostAsk>) {
        for host in hosts {
            let stack = self.parts.stack(host);
            if let Ok((_, Some(reason))) = &stack {
                self.unfit.put(host, reason.clone());
            }
            self.stacks.put(host, stack.map(|(stack, _)| stack));
        }
    }
}

/// Fetches what stacks need that are to be built.
pub(super) struct Ahead<'a> {
    parts: Vec<Part<'a>>,
    workshop: Workshop<'a>,
}

impl Ahead<'_> {
    /// Fetches it all, for as long as `goes_on`.
    pub(super) fn fetch(&self, goes_on: &dyn Fn() -> bool) {
        self.workshop.fetch_ahead(&self.parts, goes_on);
    }
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
    let workshop = Workshop::new(lock, cache, offline, &[], tell);
    let agent = install::agent(&places::root()).context("the agent cannot be built")?;
    let files = workload_files(&workshop)?;
    let mut parts = Parts::new(lock, workshop, agent.clone());
    let crius = hosts(plan).map(|host| (host.clone(), parts.criu(&host.criu).map(|criu| criu.image)));
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
    let workshop = Workshop::new(lock, cache, offline, &[], &|note| eprintln!("{note}"));
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

/// The answer is remembered until QEMU, the machine's kernel or its `/dev/kvm` is another.
fn accelerator(
    program: &QemuProgram,
    kernel: Option<(&Path, &Path)>,
    cache: &Cache,
) -> anyhow::Result<(Accelerator, String)> {
    let Some((image, initrd)) = kernel else {
        return Ok((Accelerator::Tcg, "no kernel could be had to try KVM with".to_owned()));
    };
    let scratch = cache.scratch()?;
    Ok(probe(program, image, initrd, scratch.path(), &cache.root().join(ACCELERATOR)))
}
