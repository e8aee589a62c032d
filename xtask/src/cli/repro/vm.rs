//! The virtual machine of a bundle: its script, and with `--with-vm` the files that it boots.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::Context as _;

use super::case::Case;
use crate::bundle::{INIT, Machine, packages, reproduce_vm};
use crate::cli::stacks;
use crate::install::{Cache, Workshop};
use crate::model::Role;

/// zstd's level for disks: most of what is in them are zeros.
const LEVEL: i32 = 6;

/// `reproduce-vm.sh` and `packages.txt`, as texts.
pub(super) fn texts(case: &Case, daemon: bool) -> (String, String) {
    let host = &case.planned.host;
    let facts = case.played.facts.get(&Role::Source);
    let on_kvm = facts.is_some_and(|facts| facts.machine.contains("kvm"));
    let mut disks = vec![("criu", "opt/criu"), ("modules", "lib/modules")];
    if !case.lock.engines.is_empty() {
        disks.push(("engine", "opt/engine"));
    }
    let machine = Machine {
        accelerator: if on_kvm { "kvm" } else { "tcg" },
        cpu: &host.cpu,
        cpus: case.plan.cpus,
        memory_mib: case.plan.memory_mib,
        disks,
        daemon,
    };
    let lock = &case.lock;
    let of =
        |packages: &[crate::install::Package]| packages.iter().map(ToString::to_string).collect::<Vec<_>>();
    let parts = [
        ("kernel", lock.kernels.values().flat_map(|it| of(it.packages())).collect()),
        ("CRIU", lock.crius.values().flat_map(|it| of(it.packages())).collect()),
        ("engine", lock.engines.values().flat_map(|it| of(&it.packages)).collect()),
        ("distribution", lock.userlands.values().flat_map(|it| of(it.packages())).collect()),
    ];
    (reproduce_vm(&machine), packages(case.planned.id.as_str(), &parts))
}

/// Kernel, initrd and disks, each compressed, as `vm/NAME.zst`.
pub(super) fn files(case: &Case, folder: &Path, offline: bool) -> anyhow::Result<()> {
    let cache = Cache::open()?;
    let tell = |note: String| eprintln!("{note}");
    let host = &case.planned.host;
    let installed = stacks::install(&case.plan, &case.lock, &cache, offline, &tell)?;
    let stack = match installed.provider.stacks.get(host) {
        Some(Ok(stack)) => stack,
        Some(Err(reason)) => anyhow::bail!("the virtual machine cannot be made: {reason}"),
        None => anyhow::bail!("the virtual machine cannot be made: nothing was installed for it"),
    };
    fs::create_dir_all(folder)?;
    let archives = Vec::new();
    let workshop = Workshop::new(&case.lock, &cache, offline, &archives, &tell);
    let kernel = case.lock.kernels.get(&host.kernel).context("the lock has not the kernel")?;
    let userland = case.lock.userlands.get(&host.userland).context("the lock has not the userland")?;
    let scratch = cache.scratch()?;
    let initrd = scratch.path().join("initrd");
    workshop.plain_initrd(&workshop.kernel(kernel)?, userland, INIT, &[], &initrd)?;
    let parts = [
        ("kernel", Some(&stack.kernel)),
        ("initrd", Some(&initrd)),
        ("root", Some(&stack.userland)),
        ("criu", Some(&stack.criu)),
        ("engine", stack.engine.as_ref()),
        ("modules", stack.modules.as_ref()),
    ];
    for (name, file) in parts {
        let Some(file) = file else { continue };
        compress(file, &folder.join(format!("{name}.zst")))
            .with_context(|| format!("cannot compress {}", file.display()))?;
    }
    Ok(())
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut out = zstd::Encoder::new(File::create(to)?, LEVEL)?;
    io::copy(&mut File::open(from)?, &mut out)?;
    out.finish()?.sync_all()
}
