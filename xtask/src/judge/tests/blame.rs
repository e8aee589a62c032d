//! Who is to blame for a command that failed or hung, and for what could not be asked.

use rstest::rstest;

use super::{HERE, dumped, restored, verdict};
use crate::judge::Kind;
use crate::judge::past::{Past, Program};
use crate::model::{Exit, Lost, Stage, Verb};

#[test]
fn a_failed_dump_is_a_fail_at_its_stage_with_the_first_error() {
    let mut past = dumped(&mut Program::new()).command(Exit::Status(1), "criu: no\n");
    let plain = verdict(&past);
    assert_eq!((plain.kind, plain.stage), (Kind::Fail, Some(Stage::Dump)));
    assert_eq!(plain.first_error.as_deref(), Some("criu: no"));
    let printed = "exec\nError (criu/util.c:642): exited, status=1\nError (criu/vdso.c:381): vdso\n";
    let printed = dumped(&mut Program::new()).command(Exit::Status(1), printed);
    assert_eq!(verdict(&printed).first_error.as_deref(), Some("Error (criu/vdso.c:381): vdso"));
    past.record.files.push(crate::record::KeptFile {
        name: "03-dump/dump.log".to_owned(),
        bytes: 9,
        error: Some("Error (criu/mem.c:1): why".to_owned()),
    });
    assert_eq!(verdict(&past).first_error.as_deref(), Some("Error (criu/mem.c:1): why"));
}

/// The log that stood by comes after the one of who did it, as their names do not.
#[test]
fn who_restored_says_more_than_the_server_of_its_pages() {
    let kept = |name: &str, error: &str| crate::record::KeptFile {
        name: format!("03-dump/{name}"),
        bytes: 9,
        error: Some(error.to_owned()),
    };
    let mut past = dumped(&mut Program::new()).command(Exit::Status(1), "");
    past.record.files.push(kept("lazy-pages.log", "Error (criu/uffd.c:1): broken pipe"));
    past.record
        .files
        .push(kept("restore.log", "Error (criu/rlimit.c:17): rlimit: Can't setup RLIMIT_NOFILE"));
    assert_eq!(verdict(&past).first_error.as_deref(), Some("Error (criu/uffd.c:1): broken pipe"));
    past.record.files.push(kept("restore2/restore.log", "Error (criu/mem.c:1): why"));
    assert_eq!(verdict(&past).first_error.as_deref(), Some("Error (criu/mem.c:1): why"));
}

#[rstest]
#[case::engine(Verb::Unpause, Kind::Fail)]
#[case::end(Verb::Stop, Kind::Fail)]
#[case::world(Verb::Ticks(5), Kind::Broken)]
#[case::peer(Verb::Connect { talks_on: false }, Kind::Broken)]
fn before_any_dump_an_engine_can_fail_and_the_harness_breaks(#[case] verb: Verb, #[case] kind: Kind) {
    let past = Past::new().step(Verb::Start, HERE, &Program::new().tick(3), &[321]);
    assert_eq!(verdict(&past.step(verb, HERE, "", &[321]).command(Exit::Status(1), "no")).kind, kind);
}

#[test]
fn what_could_not_be_written_out_is_broken_after_a_dump_too() {
    let past = dumped(&mut Program::new()).step(Verb::Sync, HERE, "", &[]);
    assert_eq!(verdict(&past.command(Exit::TimedOut, "")).kind, Kind::Broken);
}

#[test]
fn what_could_not_be_asked_is_broken() {
    let sound = || restored(|_| {}, &[321]);
    let kind = |change: &dyn Fn(&mut Past)| {
        let mut past = sound();
        change(&mut past);
        verdict(&past).kind
    };
    assert_eq!(kind(&|past| past.record.seconds = None), Kind::Broken);
    assert_eq!(kind(&|past| past.record.broken = Some("no boot".into())), Kind::Broken);
    assert_eq!(kind(&|past| past.record.lost.push((HERE, Lost::Oopsed("BUG".into())))), Kind::Broken);
    assert_eq!(kind(&|past| past.record.missing_features.push("mnt_id".into())), Kind::Skip);
    assert_eq!(kind(&|past| drop(past.record.steps.pop())), Kind::Broken);
    assert_eq!(kind(&|past| past.record.steps[3].index = 40), Kind::Broken);
    assert_eq!(kind(&|past| past.story.workload = "gone".into()), Kind::Broken);
}

#[test]
fn a_workload_that_is_unsound_before_any_dump_accuses_nobody() {
    let mut program = Program { sum_offset: 1, ..Program::new() };
    let lines = program.tick(3);
    let past = Past::new().step(Verb::Start, HERE, &lines, &[321]);
    assert_eq!(verdict(&past).kind, Kind::Broken);
    let mut program = Program { items: " items=pipe lost=pipe".to_owned(), ..Program::new() };
    let lost = Past::of(&program).step(Verb::Start, HERE, &program.tick(3), &[321]);
    assert_eq!(verdict(&lost).kind, Kind::Broken);
    assert!(verdict(&lost).reason.contains("at tick 1 it no longer holds pipe"), "{}", verdict(&lost).reason);
    let past = Past::new().step(Verb::Start, HERE, "", &[]).command(Exit::Status(1), "no such file");
    assert_eq!(verdict(&past).kind, Kind::Broken);
}

const STOPPED: &str = "own docker 500 S futex_wait_queue 202 -\nengine dockerd 300 T do_signal_stop 202 -\n";

#[test]
fn a_hang_fails_at_its_stage_and_says_where() {
    let past = || dumped(&mut Program::new()).command(Exit::TimedOut, "");
    let seen = verdict(&past().seen_hanging(STOPPED, 7));
    assert_eq!((seen.kind, seen.stage), (Kind::Fail, Some(Stage::Dump)));
    assert_eq!(
        seen.reason,
        "hang: `criu` was still running after 15 s: docker waits in futex_wait_queue; dockerd is stopped (T)"
    );
    assert_eq!(verdict(&past()).reason, "hang: `criu` was still running after 0 s");
}

#[rstest]
#[case::seen(Exit::TimedOut, Some((STOPPED, 7)), Kind::Pass, "hang: `criu` was still running after 15 s: docker")]
#[case::unseen(Exit::TimedOut, None, Kind::Broken, "nothing was seen of where")]
#[case::no_files(Exit::TimedOut, Some((STOPPED, 0)), Kind::Broken, "nothing was seen of where")]
#[case::nowhere(Exit::TimedOut, Some(("", 7)), Kind::Broken, "nothing was seen of where")]
#[case::done(Exit::Status(0), None, Kind::Fail, "dump one, which hangs: it did not hang: exit status 0")]
#[case::failed(Exit::Status(1), None, Kind::Fail, "it did not hang: exit status 1")]
fn what_must_hang(
    #[case] exit: Exit,
    #[case] seen: Option<(&str, usize)>,
    #[case] kind: Kind,
    #[case] reason: &str,
) {
    let mut past = dumped(&mut Program::new()).hanging().wait(exit, "");
    if let Some((found, files)) = seen {
        past = past.seen_hanging(found, files);
    }
    let verdict = verdict(&past);
    assert_eq!(verdict.kind, kind, "{}", verdict.reason);
    assert!(verdict.reason.contains(reason), "{}", verdict.reason);
}

#[test]
fn a_signal_is_told_by_its_number() {
    let past = dumped(&mut Program::new()).command(Exit::Status(139), "");
    assert_eq!(verdict(&past).reason, "killed by signal 11");
}
