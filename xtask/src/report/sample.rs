//! A made-up report for the tests of this module: 5 kernels, 4 CRIUs, 2 userlands, 7 scenarios.

use super::{Cell, Criu, Engine, Kernel, Report, Run, Userland};
use crate::judge::Kind;
use crate::known_bug::KnownAs;
use crate::model::{CellId, HostAsk, Stage};

const KERNELS: [(&str, &str); 5] = [
    ("5.10", "5.10.0-36-cloud-amd64"),
    ("6.1", "6.1.0-41-cloud-amd64"),
    ("6.12", "6.12.117+deb13-cloud-amd64"),
    ("6.18", "6.18.9+deb14-cloud-amd64"),
    ("7.2", "7.2.3+deb14-cloud-amd64"),
];
const USERLANDS: [(&str, &str, &str); 2] = [
    ("bookworm", "Debian GNU/Linux 12 (bookworm)", "2.36"),
    ("trixie", "Debian GNU/Linux 13 (trixie)", "2.41"),
];
const CRIUS: [(&str, &str); 4] = [("3.17.1", "2.36"), ("4.1.1", "2.41"), ("4.2.1", "2.42"), ("4.3", "2.42")];
const SCENARIOS: [&str; 7] =
    ["counter", "leave-running", "fork-app", "rollback", "clone", "migrate", "pre-dump"];

/// A cell that passed.
pub(super) fn cell(scenario: &str, kernel: &str, userland: &str, criu: &str) -> Cell {
    let host = HostAsk {
        kernel: kernel.into(),
        userland: userland.into(),
        criu: criu.into(),
        engine: "criu".into(),
        cpu: "max".into(),
    };
    let observed = |table: &[(&str, &str)], name: &str| {
        table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let row = USERLANDS.iter().find(|row| row.0 == userland);
    Cell {
        id: CellId::new(scenario, &host, 1),
        scenario: scenario.into(),
        kernel: Kernel { asked: kernel.into(), observed: observed(&KERNELS, kernel) },
        userland: Userland {
            asked: userland.into(),
            observed: row.map(|row| row.1.into()),
            glibc: row.map(|row| row.2.into()),
        },
        criu: Criu {
            asked: criu.into(),
            observed: Some(criu.into()),
            libc: observed(&CRIUS, criu).map(|libc| format!("own {libc}")),
        },
        engine: Engine { observed: Some(criu.into()), ..Engine::asked("criu") },
        cpu: "max".into(),
        destination: None,
        provider: "qemu".into(),
        verdict: Kind::Pass,
        stage: None,
        reason: None,
        copies: None,
        samples: crate::judge::Samples::new(),
        known_bug: None,
        diagnosis: None,
        seconds: Some(6.5),
        taken: None,
        logs: vec![format!("cells/{}/story.log", CellId::new(scenario, &host, 1))],
    }
}

fn ended(mut cell: Cell, kind: Kind, stage: Option<Stage>, reason: &str, log: &str) -> Cell {
    cell.verdict = kind;
    cell.stage = stage;
    cell.reason = Some(reason.into());
    let log = format!("cells/{}/{log}", cell.id);
    cell.logs.retain(|other| *other != log);
    cell.logs.insert(0, log);
    cell
}

/// 280 cells, some of each kind.
pub(super) fn report() -> Report {
    let mut cells = Vec::new();
    for userland in USERLANDS {
        for kernel in KERNELS {
            for criu in CRIUS {
                let one = |scenario| cell(scenario, kernel.0, userland.0, criu.0);
                cells.extend(SCENARIOS.map(one).map(plausible));
            }
        }
    }
    let run = Run {
        started: Some("2026-11-03T12:00:00Z".into()),
        ended: Some("2026-11-03T12:31:07Z".into()),
        complete: true,
        harness: "0.1.0".into(),
        notes: vec!["No usable /dev/kvm: guests run under software emulation (QEMU 10.0.2, tcg).".into()],
    };
    Report::new(run, cells)
}

fn plausible(cell: Cell) -> Cell {
    let pid = 300 + cell.id.as_str().len();
    let at = [&cell.scenario, &cell.kernel.asked, &cell.userland.asked, &cell.criu.asked].map(Clone::clone);
    match at.each_ref().map(String::as_str) {
        ["migrate", "5.10", "bookworm", "4.3"] => ended(
            cell,
            Kind::Broken,
            None,
            "the guest's kernel panicked: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
            "console.log",
        ),
        [_, "7.2", _, "3.17.1"] => {
            let reason = format!(
                "criu restore: exit status 1: (00.{pid}) Error (criu/cr-restore.c:1480): {pid} killed by signal 11: \
                 Segmentation fault"
            );
            ended(cell, Kind::Fail, Some(Stage::Restore), &reason, "restore.log")
        }
        ["pre-dump", _, _, "3.17.1"] => {
            let mut cell = ended(cell, Kind::Skip, None, "no mem_dirty_track feature", "check.log");
            cell.seconds = None;
            cell
        }
        ["fork-app", "6.18", _, "4.1.1" | "4.2.1"] => ended(
            cell,
            Kind::Fail,
            Some(Stage::Dump),
            "criu dump: exit status 1: (00.041232) Error (criu/parasite-syscall.c:243): BUG at \
             criu/parasite-syscall.c:243",
            "dump.log",
        ),
        ["rollback", "6.12", "trixie", "4.1.1"] => ended(
            cell,
            Kind::Fail,
            Some(Stage::Verify),
            "the restored program counted on from 41, and the checkpoint was taken at 17: it did not go back",
            "story.log",
        ),
        ["clone", "6.1", "trixie", "4.2.1"] => ended(
            cell,
            Kind::Flaky,
            Some(Stage::Restore),
            "failed in 1 of 3 runs: (00.5) Error (criu/files-reg.c:2220): File out has bad size 45 (expect 44)",
            "restore.log",
        ),
        ["leave-running", "5.10", "bookworm", "3.17.1"] => {
            let reason = "tick 18 is missing";
            let known_bug = Some(known());
            Cell { known_bug, ..ended(cell, Kind::KnownBug, Some(Stage::Verify), reason, "story.log") }
        }
        _ => cell,
    }
}

/// Some issue.
pub(crate) fn known() -> KnownAs {
    KnownAs { issue: Some("https://github.com/checkpoint-restore/criu/issues/1234".into()), rule: None }
}

/// Some cell, for tests of other modules.
pub(crate) fn any_cell() -> Cell {
    cell("counter", "6.12", "trixie", "4.1.1")
}
