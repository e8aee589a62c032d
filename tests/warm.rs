//! Guests that are woken from a saved state, in real guests: each is pristine, alone, and as good as one that booted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rstest::rstest;
use tempfile::TempDir;
use xtask::guest::Exec;
use xtask::host::{Accelerator, CameUp, Host, Launch, Preparation, Provider, Put, Qemu, QemuProgram};
use xtask::host::{Stack, WarmStates};
use xtask::install::{self, Asks, Cache, Mode, Workshop};
use xtask::model::{Command, HostAsk, Role};
use xtask::plan::Profile;

use crate::repro::ask;
use crate::support::{everything_told, guests, xtask};

/// A provider of guests of one kernel, and the cache that its states are in.
struct Stage {
    provider: Qemu,
    ask: HostAsk,
    folder: TempDir,
}

impl Stage {
    fn new(kernel: &str, warm: bool) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let ask = ask(kernel, "4.1.1");
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
            kernel: kernel.image,
            config: None,
            userland: workshop.userland(&lock.userlands[&ask.userland]).unwrap().image,
            criu: workshop.criu(&lock.crius[&ask.criu]).unwrap().image,
            engine: None,
            modules: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let states = || WarmStates::new(Cache::open_at(&folder.path().join("cache")).unwrap());
        let provider = Qemu {
            program: QemuProgram { argv: qemu.argv_prefix, env: qemu.env, version: qemu.version },
            accelerator: Accelerator::Tcg,
            stacks: BTreeMap::from([(ask.clone(), Ok(stack))]).into(),
            warm: warm.then(states),
            notes: Arc::default(),
        };
        Self { provider, ask, folder }
    }

    /// A host whose traces are in a folder of that name.
    fn launch(&self, name: &str, prepare: &Preparation) -> Box<dyn Host> {
        let folder = self.cell(name);
        fs::create_dir(&folder).unwrap();
        let launch =
            Launch { ask: &self.ask, role: Role::Source, memory_mib: 512, cpus: 1, folder: &folder, prepare };
        self.provider.launch(&launch).unwrap()
    }

    fn cell(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folders of the states that there are.
    fn states(&self) -> Vec<PathBuf> {
        let kept = fs::read_dir(self.folder.path().join("cache/built/warm"));
        kept.map_or_else(|_| Vec::new(), |states| states.map(|state| state.unwrap().path()).collect())
    }
}

/// What the guest prints, and it must succeed.
#[track_caller]
fn sh(host: &mut dyn Host, line: &str) -> String {
    let finished = host.guest().unwrap().run(&Exec::sh(line, "/", Duration::from_secs(30))).unwrap();
    assert!(finished.exit.is_success(), "{line}: {finished:?}");
    finished.stdout.trim().to_owned()
}

/// One file, and a clock that stands in another century when the state is saved.
fn preparation() -> Preparation {
    let put = Put {
        source: Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"),
        path: "/root/put/here".to_owned(),
        mode: 0o640,
    };
    Preparation {
        files: vec![put],
        commands: vec![Command::new("echo made | tee made"), Command::new("date -s 1999-01-01")],
        asks: vec![Command::new("false")],
        folder: "/root/cell".to_owned(),
    }
}

/// 6.1 has no driver for what QEMU tells of a waking; QEMU 7.2 takes its state by another way than 10.0, which has
/// the machine of 7.2 still.
#[rstest]
#[case::without_vmgenid("6.1", None)]
#[case::with_vmgenid("6.12", None)]
#[case::as_an_old_qemu_does_it("6.12", Some("7.2.0"))]
fn two_of_one_state_are_two(#[case] kernel: &str, #[case] version: Option<&str>) {
    if !guests() {
        return;
    }
    let mut stage = Stage::new(kernel, true);
    if let Some(version) = version {
        version.clone_into(&mut stage.provider.program.version);
    }
    let preparation = preparation();
    let mut hosts = ["one", "two"].map(|name| stage.launch(name, &preparation));
    let own = |host: &mut Box<dyn Host>| {
        // At once: every few seconds a kernel takes what has gathered in its pool, and hides what this looks for.
        let drawn =
            sh(host.as_mut(), "cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let date: f64 = sh(host.as_mut(), "date +%s.%N").parse().unwrap();
        assert!((date - now).abs() < 2.0, "its clock says {date}, ours {now}");
        assert_eq!(host.came_up(), CameUp::Woken, "{:?}", stage.provider.notes());
        assert_eq!(sh(host.as_mut(), "cat /root/cell/made; stat -c %a /root/put/here"), "made\n640");
        assert_eq!(sh(host.as_mut(), "ls /root/cell; echo mine > /root/cell/mine; sync"), "made");
        [drawn, sh(host.as_mut(), "cat /etc/machine-id")]
    };
    let [one, two] = hosts.each_mut().map(own);
    for (one, two) in std::iter::zip(one, two) {
        assert_ne!(one, two);
    }
    let [one, two] = hosts.each_mut().map(|host| sh(host.as_mut(), "cat /proc/sys/kernel/random/boot_id"));
    assert_eq!(one, two, "a boot id is one boot's: nobody may tell guests apart by it");
    for name in ["one", "two"] {
        let log = fs::read_to_string(stage.cell(name).join("prepare-source.log")).unwrap();
        assert!(log.contains("$ echo made | tee made\nmade\n[exit status 0"), "{log}");
    }
    drop(hosts);
    assert_eq!(sh(stage.launch("three", &preparation).as_mut(), "ls /root/cell"), "made");
    assert_eq!(stage.states().len(), 1, "made once");
}

/// The clock that deadlines go by: a second in the guest is one here.
#[test]
fn time_goes_on_as_fast_as_here() {
    if !guests() {
        return;
    }
    let stage = Stage::new("6.12", true);
    let mut host = stage.launch("cell", &Preparation::default());
    let mut read = || -> (f64, Instant) {
        let text = sh(host.as_mut(), "cut -d ' ' -f 1 /proc/uptime");
        (text.parse().unwrap(), Instant::now())
    };
    let (guest, here) = read();
    let (mut later, mut now) = read();
    while now - here < Duration::from_secs(3) {
        (later, now) = read();
    }
    let ratio = (later - guest) / (now - here).as_secs_f64();
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    assert_eq!(host.came_up(), CameUp::Woken);
}

#[rstest]
#[case::woken(true)]
#[case::booted(false)]
fn a_power_cut_spares_what_is_on_the_disk_and_nothing_else(#[case] warm: bool) {
    if !guests() {
        return;
    }
    let stage = Stage::new("6.12", warm);
    let mut host = stage.launch("cell", &preparation());
    let before = sh(host.as_mut(), "cat /proc/sys/kernel/random/boot_id");
    let name = sh(host.as_mut(), "cat /etc/machine-id");
    sh(host.as_mut(), "echo kept > /root/kept; sync; echo lost > /root/lost; echo kept > /run/in-memory");
    host.power_cut().unwrap();
    assert_eq!(sh(host.as_mut(), "cat /root/kept"), "kept");
    assert_eq!(sh(host.as_mut(), "ls /root/lost /run/in-memory 2>/dev/null || true"), "");
    assert_ne!(sh(host.as_mut(), "cat /proc/sys/kernel/random/boot_id"), before);
    assert_eq!(sh(host.as_mut(), "cat /etc/machine-id"), name);
    assert_eq!(sh(host.as_mut(), "cat /root/cell/made; criu --version | head -n 1"), "made\nVersion: 4.1.1");
    assert_eq!(host.came_up(), if warm { CameUp::Woken } else { CameUp::Booted });
    // Twice is not once more.
    host.power_cut().unwrap();
    assert_eq!(sh(host.as_mut(), "cat /root/kept"), "kept");
    assert_eq!(host.fault(), None);
}

#[rstest]
#[case::woken(true)]
#[case::booted(false)]
fn a_preparation_that_fails_is_told_with_its_words(#[case] warm: bool) {
    if !guests() {
        return;
    }
    let stage = Stage::new("6.12", warm);
    let mut preparation = preparation();
    preparation.commands.push(Command::new("echo no such image >&2; exit 3"));
    for name in ["one", "two"] {
        let mut host = stage.launch(name, &preparation);
        let lost = host.guest().err().unwrap().to_string();
        let words = "could not be prepared: `echo no such image >&2; exit 3`: exit status 3: no such image";
        assert!(lost.contains(words), "{lost}");
    }
    let log = fs::read_to_string(stage.cell("one").join("prepare-source.log")).unwrap();
    assert!(log.contains("no such image\n[exit status 3"), "{log}");
    assert_eq!(stage.states(), Vec::<PathBuf>::new());
}

#[test]
fn a_state_that_does_not_wake_is_given_up_and_the_guest_boots() {
    if !guests() {
        return;
    }
    let stage = Stage::new("6.12", true);
    drop(stage.launch("one", &preparation()));
    let [state] = stage.states().try_into().unwrap();
    fs::write(state.join("devices"), "garbage").unwrap();
    let mut host = stage.launch("two", &preparation());
    assert_eq!(sh(host.as_mut(), "cat /root/cell/made"), "made");
    assert_eq!(host.came_up(), CameUp::Booted);
    let notes = stage.provider.notes();
    assert!(notes.iter().any(|note| note.contains("did not wake")), "{notes:?}");
    assert_eq!(stage.states(), Vec::<PathBuf>::new());
    let mut host = stage.launch("three", &preparation());
    assert_eq!(sh(host.as_mut(), "cat /root/cell/made"), "made");
    assert_eq!(host.came_up(), CameUp::Woken, "the next makes another");
}

/// How guests come up changes no verdict.
#[test]
fn verdicts_are_the_same_warm_and_cold() {
    if !guests() {
        return;
    }
    let (warm, cold) = (play(&[]), play(&["--cold"]));
    assert_eq!(warm.0, cold.0);
    assert_eq!(warm.0.len(), 2);
    // One guest of `counter`, two of `migrate`.
    assert_eq!((warm.1, cold.1), (vec!["woken"; 3], vec!["booted"; 3]));
}

/// The verdicts by cell, and how each guest came up.
fn play(more: &[&str]) -> (BTreeMap<String, String>, Vec<&'static str>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = xtask();
    command
        .args(["matrix", "--fresh", "--kernel", "6.12", "--userland", "bookworm", "--criu", "4.1.1"])
        .args(["--scenario", "counter", "--scenario", "migrate"])
        .args(more)
        .arg("--out")
        .arg(&out);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let cells = report["cells"].as_array().unwrap();
    let verdicts = cells.iter().map(|cell| (word(&cell["id"]), word(&cell["verdict"]))).collect();
    let events = everything_told(&out);
    let ways = ["woken", "booted"];
    let came_up = events
        .lines()
        .filter_map(|line| ways.into_iter().find(|way| line.contains(&format!("\"came_up\":\"{way}\""))));
    (verdicts, came_up.collect())
}
