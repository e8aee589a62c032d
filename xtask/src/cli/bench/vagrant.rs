//! What Vagrant takes for `uname -r` in a machine of our box, against a guest of ours. It is only measured where libvirt
//! is set up: that changes a machine, and is `setup`'s to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::figure::{Figure, Samples};
use super::group::{Group, columns};
use super::peers;
use super::stage::Stage;
use super::stages::Stages;
use crate::cli::matrix::vagrant::{FOLDER, emulator, make_known};
use crate::cli::places;
use crate::host::command_line;
use crate::install::{self, Asks, Cache, Config, Mode, Workshop, libvirt};
use crate::process;

/// Its name in the Vagrantfile's list.
const MACHINE: &str = "bench";

/// The whole way of a machine.
pub(super) const VAGRANT: Group = Group {
    figures: &[
        Figure::told(
            "uname-vagrant",
            "s",
            "`vagrant up`, `ssh -c 'uname -r'` and `destroy` of our box, same kernel, QEMU and accelerator",
        ),
        Figure::told("uname-woken", "s", "a guest of ours: woken, asked, dropped"),
        Figure::ratio("uname-over-vagrant", 0.05, "the same two, by turns, pair by pair"),
    ],
    measure: by_turns,
};

fn by_turns(stages: &Stages, runs: u32) -> anyhow::Result<Vec<Samples>> {
    if !libvirt::is_set_up() {
        bail!("libvirt is not set up: run `cargo xtask setup --provider vagrant`");
    }
    libvirt::answers()?;
    let stage = stages.criu()?;
    let project = Project::lay(stage)?;
    columns(runs, || {
        let vagrant = project.up_and_down()?;
        let ours = peers::ours(stage, &project.release)?;
        Ok([vagrant, ours, ours / vagrant])
    })
}

/// A machine that Vagrant knows of. Should we die amid a sample, `setup --undo` finds it by the prefix of its name.
struct Project {
    folder: tempfile::TempDir,
    /// Where Vagrant keeps its boxes.
    home: PathBuf,
    release: String,
    _cache: Cache,
}

impl Project {
    fn lay(stage: &Stage) -> anyhow::Result<Self> {
        let cache = Cache::open()?;
        let folder = cache.scratch()?;
        let base = cache.root().join(FOLDER);
        fs::create_dir_all(base.join("home"))?;
        let (kernel, userland) = (&stage.ask.kernel, &stage.ask.userland);
        let asks = Asks { kernels: vec![kernel.clone()], boxes: vec![userland.clone()], ..Asks::default() };
        let tell = |note: String| eprintln!("{note}");
        let mode = Mode { offline: stage.offline, locked: None };
        let lock = install::resolve(&asks, &Config::default(), &cache, &mode, &tell)?;
        let archives = Vec::new();
        let workshop = Workshop::new(&lock, &cache, stage.offline, &archives, &tell);
        let kernel = workshop.kernel(lock.kernels.get(kernel).context("the kernel is not in the lock")?)?;
        let (locked, recipe) =
            (lock.boxes.get(userland).context("the box is not in the lock")?, places::box_recipe());
        let initrd = workshop.box_initrd(&kernel, locked, &recipe)?;
        let made = workshop.vagrant_box(locked, &recipe, None)?;
        make_known(&made.name, &made.file, &base)?;
        let qemu = &stage.warm;
        let words = command_line(qemu.accelerator);
        let hosts = json!({
            "prefix": format!("{}bench-{}-", libvirt::PREFIX, std::process::id()),
            "machines": [{
                "name": MACHINE,
                "box": made.name,
                "memory_mib": stage.plan.memory_mib,
                "cpus": stage.plan.cpus,
                "driver": if qemu.accelerator == crate::host::Accelerator::Kvm { "kvm" } else { "qemu" },
                "emulator": emulator(&qemu.program, &base)?,
                "cpu": stage.ask.cpu,
                "kernel": kernel.image,
                "initrd": initrd,
                "cmd_line": format!("{words} root=/dev/vda net.ifnames=0 systemd.hostname={MACHINE}"),
                "console": folder.path().join("console.log"),
            }],
        });
        fs::write(folder.path().join("hosts.json"), hosts.to_string())?;
        Ok(Self { folder, home: base.join("home"), release: kernel.release, _cache: cache })
    }

    /// From no machine to no machine, in seconds.
    fn up_and_down(&self) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let said = self.up_and_ask();
        // Whatever became of it, it goes.
        let gone = process::output(&mut self.vagrant(&["destroy", "-f"]));
        let said = said?;
        gone?;
        let seconds = begun.elapsed().as_secs_f64();
        if !said.lines().any(|line| line.trim() == self.release) {
            bail!("vagrant ssh -c 'uname -r' says {said:?}");
        }
        Ok(seconds)
    }

    fn up_and_ask(&self) -> anyhow::Result<String> {
        process::output(&mut self.vagrant(&["up", "--no-provision"]))?;
        let said = process::output(&mut self.vagrant(&["ssh", MACHINE, "-c", "uname -r"]))?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    fn vagrant(&self, words: &[&str]) -> Command {
        let folder: &Path = self.folder.path();
        let mut command = process::command("vagrant");
        command.args(words).current_dir(folder);
        command.env("VAGRANT_CWD", places::vagrant()).env("VAGRANT_HOME", &self.home);
        command.env("VAGRANT_DOTFILE_PATH", folder.join("state"));
        command.env("CRIU_MATRIX_HOSTS", folder.join("hosts.json"));
        command.env("VAGRANT_DEFAULT_PROVIDER", "libvirt").env("VAGRANT_CHECKPOINT_DISABLE", "1");
        process::own_group(&mut command);
        command
    }
}
