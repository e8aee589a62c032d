//! Every checker passes on what is sound, and fails on each way of being unsound.

use rstest::rstest;

use super::past::{CONTINUES, GONE, Past, Program, RUNNING, dump, restore};
use super::{Kind, Verdict, judge};
use crate::model::{Exit, Expectation, Role, Stage, Verb};

mod blame;

const HERE: Role = Role::Source;
const THERE: Role = Role::Destination;

fn verdict(past: &Past) -> Verdict {
    judge(&past.story, &past.record)
}

#[track_caller]
fn fails(past: &Past, reason: &str) {
    let verdict = verdict(past);
    assert_eq!((verdict.kind, verdict.stage), (Kind::Fail, Some(Stage::Verify)), "{}", verdict.reason);
    assert!(verdict.reason.contains(reason), "{}", verdict.reason);
}

/// Up to the dump, with twelve ticks before it and the program gone after it.
fn dumped(program: &mut Program) -> Past {
    let started = program.tick(2);
    let ticked = program.tick(8);
    let last = program.tick(2);
    Past::of(program)
        .step(Verb::Start, HERE, &started, &[321])
        .step(Verb::Ticks(5), HERE, &ticked, &[321])
        .step(dump(false), HERE, &last, &[])
}

/// The restore of a dumped program, and what came after it.
fn restored(change: impl FnOnce(&mut Program), alive: &[i32]) -> Past {
    restored_program(Program::new(), change, alive)
}

fn restored_program(mut program: Program, change: impl FnOnce(&mut Program), alive: &[i32]) -> Past {
    let past = dumped(&mut program).step(GONE, HERE, "", &[]).step(restore(), HERE, "", alive);
    change(&mut program);
    let lines = program.tick(6);
    past.step(CONTINUES, HERE, &lines, alive)
}

#[test]
fn a_true_restore_passes() {
    assert_eq!(verdict(&restored(|_| {}, &[321])).kind, Kind::Pass);
}

#[rstest]
#[case::afresh(|p: &mut Program| { p.n = 0; p.nonce = 5 }, "another program")]
#[case::lost(|p: &mut Program| p.n += 1, "went on too far: 13 was due first after the restore, 14 came")]
#[case::again(|p: &mut Program| p.n -= 1, "went back too far: 13 was due first after the restore, 12 came")]
#[case::pid(|p: &mut Program| p.pid = 400, "changed its pid: 321 was dumped, tick 13 has 400")]
#[case::memory(|p: &mut Program| p.sum_offset = 1, "lost memory: at tick 13")]
fn an_unsound_restore_fails(#[case] change: fn(&mut Program), #[case] reason: &str) {
    fails(&restored(change, &[321, 400]), reason);
}

#[rstest]
#[case::lost(" items=pipe,tty lost=tty", "lost items: at tick 13 it no longer holds tty")]
#[case::others(" items=pipe", "changed its items: first they were pipe,tty, at tick 13 pipe")]
#[case::untold(" lost=tty", "told tick 13 without its items")]
fn a_restore_without_an_item_fails(#[case] items: &str, #[case] reason: &str) {
    let sound = restored_program(Program::with_items(), |_| {}, &[321]);
    assert_eq!(verdict(&sound).kind, Kind::Pass, "{}", verdict(&sound).reason);
    let change = |program: &mut Program| program.items = items.to_owned();
    fails(&restored_program(Program::with_items(), change, &[321]), reason);
}

#[test]
fn an_item_that_is_lost_late_fails() {
    let mut program = Program::with_items();
    let past = dumped(&mut program).step(restore(), HERE, "", &[321]);
    let mut lines = program.tick(3);
    program.items.push_str(" lost=pipe");
    lines.push_str(&program.tick(3));
    fails(&past.step(CONTINUES, HERE, &lines, &[321]), "at tick 16 it no longer holds pipe");
}

#[test]
fn an_original_that_loses_an_item_fails() {
    let mut program = Program::with_items();
    let past = Past::of(&program).step(Verb::Start, HERE, &program.tick(5), &[321]);
    program.items.push_str(" lost=pipe");
    let past = past.step(dump(true), HERE, "", &[321]).step(RUNNING, HERE, &program.tick(5), &[321]);
    fails(&past, "at tick 6 it no longer holds pipe");
}

#[test]
fn a_restored_program_that_stands_still_fails() {
    let past =
        dumped(&mut Program::new()).step(restore(), HERE, "", &[321]).step(CONTINUES, HERE, "", &[321]);
    fails(&past, "told no tick after the restore");
}

/// The tick that was under way at the dump may still come from a program that then hangs for ever.
#[test]
fn one_tick_is_no_going_on() {
    let past = restored(|_| {}, &[321]).wait(Exit::Status(1), "ticker told 1 of 5 more ticks");
    fails(&past, "it does not go on: ticker told 1 of 5 more ticks");
    let odd = restored(|_| {}, &[321]).wait(Exit::Status(127), "sh: not found");
    assert_eq!(verdict(&odd).kind, Kind::Broken);
    assert_eq!(verdict(&restored(|_| {}, &[321]).wait(Exit::Status(0), "")).kind, Kind::Pass);
}

#[test]
fn what_was_not_seen_is_neither_gone_nor_failed() {
    let blind = |blind: fn(&mut crate::model::Observation)| {
        let mut past = dumped(&mut Program::new()).step(GONE, HERE, "", &[]);
        blind(&mut past.record.steps.last_mut().unwrap().observations[0]);
        verdict(&past).kind
    };
    assert_eq!(blind(|_| {}), Kind::Pass);
    assert_eq!(blind(|look| look.pid = None), Kind::Broken);
    assert_eq!(blind(|look| look.stat.clear()), Kind::Broken);
    let mut unseen = dumped(&mut Program::new()).step(GONE, HERE, "", &[]);
    unseen.record.steps.last_mut().unwrap().observations.clear();
    assert_eq!(verdict(&unseen).kind, Kind::Broken);
}

#[test]
fn ticks_of_nobody_fail() {
    fails(&restored(|_| {}, &[]), "no such process lives");
}

#[test]
fn a_gap_among_the_ticks_after_a_restore_fails() {
    let mut program = Program::new();
    let past = dumped(&mut program).step(restore(), HERE, "", &[321]);
    let mut lines = program.tick(2);
    program.n += 1;
    lines.push_str(&program.tick(2));
    fails(&past.step(CONTINUES, HERE, &lines, &[321]), "lost ticks: 15 was due, 16 came");
}

#[test]
fn garbage_among_the_ticks_fails() {
    let mut program = Program::new();
    let past = dumped(&mut program).step(restore(), HERE, "", &[321]);
    fails(&past.step(CONTINUES, HERE, "\0\0\0\n", &[321]), "is no tick");
}

#[test]
fn a_last_line_without_its_end_is_not_there_yet() {
    let mut program = Program::new();
    let past = dumped(&mut program).step(restore(), HERE, "", &[321]);
    let lines = program.tick(3);
    assert_eq!(verdict(&past.step(CONTINUES, HERE, &lines[..lines.len() - 9], &[321])).kind, Kind::Pass);
}

#[test]
fn what_should_be_gone_and_is_not_fails() {
    let past = dumped(&mut Program::new()).step(GONE, HERE, "", &[321]);
    fails(&past, "process 321 (ticker) still runs on the source");
    let mut program = Program::new();
    let past = dumped(&mut program);
    let lines = program.tick(1);
    fails(&past.step(GONE, HERE, &lines, &[]), "told tick 13 although it is gone");
}

#[test]
fn a_rollback_goes_back() {
    let mut program = Program::new();
    let past = dumped(&mut program);
    let mut first = program.clone();
    let (lines, later) = (first.tick(6), first.tick(20));
    let past = past
        .step(restore(), HERE, "", &[321])
        .step(CONTINUES, HERE, &lines, &[321])
        .step(Verb::Ticks(20), HERE, &later, &[321])
        .step(Verb::Kill, HERE, "", &[])
        .step(restore(), HERE, "", &[321]);
    let back = past.step(CONTINUES, HERE, &program.tick(6), &[321]);
    assert_eq!(verdict(&back).kind, Kind::Pass, "{}", verdict(&back).reason);
}

#[test]
fn a_rollback_that_did_not_go_back_fails() {
    let mut program = Program::new();
    let past = dumped(&mut program).step(restore(), HERE, "", &[321]);
    let (first, later, on) = (program.tick(6), program.tick(20), program.tick(6));
    let past = past
        .step(CONTINUES, HERE, &first, &[321])
        .step(Verb::Ticks(20), HERE, &later, &[321])
        .step(Verb::Kill, HERE, "", &[321])
        .step(restore(), HERE, "", &[321])
        .step(CONTINUES, HERE, &on, &[321]);
    fails(&past, "went on too far: 13 was due first after the restore, 39 came");
}

/// A dump that leaves the original running, and what a second host made of it; `at` is the last tick in the images.
fn left_running(at: u64) -> Past {
    let mut program = Program::new();
    let (first, during, after) = (program.tick(10), program.tick(4), program.tick(5));
    let mut copy = Program { n: at, ..program.clone() };
    let copied = copy.tick(5);
    Past::new()
        .step(Verb::Start, HERE, &first, &[321])
        .step(dump(true), HERE, &during, &[321])
        .step(RUNNING, HERE, &after, &[321])
        .transfer(&[321])
        .step(restore(), THERE, "", &[321])
        .step(CONTINUES, THERE, &copied, &[321])
}

#[rstest]
#[case::as_soon_as_possible(10, None)]
#[case::as_late_as_possible(14, None)]
#[case::before(9, Some("went back too far: one of 11 to 15 was due"))]
#[case::after(15, Some("went on too far: one of 11 to 15 was due"))]
fn a_copy_of_a_running_program_lies_within_its_dump(#[case] at: u64, #[case] reason: Option<&str>) {
    let past = left_running(at);
    match reason {
        None => assert_eq!(verdict(&past).kind, Kind::Pass, "{}", verdict(&past).reason),
        Some(reason) => fails(&past, reason),
    }
}

/// From the last tick before the dump to the first one over there, by the program's own clock.
#[test]
fn how_long_a_move_froze_its_program_is_measured() {
    let mut program = Program::new();
    let at = |lines: String, micros: u64| lines.replace('\n', &format!(" at={micros}\n"));
    let (before, after) = (at(program.tick(10), 1_000_000), at(program.tick(5), 1_500_900));
    let past = Past::new()
        .step(Verb::Start, HERE, &before, &[321])
        .step(dump(false), HERE, "", &[])
        .transfer(&[])
        .printed("4316\timages/one\n")
        .step(restore(), THERE, "", &[321])
        .step(CONTINUES, THERE, &after, &[321]);
    let verdict = verdict(&past);
    assert_eq!(verdict.kind, Kind::Pass, "{}", verdict.reason);
    assert_eq!(verdict.samples["without a tick, ms"], [500]);
    assert_eq!(verdict.samples["images, KiB"], [4316]);
}

#[test]
fn an_original_that_misses_a_tick_or_stops_fails() {
    let mut program = Program::new();
    let first = program.tick(5);
    program.n += 1;
    let gap = program.tick(5);
    let past = |lines: &str, alive: &[i32]| {
        Past::new()
            .step(Verb::Start, HERE, &first, &[321])
            .step(dump(true), HERE, "", &[321])
            .step(RUNNING, HERE, lines, alive)
    };
    fails(&past(&gap, &[321]), "lost ticks: 6 was due, 7 came");
    fails(&past("", &[321]), "stands still: it told no tick after 5");
    let mut sound = Program { n: 5, ..Program::new() };
    fails(&past(&sound.tick(2), &[]), "no such process lives");
}

/// A series of checkpoints of a program whose power is cut at tick 30, when its log has lost what came after 20 and
/// half a line; the restore goes on at `first`.
fn cut_amid_a_series(first: u64, point: &str) -> Past {
    let mut program = Program::new();
    let started = program.tick(10);
    let kept = program.tick(10);
    let lost = program.tick(10);
    let on_disk = started.len() + kept.len() + 40;
    let past = Past::new()
        .step(Verb::Start, HERE, &started, &[321])
        .step(Verb::Periodic { to: "one".to_owned() }, HERE, &(kept + &lost), &[321])
        .power_cut(on_disk, Some("one"))
        .printed("held images/one.5.new\ntold ticker 30 \n")
        .step(GONE, HERE, "", &[])
        .step(Verb::Newest("one".to_owned()), HERE, "", &[])
        .printed(point)
        .step(restore(), HERE, "", &[321]);
    program.n = first - 1;
    let lines = program.tick(6);
    past.step(CONTINUES, HERE, &lines, &[321])
}

#[test]
fn after_a_power_cut_the_last_whole_checkpoint_is_what_is_due() {
    let point = "newest one.4 of one one.4 one.5.new\nbefore ticker 22 \nafter ticker 25 \n";
    let sound = verdict(&cut_amid_a_series(24, point));
    let words = "`ticker` was at tick 30 when the power went, and went on at 24: 7 ticks were computed twice";
    assert_eq!((sound.kind, sound.reason.as_str()), (Kind::Pass, words));
    fails(&cut_amid_a_series(22, point), "went back too far: one of 23 to 26 was due");
    fails(&cut_amid_a_series(27, point), "went on too far: one of 23 to 26 was due");
    assert_eq!(verdict(&cut_amid_a_series(24, "newest one.4\n")).kind, Kind::Broken);
}

/// A tick that was told after the boot and before the restore is nobody's.
#[test]
fn what_ticks_after_a_power_cut_is_not_gone() {
    let past = dumped(&mut Program::new()).power_cut(500, None).step(GONE, HERE, "", &[]);
    assert_eq!(verdict(&past).kind, Kind::Pass, "{}", verdict(&past).reason);
    let mut program = Program::new();
    let past = dumped(&mut program).power_cut(500, None);
    fails(&past.step(GONE, HERE, &program.tick(1), &[]), "although it is gone");
}

/// Nobody's fault but the machine's.
#[test]
fn a_power_cut_that_cannot_be_made_is_broken() {
    let past =
        dumped(&mut Program::new()).power_cut(500, Some("one")).command(Exit::Status(1), "no dump was met");
    assert_eq!(verdict(&past).kind, Kind::Broken);
}

/// It is another program than before, and what is dumped of it is its own.
#[test]
fn a_program_that_was_started_again_has_an_identity_of_its_own() {
    let mut second = Program { nonce: 0xBEEF, ..Program::new() };
    let past = Past::new()
        .step(Verb::Start, HERE, &Program::new().tick(5), &[321])
        .step(Verb::Kill, HERE, "", &[])
        .step(Verb::StartAgain, HERE, &second.tick(2), &[321])
        .step(Verb::Expect(Expectation::Fresh), HERE, &second.tick(5), &[321])
        .step(RUNNING, HERE, &second.tick(5), &[321])
        .step(dump(false), HERE, &second.tick(1), &[])
        .step(restore(), HERE, "", &[321])
        .step(CONTINUES, HERE, &second.tick(6), &[321]);
    assert_eq!(verdict(&past).kind, Kind::Pass, "{}", verdict(&past).reason);
}

#[test]
fn a_start_and_the_restores_after_it_are_measured() {
    let mut program = Program::new();
    let past = Past::new()
        .step(Verb::Start, HERE, &program.tick(2), &[321])
        .command(Exit::Status(0), "")
        .step(dump(false), HERE, "", &[])
        .step(restore(), HERE, "", &[321])
        .command(Exit::Status(0), "")
        .step(Verb::Ticks(1), HERE, &program.tick(1), &[321])
        .step(CONTINUES, HERE, &program.tick(6), &[321]);
    let words = "cold start 0.0 s, restores 0.0 s";
    assert_eq!((verdict(&past).kind, verdict(&past).reason.as_str()), (Kind::Pass, words));
}
