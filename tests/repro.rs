//! Bundles: one that was made of a known failure says so in a fresh guest, and says no where that failure is cured.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use predicates::str::contains;
use rstest::rstest;
use xtask::guest::Exec;
use xtask::host::{Accelerator, Host, Launch, Preparation, Provider, Put, Qemu, QemuProgram, Stack};
use xtask::install::{self, Asks, Cache, Mode, Workshop};
use xtask::model::{Exit, HostAsk, Role};
use xtask::plan::Profile;

use crate::support::{guests, xtask};

/// Kernel 6.13 and later split the vvar area, which CRIU before 4.1 does not understand.
const CELL: &str = "counter@k7.2@bookworm@c3.17.1@criu@max";

#[rstest]
#[case::no_run(&["repro", CELL, "--run", "/nonexistent"], "/nonexistent")]
#[case::count(&["repro", CELL, "--repeat", "x"], "invalid value 'x'")]
fn usage_errors(#[case] words: &[&str], #[case] expected: &str) {
    xtask().args(words).assert().code(2).stderr(contains(expected));
}

#[rstest]
#[case::folder("bundle")]
#[case::archive("bundle.tar.zst")]
fn what_is_there_is_not_written_over(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join(name);
    fs::create_dir(&there).unwrap();
    let words = ["repro", CELL, "--run", "/nonexistent", "--out"];
    let assert = xtask().args(words).arg(folder.path().join("bundle")).assert().code(2);
    assert.stderr(contains(format!("{} is there already", there.display())));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Of one known failure: made, unpacked elsewhere, run on the CRIU that fails and on one that does not, and in the
/// virtual machine that it brings.
#[test]
fn a_bundle_says_whether_it_is_the_same() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run"), folder.path().join("bundle"));
    let played = xtask()
        .args(["matrix", "--fresh", "--kernel", "7.2", "--userland", "bookworm", "--criu", "3.17.1"])
        .args(["--engine", "criu", "--scenario", "counter", "--out"])
        .arg(&run)
        .assert();
    played.code(1);
    xtask()
        .args(["repro", "counter@k7.2", "--run"])
        .arg(&run)
        .assert()
        .code(2)
        .stderr(contains("has no cell"));
    xtask()
        .args(["repro", CELL, "--repeat", "1", "--with-vm", "--run"])
        .arg(&run)
        .arg("--out")
        .arg(&out)
        .assert()
        .code(0)
        .stdout(contains("it failed alike in 1 of 1 replays"))
        .stdout(contains("fresh guest of the same stack: REPRODUCED: step 3 (dump one)"));
    fs::remove_dir_all(&out).unwrap();
    let archive = File::open(folder.path().join("bundle.tar.zst")).unwrap();
    tar::Archive::new(zstd::Decoder::new(archive).unwrap()).unpack(folder.path()).unwrap();

    let issue = fs::read_to_string(out.join("ISSUE.md")).unwrap();
    for words in
        ["### Steps to reproduce the issue", "vdso: Unexpected rt vDSO area bounds", "1 of 1 replays"]
    {
        assert!(issue.contains(words), "{issue}");
    }
    assert!(out.join("logs/03-dump/dump.log").is_file());
    let failing = in_a_guest(&out, "3.17.1");
    assert!(failing.0.ends_with("REPRODUCED: step 3 (dump one) fails as in the report\n"), "{}", failing.0);
    assert_eq!(failing.1, Exit::Status(0));
    let cured = in_a_guest(&out, "4.1.1");
    assert!(cured.0.ends_with("NOT REPRODUCED: the story went through\n"), "{}", cured.0);
    assert_eq!(cured.1, Exit::Status(1));
    let mut vm = assert_cmd::Command::new("sh");
    // A machine without a QEMU of its own has the harness's, which is no plain program.
    if which::which("qemu-system-x86_64").is_ok() && which::which("zstd").is_ok() {
        vm.arg(out.join("reproduce-vm.sh"))
            .assert()
            .code(0)
            .stdout(contains("REPRODUCED: step 3 (dump one)"));
    }
}

/// What `reproduce.sh` of a bundle says in a guest with that CRIU, and how it ends.
fn in_a_guest(bundle: &Path, criu: &str) -> (String, Exit) {
    let ask = ask("7.2", criu);
    let (provider, _) = provider(&ask);
    let folder = tempfile::tempdir().unwrap();
    let put = |name: PathBuf| Put {
        path: format!("/root/bundle/{}", name.display()),
        source: bundle.join(name),
        mode: 0o755,
    };
    let prepare = Preparation {
        files: ["reproduce.sh", "story.sh"].map(|name| put(name.into())).to_vec(),
        ..Preparation::default()
    };
    let mut host = launch(&provider, &ask, folder.path(), &prepare);
    let line = Exec::sh("sh ./reproduce.sh", "/root/bundle", Duration::from_secs(300));
    let finished = host.guest().unwrap().run(&line).unwrap();
    (finished.stdout, finished.exit)
}

/// One guest of a host.
pub(crate) fn launch(provider: &Qemu, ask: &HostAsk, folder: &Path, prepare: &Preparation) -> Box<dyn Host> {
    let launch = Launch { ask, role: Role::Source, memory_mib: 512, cpus: 1, folder, prepare };
    provider.launch(&launch).unwrap()
}

/// A host with plain CRIU on bookworm.
pub(crate) fn ask(kernel: &str, criu: &str) -> HostAsk {
    let word = str::to_owned;
    HostAsk {
        kernel: word(kernel),
        userland: word("bookworm"),
        criu: word(criu),
        engine: word("criu"),
        cpu: word("max"),
    }
}

/// What makes that host, cold, and the folder of the compiled workloads.
pub(crate) fn provider(ask: &HostAsk) -> (Qemu, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let asks = Asks {
        kernels: vec![ask.kernel.clone()],
        userlands: vec![ask.userland.clone()],
        boxes: Vec::new(),
        crius: vec![ask.criu.clone()],
        engines: Vec::new(),
    };
    let config = Profile::read(&root.join("scenarios/matrix"), "smoke").unwrap().config().unwrap();
    let (cache, quiet) = (Cache::open().unwrap(), |_: String| {});
    let lock = install::resolve(&asks, &config, &cache, &Mode::default(), &quiet).unwrap();
    let workshop = Workshop::new(&lock, &cache, false, &[], &quiet);
    let qemu = workshop.qemu(None).unwrap();
    let kernel = workshop.kernel(&lock.kernels[&ask.kernel]).unwrap();
    let stack = Stack {
        initrd: workshop.initrd(&kernel, &install::agent(root).unwrap()).unwrap(),
        modules: Some(workshop.modules(&kernel).unwrap()),
        kernel: kernel.image,
        config: None,
        userland: workshop.userland(&lock.userlands[&ask.userland]).unwrap().image,
        criu: workshop.criu(&lock.crius[&ask.criu]).unwrap().image,
        engine: None,
    };
    let programs = workshop.workloads(&root.join("guest/workloads")).unwrap();
    let qemu = Qemu {
        program: QemuProgram { argv: qemu.argv_prefix, env: qemu.env, version: qemu.version },
        accelerator: Accelerator::Tcg,
        stacks: std::collections::BTreeMap::from([(ask.clone(), Ok(stack))]).into(),
        warm: None,
        notes: Arc::default(),
    };
    (qemu, programs)
}
