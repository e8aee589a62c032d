//! What the provider `vagrant` needs: boxes, kernels with an initrd that boots them, and which machine is whose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::play::Ready;
use super::{Arguments, places};
use crate::cli::stacks::{self, Installed};
use crate::host::{self, Accelerator, Boot, Fleet, Machine, Machines, Qemu, QemuProgram, Stay, Vagrant};
use crate::install::{self, Cache, Lock, Workshop, libvirt};
use crate::model::{HostAsk, Role};
use crate::plan::{Plan, PlannedCell};
use crate::process;
use crate::run;
use crate::scenario::Story;

/// Where Vagrant's things lie in the cache.
pub(in crate::cli) const FOLDER: &str = "vagrant";

/// What is said before machines are made.
const NOTICE: &str = "vagrant: machines criu-matrix-* are made in libvirt (qemu:///system), and gone when the run \
    ends unless --keep is given";

/// A box and how it is booted on one kernel.
struct Booted {
    box_name: String,
    kernel: PathBuf,
    initrd: PathBuf,
}

pub(super) fn ready(
    arguments: &Arguments,
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    note: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Ready> {
    let version = libvirt::answers()?;
    let names = names(plan);
    let machines: BTreeSet<&String> = names.values().collect();
    let (wanted, free) = (machines.len() as u64 * u64::from(plan.memory_mib), run::available_mib());
    // Those that stayed hold their memory already.
    if wanted > free && arguments.reuse.is_none() {
        bail!(
            "{} machines of {} MiB are wanted at a time, and {free} MiB are free: name fewer kernels, userlands or CPUs",
            machines.len(),
            plan.memory_mib
        );
    }
    let Installed { provider, files, unfit } = stacks::install(plan, lock, cache, arguments.offline, note)?;
    let Qemu { program, accelerator, stacks, .. } = provider;
    let base = cache.root().join(FOLDER);
    fs::create_dir_all(base.join("home")).with_context(|| base.display().to_string())?;
    // Vagrant takes a box in, and libvirt an image of it, without minding another Vagrant that is at it.
    let one_at_a_time =
        cache.lock("vagrant", "another harness brings Vagrant's machines up", &|text| note(text))?;
    let booted = boxes(plan, lock, cache, arguments.offline, note, &base)?;
    let emulator = emulator(&program, &base)?;
    note(NOTICE.to_owned());
    let fleet = |folder: &Path| fleet(plan, &names, &booted, &emulator, accelerator, folder);
    let stay =
        Stay { keep: arguments.keep, reuse: arguments.reuse.as_ref().map(std::path::absolute).transpose()? };
    let machine = format!("libvirt {version}, QEMU {}, {accelerator}", program.version);
    let agent = install::agent(&places::root()).context("the guest's agent cannot be built")?;
    let fleet = Fleet::up(&base, &places::vagrant(), &stay, &fleet);
    let fleet = fleet.context("Vagrant's machines do not come up")?;
    drop(one_at_a_time);
    let vagrant = Vagrant::new(fleet, stay.keep, names.clone(), stacks.all(), agent, machine)?;
    for text in vagrant.farewell() {
        note(text);
    }
    Ok(Ready { provider: Box::new(vagrant), files, unfit })
}

/// The machine of each host in each of its parts: `vg-1`, `vg-2`, …. Hosts of one kernel, userland and CPU share theirs.
fn names(plan: &Plan) -> BTreeMap<(HostAsk, Role), String> {
    let mut names = BTreeMap::new();
    let mut machines: Vec<(String, String, String, Role)> = Vec::new();
    for cell in &plan.cell {
        for role in plan.story(cell).map(Story::roles).unwrap_or_default() {
            let host = cell.on(role);
            let one = (host.kernel.clone(), host.userland.clone(), host.cpu.clone(), role);
            let at = machines.iter().position(|known| *known == one).unwrap_or_else(|| {
                machines.push(one);
                machines.len() - 1
            });
            names.insert((host.clone(), role), format!("vg-{}", at + 1));
        }
    }
    names
}

/// The boxes of a plan, known to Vagrant, by kernel and userland.
fn boxes(
    plan: &Plan,
    lock: &Lock,
    cache: &Cache,
    offline: bool,
    note: &(dyn Fn(String) + Sync),
    base: &Path,
) -> anyhow::Result<BTreeMap<(String, String), Booted>> {
    let archives = Vec::new();
    let workshop = Workshop::new(lock, cache, offline, &archives, note);
    let recipe = places::box_recipe();
    let mut booted = BTreeMap::new();
    for host in plan.cell.iter().flat_map(PlannedCell::hosts) {
        let pair = (host.kernel.clone(), host.userland.clone());
        if booted.contains_key(&pair) {
            continue;
        }
        let locked = lock.boxes.get(&host.userland).with_context(|| {
            format!(
                "the lock has no box of {}: run without --locked, or with a run of this provider",
                host.userland
            )
        })?;
        let kernel = lock.kernels.get(&host.kernel).context("the lock lacks a kernel of the plan")?;
        let kernel = workshop.kernel(kernel)?;
        let made = workshop.vagrant_box(locked, &recipe, None)?;
        let initrd = workshop.box_initrd(&kernel, locked, &recipe)?;
        make_known(&made.name, &made.file, base)?;
        booted.insert(pair, Booted { box_name: made.name, kernel: kernel.image, initrd });
    }
    Ok(booted)
}

/// Has Vagrant take a box in, if it has not yet.
pub(in crate::cli) fn make_known(name: &str, file: &Path, base: &Path) -> anyhow::Result<()> {
    let vagrant = |words: &[&str]| {
        let mut command = process::command("vagrant");
        command.args(words).env("VAGRANT_HOME", base.join("home")).env("VAGRANT_CHECKPOINT_DISABLE", "1");
        // A Vagrantfile of wherever this runs is none of ours.
        command.current_dir(base);
        process::own_group(&mut command);
        process::output(&mut command)
    };
    let known = vagrant(&["box", "list"])?;
    if !String::from_utf8_lossy(&known.stdout).lines().any(|line| line.split(' ').next() == Some(name)) {
        let file = file.to_string_lossy();
        vagrant(&["box", "add", "--provider", "libvirt", "--name", name, &file])?;
    }
    Ok(())
}

/// The machines, as the Vagrantfile wants to read them; all names are made of the folder's.
fn fleet(
    plan: &Plan,
    names: &BTreeMap<(HostAsk, Role), String>,
    booted: &BTreeMap<(String, String), Booted>,
    emulator: &Path,
    accelerator: Accelerator,
    folder: &Path,
) -> Machines {
    let run = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A network of its own for each run, below one that is private.
    let subnet = run.bytes().fold(0u32, |sum, byte| sum * 31 % 100 + u32::from(byte) % 100) % 100 + 130;
    let mut machines: BTreeMap<&String, Machine> = BTreeMap::new();
    for ((host, _), name) in names {
        let Some(boot) = booted.get(&(host.kernel.clone(), host.userland.clone())) else { continue };
        let number: u32 = name.trim_start_matches("vg-").parse().unwrap_or_default();
        let line = format!(
            "{} root=/dev/vda net.ifnames=0 systemd.hostname={name}",
            host::command_line(accelerator)
        );
        machines.entry(name).or_insert_with(|| Machine {
            name: name.clone(),
            box_name: boot.box_name.clone(),
            box_version: None,
            memory_mib: plan.memory_mib,
            cpus: plan.cpus,
            address: format!("192.168.{subnet}.{}", 10 + number),
            console: folder.join(format!("console-{name}.log")),
            driver: if accelerator == Accelerator::Kvm { "kvm" } else { "qemu" }.to_owned(),
            emulator: emulator.to_owned(),
            cpu: Some(host.cpu.clone()),
            boot: Some(Boot { kernel: boot.kernel.clone(), initrd: boot.initrd.clone(), cmd_line: line }),
        });
    }
    Machines {
        prefix: format!("{}{run}-", libvirt::PREFIX),
        network: format!("{}{run}", libvirt::PREFIX),
        key: folder.join("key"),
        machines: machines.into_values().collect(),
    }
}

/// A program that libvirt can start: QEMU itself, or a script where it needs words before its own.
pub(in crate::cli) fn emulator(program: &QemuProgram, base: &Path) -> anyhow::Result<PathBuf> {
    if let ([path], []) = (program.argv.as_slice(), program.env.as_slice()) {
        return Ok(path.into());
    }
    let mut script = "#!/bin/sh\n".to_owned();
    for (name, value) in &program.env {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        script.push_str(&format!("export {name}={}\n", shlex::try_quote(&value)?));
    }
    let words: Vec<_> = program.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    script.push_str(&format!("exec {} \"$@\"\n", shlex::try_join(words.iter().map(String::as_str))?));
    // libvirt remembers what it has found out of a program by its path and time.
    let path = base.join("emulator");
    if fs::read_to_string(&path).ok().as_ref() != Some(&script) {
        let new = base.join(format!("emulator.{}", std::process::id()));
        fs::write(&new, &script)
            .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(0o755)))
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| path.display().to_string())?;
    }
    Ok(path)
}
