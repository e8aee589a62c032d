//! What every peer stands on: the kernel, QEMU and the folder of a root, so that nothing differs but the tool.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::cli::bench::stage::Stage;
use crate::cli::bench::stages::GENERIC;
use crate::host::{Accelerator, QemuProgram, command_line};
use crate::install::{self, Asks, Cache, Config, InstallError, Kernel, Mode, Workshop};
use crate::process;

/// How long a peer may take for one command.
const DEADLINE: &str = "180";

/// The modules beside those that the agent would load.
const NINE_P: &[&str] = &["9p", "9pnet_virtio"];

/// What vmtest runs in its guests, which they must have.
const IN_ITS_ROOT: &str = "qemu-guest-agent";

/// All of it, below one folder that goes with this.
pub(super) struct Ground {
    pub(super) cache: Cache,
    /// Whether no peer may be fetched.
    pub(super) offline: bool,
    folder: tempfile::TempDir,
    /// `uname -r`.
    pub(super) release: String,
    /// An uncompressed image, the same that our guests boot. The modules are in `lib/modules` beside its folder.
    pub(super) kernel: PathBuf,
    /// Mounts a root by 9p.
    pub(super) initrd: PathBuf,
    /// A userland's packages, unpacked.
    pub(super) root: PathBuf,
    /// A program that is called as QEMU is, and that takes our accelerator and CPU whatever it is told.
    pub(super) qemu: PathBuf,
    /// What a guest's kernel is told on this machine, as ours are.
    pub(super) words: String,
    pub(super) memory_mib: u32,
}

impl Ground {
    /// Lays it for the host of a stage on a generic kernel.
    pub(super) fn lay(stage: &Stage) -> anyhow::Result<Self> {
        let cache = Cache::open()?;
        let folder = cache.scratch()?;
        let (kernel_ask, userland) = (&stage.ask.kernel, &stage.ask.userland);
        let mut config = Config { kernel_flavour: GENERIC.to_owned(), ..Config::default() };
        config.userland_packages.push(IN_ITS_ROOT.to_owned());
        let asks =
            Asks { kernels: vec![kernel_ask.clone()], userlands: vec![userland.clone()], ..Asks::default() };
        let tell = |note: String| eprintln!("{note}");
        let mode = Mode { offline: stage.offline, locked: None };
        let lock = install::resolve(&asks, &config, &cache, &mode, &tell)?;
        let archives = Vec::new();
        let workshop = Workshop::new(&lock, &cache, stage.offline, &archives, &tell);
        let built =
            workshop.kernel(lock.kernels.get(kernel_ask).context("the kernel is not in the lock")?)?;
        let locked = lock.userlands.get(userland).context("the userland is not in the lock")?;
        let initrd = folder.path().join("initrd");
        workshop.plain_initrd(&built, locked, include_str!("init.sh"), NINE_P, &initrd)?;
        let key = install::key(locked.packages().iter().map(|package| &package.sha256));
        let root = cache.built("peer-root", &key, &tell, |dir| {
            workshop.unpack(locked.packages(), dir)?;
            finish_root(dir).map_err(InstallError::file(dir))
        })?;
        let kernel = lay_kernel(&built, folder.path())?;
        let provider = &stage.warm;
        let qemu = folder.path().join("bin/qemu-system-x86_64");
        executable(&qemu, &wrapper(&provider.program, provider.accelerator))?;
        let words = command_line(provider.accelerator);
        let words = words.split(' ').filter(|word| word.starts_with("no_timer") || word.starts_with("tsc_"));
        Ok(Self {
            release: built.release,
            kernel,
            initrd,
            root,
            qemu,
            words: words.collect::<Vec<_>>().join(" "),
            memory_mib: stage.plan.memory_mib,
            cache,
            offline: stage.offline,
            folder,
        })
    }

    /// A folder of this run.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command with a deadline, in a pid namespace of its own: whatever it starts ends with it, and it with us.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = process::command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["timeout", DEADLINE]).arg(program);
        // Where it is made up of what is in PATH, QEMU is ours; and its sockets are in a folder with a short name.
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.qemu.parent().unwrap_or(Path::new("/"));
        command.env("PATH", format!("{}:{path}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        command.env("TMPDIR", "/tmp").current_dir(self.folder.path());
        command
    }
}

/// The image in a folder as a distribution has it: tools look for the modules from there.
fn lay_kernel(kernel: &Kernel, folder: &Path) -> anyhow::Result<PathBuf> {
    let top = folder.join("kernel");
    for place in ["boot", "lib"] {
        fs::create_dir_all(top.join(place))?;
    }
    symlink(kernel.modules.join("lib/modules"), top.join("lib/modules"))?;
    let image = top.join("boot").join(format!("vmlinux-{}", kernel.release));
    fs::hard_link(&kernel.image, &image).or_else(|_| fs::copy(&kernel.image, &image).map(|_| ()))?;
    Ok(image)
}

/// What packages' own scripts would have done, as far as a guest needs it.
fn finish_root(dir: &Path) -> std::io::Result<()> {
    for place in ["proc", "sys", "dev", "run", "tmp", "mnt", "var"] {
        fs::create_dir_all(dir.join(place))?;
    }
    if !dir.join("var/run").exists() {
        symlink("../run", dir.join("var/run"))?;
    }
    Ok(())
}

pub(super) fn executable(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// Tools choose an accelerator by the presence of `/dev/kvm`, and not by whether it works: what they say of it, and of
/// the processor, is left out.
fn wrapper(program: &QemuProgram, accelerator: Accelerator) -> String {
    let quoted =
        |word: &str| shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned);
    let env: Vec<String> = program
        .env
        .iter()
        .map(|(name, value)| {
            format!("export {}={}\n", name.to_string_lossy(), quoted(&value.to_string_lossy()))
        })
        .collect();
    let argv: Vec<String> = program.argv.iter().map(|word| quoted(&word.to_string_lossy())).collect();
    format!(
        "#!/bin/bash\nwords=()\nwhile [ $# -gt 0 ]; do\n\tcase $1 in\n\t-enable-kvm) ;;\n\t-accel|-cpu) shift ;;\n\t\
         *) words+=(\"$1\") ;;\n\tesac\n\tshift\ndone\n{}exec {} -accel {accelerator} -cpu max \"${{words[@]}}\"\n",
        env.concat(),
        argv.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_accelerator_and_processor_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qemu");
        let program = QemuProgram {
            argv: vec!["sh".into(), "-c".into(), "echo \"$X\" \"$@\"".into(), "sh".into()],
            env: vec![("X".into(), "a b".into())],
            version: "10.0.2".to_owned(),
        };
        executable(&path, &wrapper(&program, Accelerator::Tcg)).unwrap();
        // By its shell: a script that was just written can be busy, for as long as another test's fork has it open.
        let mut command = process::command("bash");
        command.arg(&path).args(["-m", "1 G", "-enable-kvm", "-cpu", "host", "-accel", "kvm", "-append", ""]);
        let said = process::output(&mut command).unwrap().stdout;
        assert_eq!(String::from_utf8(said).unwrap(), "a b -accel tcg -cpu max -m 1 G -append \n");
    }
}
