//! The runner, driven by a provider whose guests are scripted: what it tells when things go wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rstest::rstest;
use xtask::engine;
use xtask::guest::{Exec, Fake, Guest, ShellError};
use xtask::host::{CameUp, Host, Launch, LaunchError, Provider};
use xtask::judge::{Kind, Verdict, judge};
use xtask::model::{Exit, Finished, HostAsk, Lost, Workload};
use xtask::plan::{Plan, PlannedCell};
use xtask::record::{PassingLogs, RunRecord};
use xtask::run::{CellRun, Images};
use xtask::scenario::{Library, Story};

/// What a scripted guest answers to a line of `sh`; `None`: success, with nothing printed.
type Answer = fn(&str) -> Option<Result<Finished, Lost>>;

/// A provider of scripted guests.
struct Scripted {
    answer: Answer,
    fault: Option<Lost>,
    refuses: bool,
}

struct ScriptedHost {
    guest: Fake,
    fault: Option<Lost>,
}

impl Provider for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Box<dyn Host>, LaunchError> {
        if self.refuses {
            return Err(LaunchError { ask: launch.ask.to_string(), reason: "no such thing".to_owned() });
        }
        let (answer, mut n) = (self.answer, 0);
        let guest = Fake::new(move |exec: &Exec| {
            let line = exec.argv.last().unwrap();
            if let Some(answer) = answer(line) {
                return answer;
            }
            Ok(Fake::printed(&program(line, &mut n)))
        });
        Ok(Box::new(ScriptedHost { guest, fault: self.fault.clone() }))
    }
}

const INIT: &str = "1 (init) S 0 1 1 0 -1 0\n";

/// A `counter` that ticks whenever it is waited for, and lives unless it was dumped.
fn program(line: &str, n: &mut u64) -> String {
    if line.contains("more-ticks.sh") {
        *n += 5;
    }
    let tick = |n| format!("who=counter n={n} pid=7 start=1 nonce=ab\n");
    match line {
        "cat counter.ticks" => (1..=*n).map(tick).collect(),
        "cat workload.pid" => "7\n".to_owned(),
        // Five ticks at the start, five more before the dump: it is gone until it ticks again.
        _ if line.starts_with("cat /proc/[0-9]*/stat") && *n != 10 => {
            format!("{INIT}7 (sh) S 1 7 7 0 -1 0\n")
        }
        _ if line.starts_with("cat /proc/[0-9]*/stat") => INIT.to_owned(),
        _ => String::new(),
    }
}

impl Host for ScriptedHost {
    fn guest(&mut self) -> Result<&mut dyn Guest, Lost> {
        Ok(&mut self.guest)
    }

    fn came_up(&self) -> CameUp {
        CameUp::Booted
    }

    fn power_cut(&mut self) -> Result<(), Lost> {
        Err(Lost::Ended("it has no power to cut".to_owned()))
    }

    fn machine(&self) -> String {
        "scripted".to_owned()
    }

    fn fault(&mut self) -> Option<Lost> {
        self.fault.clone()
    }

    fn shell(&mut self) -> Result<Exit, ShellError> {
        Err(ShellError::Refused("it is scripted".to_owned()))
    }

    fn traces(&self) -> Vec<String> {
        Vec::new()
    }
}

fn story() -> Story {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let library = Library::read(&folder, &Workload::names()).unwrap();
    library.matching(&["counter".to_owned()]).unwrap()[0].clone()
}

fn played(provider: &Scripted) -> (Verdict, RunRecord) {
    let story = story();
    let word = |text: &str| text.to_owned();
    let host = HostAsk {
        kernel: word("1"),
        userland: word("u"),
        criu: word("c"),
        engine: word("criu"),
        cpu: word("max"),
    };
    let cell = PlannedCell::new("counter", &host, None, 1);
    let plan = Plan {
        format: Plan::FORMAT,
        provider: word("scripted"),
        memory_mib: 1,
        cpus: 1,
        image: None,
        sabotage: None,
        fresh: false,
        passing_logs: PassingLogs::Keep,
        cell: vec![cell.clone()],
        skipped: Vec::new(),
        known_bug: Vec::new(),
        stories: BTreeMap::from([(word("counter"), story.clone())]),
    };
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let files = ["counter.sh", "more-ticks.sh"].map(|name| (word(name), file.clone())).into();
    let record = Mutex::new(RunRecord::default());
    CellRun {
        plan: &plan,
        cell: &cell,
        story: &story,
        workload: Workload::named("counter").unwrap(),
        engine: engine::named("criu", None).unwrap().as_ref(),
        provider,
        files: &files,
        folder: folder.path(),
        images: Images::None,
        tell: &record,
    }
    .play(&|| false);
    let record = record.into_inner().unwrap();
    (judge(&story, &record.cells[&cell.id]), record)
}

#[rstest]
#[case::all_well(|_: &str| None, Kind::Pass, "")]
#[case::failed_dump(
    |line: &str| line.contains("criu dump").then(|| Ok(Fake::failed(1, "Error (criu/x.c:1): why"))),
    Kind::Fail,
    "exit status 1"
)]
#[case::hung_dump(
    |line: &str| line.contains("criu dump").then(|| Ok(Finished { exit: Exit::TimedOut, ..Fake::failed(1, "") })),
    Kind::Fail,
    "hang: `mkdir -p images/one && criu dump"
)]
#[case::dead_criu(
    |line: &str| (line == "criu --version").then(|| Ok(Fake::failed(127, "not found"))),
    Kind::Fail,
    "exit status 127"
)]
#[case::lost_in_the_middle(
    |line: &str| line.contains("criu restore").then(|| Err(Lost::Silent("no answer".to_owned()))),
    Kind::Broken,
    "source: the guest fell silent: no answer"
)]
#[case::no_start(
    |line: &str| line.contains("setsid").then(|| Ok(Fake::failed(2, "no"))),
    Kind::Broken,
    "start the workload: exit status 2: no"
)]
#[case::evidence_may_fail(
    |line: &str| line.contains("criu check --all").then(|| Ok(Fake::failed(1, "no"))),
    Kind::Pass,
    ""
)]
fn what_a_guest_does(#[case] answer: Answer, #[case] kind: Kind, #[case] reason: &str) {
    let (verdict, _) = played(&Scripted { answer, fault: None, refuses: false });
    assert_eq!(verdict.kind, kind, "{}", verdict.reason);
    assert!(verdict.reason.contains(reason), "{}", verdict.reason);
}

#[test]
fn a_fault_on_the_console_outweighs_a_story_that_went_well() {
    let fault = Some(Lost::Oopsed("BUG: here".to_owned()));
    let (verdict, _) = played(&Scripted { answer: |_| None, fault, refuses: false });
    assert_eq!((verdict.kind, verdict.reason.contains("BUG: here")), (Kind::Broken, true));
}

#[test]
fn a_host_that_cannot_be_made_breaks_its_cell_and_the_record_is_whole() {
    let (verdict, record) = played(&Scripted { answer: |_| None, fault: None, refuses: true });
    assert_eq!((verdict.kind, verdict.reason.contains("no such thing")), (Kind::Broken, true));
    assert_eq!(record.finished_cells().count(), 1);
}
