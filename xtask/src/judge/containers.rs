//! The checkers of what only containers have.

use rstest::rstest;

use super::past::{CONTINUES, GONE, Past, Program, RUNNING, dump, restore};
use super::{Kind, Verdict, judge};
use crate::model::{Exit, Expectation, Observation, Role, Stage, Verb};

const HERE: Role = Role::Source;

fn verdict(past: &Past) -> Verdict {
    judge(&past.story, &past.record)
}

#[track_caller]
fn passes(past: &Past) {
    let verdict = verdict(past);
    assert_eq!(verdict.kind, Kind::Pass, "{}", verdict.reason);
}

#[track_caller]
fn fails(past: &Past, reason: &str) {
    let verdict = verdict(past);
    assert_eq!((verdict.kind, verdict.stage), (Kind::Fail, Some(Stage::Verify)), "{}", verdict.reason);
    assert!(verdict.reason.contains(reason), "{}", verdict.reason);
}

/// The program is process 1 of a container, and 321 to its host; the list says `word`.
fn contained(word: &'static str, alive: &'static [i32]) -> impl Fn(&mut Observation) {
    move |look| {
        look.listed = Some(word.to_owned());
        look.pid = alive.first().copied();
        let inside =
            alive.iter().zip(1..).map(|(pid, own)| format!("/proc/{pid}/status:NSpid:\t{pid}\t{own}\n"));
        look.inside = Some(format!("/proc/1/status:NSpid:\t1\n{}", inside.collect::<String>()));
    }
}

fn started(program: &mut Program) -> Past {
    program.pid = 1;
    let lines = program.tick(3);
    Past::new().step(Verb::Start, HERE, &lines, &[321]).saw(contained("running", &[321]))
}

fn expect(expectation: Expectation) -> Verb {
    Verb::Expect(expectation)
}

#[rstest]
#[case::as_it_should("running", &[700], None)]
#[case::not_in_the_list("exited", &[700], Some("it was restored, and the engine's list says exited"))]
#[case::no_such_process("running", &[], Some("no such process lives"))]
fn a_restored_container_runs_in_list_and_truth(
    #[case] word: &'static str,
    #[case] alive: &'static [i32],
    #[case] reason: Option<&str>,
) {
    let mut program = Program::new();
    let past = started(&mut program).step(dump(false), HERE, "", &[]).saw(contained("exited", &[]));
    let past = past.step(restore(), HERE, "", alive).saw(contained("running", alive));
    let lines = program.tick(5);
    let past = past.step(CONTINUES, HERE, &lines, alive).saw(contained(word, alive));
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

/// An engine that carries the log along: it begins with what the original told, and goes on.
#[rstest]
#[case::stopped(false, 0, 0, None)]
#[case::left_running(true, 4, 0, None)]
#[case::packed_late(true, 4, 3, None)]
#[case::a_tick_twice(false, 1, 0, Some("went back too far"))]
#[case::ticks_of_nobodys(false, 1, 2, Some("went back too far"))]
fn a_clone_may_bring_the_log_along(
    #[case] leave_running: bool,
    #[case] told_since: u64,
    #[case] packed: u64,
    #[case] reason: Option<&str>,
) {
    let mut program = Program::new();
    program.pid = 1;
    let first = program.tick(3);
    let past = Past::new().step(Verb::Start, HERE, &first, &[321]).saw(contained("running", &[321]));
    let mut copy = program.clone();
    let since = program.tick(if leave_running { told_since } else { 0 });
    let mut past = past.step(dump(leave_running), HERE, &since, &[]).saw(contained("exited", &[]));
    if !leave_running {
        copy.n -= told_since;
    }
    let mut restored = restore();
    if let Verb::Restore { fresh, .. } = &mut restored {
        *fresh = true;
    }
    for verb in [restored, CONTINUES] {
        past = past.step(verb, HERE, "", &[500]).saw(contained("running", &[500]));
        past.story.steps.last_mut().unwrap().container = Some("clone".to_owned());
        let late = copy.clone().tick(packed);
        let log = format!("{first}{late}{}", copy.tick(5));
        past = past.saw(|look| {
            look.container = Some("clone".to_owned());
            look.outputs.insert("ticker.ticks".to_owned(), log);
        });
        copy.n -= 5;
    }
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

#[rstest]
#[case::as_it_should("exited", &[], None)]
#[case::still_listed("running", &[], Some("it is gone, and the engine's list says running"))]
#[case::still_there("exited", &[321], Some("process 321 (ticker) still runs"))]
fn gone_is_gone_from_list_and_truth(
    #[case] word: &'static str,
    #[case] alive: &'static [i32],
    #[case] reason: Option<&str>,
) {
    let past = started(&mut Program::new()).step(GONE, HERE, "", alive).saw(contained(word, alive));
    // Whoever lives is not known to be this container's root: it is a process in a namespace of its own all the same.
    let past = past.saw(|look| look.pid = None);
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

#[test]
fn what_lives_below_another_container_is_not_this_ones() {
    let past = started(&mut Program::new()).step(GONE, HERE, "", &[500]).saw(contained("exited", &[500]));
    let past = past.saw(|look| look.pid = None);
    fails(&past, "process 500");
    let mut past = past;
    let look = past.record.steps.last().unwrap().observations[0].clone();
    let clone = Observation { container: Some("clone".to_owned()), pid: Some(500), ..look };
    past.record.steps.last_mut().unwrap().observations.push(clone);
    passes(&past);
}

#[rstest]
#[case::as_it_should("paused", &[321], 0, None)]
#[case::runs_on("paused", &[321], 1, Some("told tick 4 although it is paused"))]
#[case::not_listed("running", &[321], 0, Some("it is paused, and the engine's list says running"))]
#[case::dead("paused", &[], 0, Some("none of its processes is left"))]
fn paused(
    #[case] word: &'static str,
    #[case] alive: &'static [i32],
    #[case] ticks: u64,
    #[case] reason: Option<&str>,
) {
    let mut program = Program::new();
    let past = started(&mut program).step(Verb::Pause, HERE, "", &[321]).saw(contained("paused", &[321]));
    let lines = program.tick(ticks);
    let past = past.step(expect(Expectation::Paused), HERE, &lines, alive).saw(contained(word, alive));
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

#[rstest]
#[case::as_it_should(5, 1, None)]
#[case::the_old_one(0xC0FFEE, 4, Some("the same program as before"))]
#[case::half_way(5, 2, Some("lost ticks: 1 was due, 2 came"))]
fn fresh(#[case] nonce: u64, #[case] first: u64, #[case] reason: Option<&str>) {
    let mut program = Program::new();
    let past = started(&mut program).step(Verb::Stop, HERE, "", &[]).saw(contained("exited", &[]));
    program.nonce = nonce;
    program.n = first - 1;
    let lines = program.tick(3);
    let past = past.step(Verb::StartAgain, HERE, &lines, &[400]).saw(contained("running", &[400]));
    let more = program.tick(5);
    let past = past.step(expect(Expectation::Fresh), HERE, &more, &[400]).saw(contained("running", &[400]));
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

#[rstest]
#[case("", None)]
#[case("exited", Some("it was removed, and the engine's list says exited"))]
fn removed(#[case] word: &'static str, #[case] reason: Option<&str>) {
    let past = started(&mut Program::new())
        .step(expect(Expectation::Removed), HERE, "", &[])
        .saw(contained(word, &[]));
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

#[rstest]
#[case::same("64", None)]
#[case::lost("max", Some("pids.max was \"64\" and is \"max\""))]
fn unchanged(#[case] after: &str, #[case] reason: Option<&str>) {
    let item = |value: &str| {
        let value = value.to_owned();
        move |look: &mut Observation| {
            look.items.insert("pids.max".to_owned(), value);
        }
    };
    let mut program = Program::new();
    let past = started(&mut program).saw(item("64"));
    let past = past.step(dump(false), HERE, "", &[]).saw(contained("exited", &[]));
    let past = past.step(restore(), HERE, "", &[700]).saw(contained("running", &[700]));
    let past = past
        .step(expect(Expectation::Unchanged), HERE, "", &[700])
        .saw(contained("running", &[700]))
        .saw(item(after));
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}

#[rstest]
#[case::said_no(Exit::Status(1), None)]
#[case::said_no_loudly(Exit::Status(255), None)]
#[case::died(Exit::Status(139), Some("killed by signal 11"))]
#[case::did_it(Exit::Status(0), Some("it was done"))]
#[case::hung(Exit::TimedOut, Some("hang: `criu` was still running"))]
fn what_must_be_refused(#[case] exit: Exit, #[case] reason: Option<&str>) {
    let mut program = Program::new();
    let past = started(&mut program).step(Verb::Exec("true".to_owned()), HERE, "", &[321]);
    let past = past.saw(contained("running", &[321])).wait(exit, "no").refused();
    let lines = program.tick(3);
    let past = past.step(RUNNING, HERE, &lines, &[321]).saw(contained("running", &[321]));
    match reason {
        None => passes(&past),
        Some(reason) => fails(&past, reason),
    }
}
