//! A made-up run for the tests of this module.

use std::collections::BTreeMap;

use crate::model::{CellId, Event, Exit, Finished, GuestFacts, HostAsk, Observation, Role, Stage};

pub(crate) fn id(scenario: &str) -> CellId {
    let host = HostAsk::sample();
    CellId::new(scenario, &host, 1)
}

pub(crate) fn started(resumed: bool) -> Event {
    Event::RunStarted {
        format: Event::FORMAT,
        at: "2026-11-03T12:00:00Z".into(),
        harness: "0.1.0".into(),
        provider: "qemu".into(),
        resumed,
    }
}

/// One cell: a check, a dump with awkward output, one look.
pub(crate) fn cell(scenario: &str) -> Vec<Event> {
    let cell = id(scenario);
    let step =
        |step, stage, text: &str| Event::StepStarted { cell: cell.clone(), step, stage, text: text.into() };
    let command = |step, line: &str, exit, stdout: &str, stderr: &str| Event::CommandEnded {
        cell: cell.clone(),
        step,
        role: Role::Source,
        line: line.into(),
        decisive: step > 0,
        finished: Finished { exit, stdout: stdout.into(), stderr: stderr.into(), millis: 412 },
        hang: None,
        by: None,
    };
    vec![
        Event::CellStarted { cell: cell.clone(), at: "2026-11-03T12:00:01Z".into() },
        Event::HostReady {
            cell: cell.clone(),
            role: Role::Source,
            facts: GuestFacts { kernel: "6.12.117".into(), ..GuestFacts::default() },
            millis: 2500,
        },
        step(0, Stage::Check, "check"),
        command(0, "criu check --all", Exit::Status(0), "Looks good.\n", ""),
        step(1, Stage::Dump, "dump one"),
        command(1, "criu dump -t 321 -D one", Exit::Status(1), "", "criu: half\na line"),
        step(2, Stage::Verify, "expect gone"),
        Event::Observed {
            cell: cell.clone(),
            step: 2,
            observation: Observation {
                role: Role::Source,
                outputs: BTreeMap::from([("out".into(), "who=c n=1 pid=321\nwho=c n=2 pi".into())]),
                stat: "321 (sh) S 1 321 321\n".into(),
                pid: Some(321),
                ..Observation::default()
            },
        },
        Event::FileKept {
            cell: cell.clone(),
            name: "dump.log".into(),
            bytes: 12,
            error: Some("Error (criu/cr-dump.c:1): no".into()),
        },
        Event::CellEnded { cell: cell.clone(), seconds: 12.5 },
    ]
}

pub(crate) fn run(scenarios: &[&str]) -> Vec<Event> {
    let mut events = vec![started(false), Event::Note { text: "no KVM — „slow“".into() }];
    scenarios.iter().for_each(|scenario| events.extend(cell(scenario)));
    events.push(Event::RunEnded { at: "2026-11-03T12:30:00Z".into(), complete: true });
    events
}
