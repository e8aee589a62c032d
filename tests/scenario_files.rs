//! Scenario files: all of ours are sound, and what is wrong with one is told with file, line, caret and legal words.

use std::fs;
use std::path::Path;

use rstest::rstest;
use xtask::model::Workload;
use xtask::plan::Profile;
use xtask::scenario::Library;

fn error(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.toml");
    fs::write(&path, text).unwrap();
    let error = Library::read(folder.path(), &Workload::names()).unwrap_err();
    error.to_string().replace(&folder.path().display().to_string(), "scenarios")
}

const HEAD: &str = "summary = \"It is a story.\"\n";

#[test]
fn ours_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let library = Library::read(&folder, &Workload::names()).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = library.stories().iter().map(|story| story.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "bugs/containerd-12141",
            "bugs/criu-1378",
            "bugs/criu-2070",
            "bugs/criu-2532",
            "bugs/criu-3002",
            "bugs/criu-3162",
            "bugs/runc-2924",
            "carry/copy",
            "carry/copy-256",
            "carry/lazy-pages",
            "carry/lazy-pages-256",
            "carry/page-server",
            "carry/page-server-256",
            "carry/pre-dumps",
            "carry/pre-dumps-256",
            "checkpoint-dir",
            "checkpoints",
            "clone",
            "counter",
            "cross-container",
            "daemon-hang",
            "daemon-hang-below",
            "files",
            "fork-app",
            "isolation",
            "leave-running",
            "lifecycle",
            "many-processes",
            "many-processes+init",
            "migrate",
            "migrate-address",
            "migrate-any-cpu",
            "migrate-checked",
            "migrate-strict-cpu",
            "network",
            "network-refused",
            "network-talking",
            "pause-vs-checkpoint",
            "paused",
            "periodic",
            "power-cut",
            "pre-dump",
            "rollback",
            "self",
            "self+unconfined",
            "threads-and-timers",
            "warm-start",
            "warm-start-python",
            "warm-start-redis"
        ]
    );
}

#[test]
fn our_profiles_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let library = Library::read(&folder, &Workload::names()).unwrap();
    let known = |name: &str| {
        let profile = Profile::read(&folder.join("matrix"), name).unwrap_or_else(|error| panic!("{error}"));
        for bug in &profile.known_bugs {
            let named: Vec<_> = bug.scenario.iter().map(ToString::to_string).collect();
            library.matching(&named).unwrap();
        }
        profile.known_bugs
    };
    assert_eq!(known("full"), known("nightly"), "the larger has what the smaller has");
    for name in ["smoke", "engines", "engines-smoke", "engines-stories"] {
        known(name);
    }
}

#[test]
fn a_typo_shows_the_line_and_the_legal_words() {
    let text = format!("{HEAD}\n[[step]]\nstart = \"counter\"\n\n[[step]]\ndmup = \"one\"\n");
    insta::assert_snapshot!(error(&text), @r#"
    error: unknown field `dmup`, expected one of `start`, `ticks`, `pre-dump`, `dump`, `restore`, `kill`, `pause`, `unpause`, `stop`, `start-again`, `remove`, `connect`, `reach`, `exec`, `forget`, `checkpoints`, `stop-daemon`, `transfer`, `sync`, `periodic`, `newest`, `power-cut`, `expect`, `on`, `container`, `dir`, `talks-on`, `force`, `refused`, `hangs`, `deadline`, `parent`, `leave-running`, `amid`, `by`, `cpuinfo`, `opts`
     --> scenarios/story.toml:7:1
      |
    7 | dmup = "one"
      | ^^^^
    "#);
}

#[test]
fn a_workload_that_nobody_has() {
    insta::assert_snapshot!(error(&format!("{HEAD}\n[[step]]\nstart = \"conuter\"\n")), @r#"
    error: no workload `conuter`
     --> scenarios/story.toml:4:9
      |
    4 | start = "conuter"
      |         ^^^^^^^^^
      |
    help: the workloads are `counter`, `fork-app`, `ticker`, `ticker-256`, `files`, `threads`, `service`, `timerfd`, `talker`, `redis`, `pyservice`
    "#);
}

#[test]
fn an_expectation_that_nobody_knows() {
    let text = format!("{HEAD}[[step]]\nstart = \"counter\"\n[[step]]\nexpect = \"gonne\"\n");
    insta::assert_snapshot!(error(&text), @r#"
    error: unknown variant `gonne`, expected one of `gone`, `paused`, `fresh`, `removed`, `unchanged`, `same-network`, `running`, `continues`
     --> scenarios/story.toml:5:10
      |
    5 | expect = "gonne"
      |          ^^^^^^^
    "#);
}

#[rstest]
#[case::two_verbs("dump = \"a\"\nkill = \"counter\"", "`dump` and `kill` in one step")]
#[case::no_verb("on = \"source\"", "this step has no verb")]
#[case::misplaced("ticks = 4\nleave-running = true", "`leave-running` goes with `dump` only")]
#[case::opts("kill = \"counter\"\nopts = \"-v\"", "`opts` goes with `pre-dump`, `dump` and `restore` only")]
#[case::unknown_checkpoint("restore = \"b\"", "no checkpoint `b` at this point")]
#[case::unproven("dump = \"b\"\n[[step]]\nrestore = \"b\"", "nobody looks at what this restore brought back")]
#[case::not_carried(
    "dump = \"b\"\n[[step]]\ntransfer = \"b\"\n[[step]]\ndump = \"c\"\n[[step]]\nrestore = \"c\"\non = \"destination\"",
    "`c` is not on the destination yet"
)]
#[case::nowhere("expect = \"gone\"\non = \"destination\"", "there is no second host yet")]
#[case::other_host(
    "dump = \"b\"\n[[step]]\ntransfer = \"b\"\n[[step]]\nrestore = \"b\"\non = \"destination\"\n[[step]]\nexpect = \"continues\"",
    "the last restore was on the destination"
)]
#[case::pre_dump_alone(
    "pre-dump = \"b\"\n[[step]]\nrestore = \"b\"",
    "a pre-dump cannot be restored: dump first"
)]
#[case::no_parent("dump = \"b\"\nparent = \"z\"", "no checkpoint `z` at this point")]
#[case::twice("start = \"counter\"", "a story has one workload")]
#[case::other_workload("kill = \"ticker\"", "only `counter` runs in this story")]
#[case::unpublished("connect = \"counter\"", "the container publishes no port")]
#[case::quote("dump = \"b\"\nopts = \"'x\"", "a quotation mark is not closed")]
#[case::no_sync("sync = false", "a step that does nothing")]
#[case::amid_nothing("power-cut = \"source\"\namid = \"b\"", "no checkpoint `b` at this point")]
#[case::amid_elsewhere("ticks = 3\namid = \"b\"", "`amid` goes with `power-cut` only")]
#[case::cut_on("power-cut = \"source\"\non = \"source\"", "`on` goes with any verb but")]
#[case::cut_nowhere("power-cut = \"destination\"", "there is no second host yet")]
#[case::cut_before_a_look(
    "dump = \"b\"\n[[step]]\nrestore = \"b\"\n[[step]]\npower-cut = \"source\"",
    "nobody looks at what this restore brought back"
)]
#[case::no_series("newest = \"b\"", "no checkpoint `b` at this point")]
#[case::nothing_shown("dump = \"b\"", "the story proves nothing")]
#[case::name("dump = \"a b\"", "made of letters, digits and `-`")]
#[case::asked_nothing("stop-daemon = \"engine\"", "nobody asks the daemon that is stopped")]
#[case::would_hang(
    "stop-daemon = \"below\"\n[[step]]\ndump = \"b\"",
    "a daemon is stopped: whoever asks it for something hangs"
)]
#[case::after_a_hang(
    "dump = \"b\"\nhangs = true\n[[step]]\nexpect = \"gone\"",
    "nothing can be done after a step that hangs"
)]
#[case::refused_hang("dump = \"b\"\nhangs = true\nrefused = true", "what hangs is not refused")]
#[case::ticks_in_time("ticks = 4\ndeadline = 15", "`deadline` goes with `exec`, `dump` and `restore` only")]
#[case::no_time("dump = \"b\"\nhangs = true\ndeadline = 0", "a deadline is at least 1 second")]
#[case::never_carried(
    "dump = \"b\"\nby = \"page-server\"\n[[step]]\nrestore = \"b\"\n[[step]]\nexpect = \"continues\"",
    "never carried to the destination"
)]
#[case::onto_a_pre_dump(
    "pre-dump = \"a\"\n[[step]]\ndump = \"b\"\nparent = \"a\"\nby = \"page-server\"\n[[step]]\ntransfer = \"b\"\n\
     [[step]]\nrestore = \"b\"\n[[step]]\nexpect = \"continues\"",
    "its pages go elsewhere than those of the pre-dump before it"
)]
#[case::runs_on(
    "dump = \"b\"\nby = \"lazy-pages\"\nleave-running = true\n[[step]]\ntransfer = \"b\"\n[[step]]\nrestore = \"b\"\n\
     on = \"destination\"\n[[step]]\nexpect = \"continues\"\non = \"destination\"",
    "a program that runs on changes the pages that it owes"
)]
#[case::by_a_restore("restore = \"b\"\nby = \"lazy-pages\"", "`by` goes with `dump` only")]
#[case::continues("expect = \"continues\"", "nothing was restored that could continue")]
fn wrong_stories(#[case] steps: &str, #[case] expected: &str) {
    let text = format!("{HEAD}[[step]]\nstart = \"counter\"\n[[step]]\n{steps}\n");
    let error = error(&text);
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("scenarios/story.toml:"), "it says where: {error}");
    assert!(error.contains('^'), "it points: {error}");
}

#[test]
fn a_known_bug_of_another_scenario() {
    let text = format!(
        "{HEAD}[[known-bug]]\nscenario = \"clone\"\nstage = \"dump\"\nissue = \"https://e.org/1\"\n\
         [[step]]\nstart = \"counter\"\n[[step]]\nexpect = \"running\"\n"
    );
    insta::assert_snapshot!(error(&text), @r#"
    error: a scenario's known bugs are about that scenario
     --> scenarios/story.toml:3:12
      |
    3 | scenario = "clone"
      |            ^^^^^^^
      |
    help: leave `scenario` out, or put the known bug into a profile
    "#);
}

#[rstest]
#[case::range("kernel = \">= six\"\nstage = \"dump\"", "`>= six` is no range of versions")]
#[case::in_a_list("kernel = [\"6.1\", \"<\"]\nstage = \"dump\"", "`<` is no range of versions")]
#[case::nothing("criu = []\nstage = \"dump\"", "an empty list means nothing")]
#[case::stage("stage = \"dmup\"", "unknown variant `dmup`, expected one of `check`, `start`, `pre-dump`")]
#[case::no_stage("kernel = \"6.1\"", "missing field `stage`")]
#[case::reason("stage = \"dump\"\nreason = \"/(/\"", "`/(/` is no regular expression")]
#[case::key("stage = \"dump\"\nkernal = \"6.1\"", "unknown field `kernal`, expected one of `scenario`")]
#[case::nowhere("stage = \"dump\"", "this known bug is told nowhere")]
#[case::address("stage = \"dump\"\nissue = \"criu#2532\"", "this is no address")]
#[case::userland(
    "userland = \">= 13\"\nstage = \"dump\"\nissue = \"https://e.org/1\"",
    "userlands have no versions that could be compared"
)]
fn wrong_known_bugs(#[case] keys: &str, #[case] expected: &str) {
    let text = format!("{HEAD}[[step]]\nstart = \"counter\"\n[[known-bug]]\n{keys}\n");
    let error = error(&text);
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("scenarios/story.toml:"), "it says where: {error}");
    assert!(error.contains('^'), "it points: {error}");
}

#[rstest]
#[case::first_step(&format!("{HEAD}[[step]]\nticks = 3\n"), "nothing runs yet")]
#[case::feature(
    &format!("{HEAD}feature = [\"mem_dirty_trak\"]\n[[step]]\nstart = \"counter\"\n"),
    "CRIU has no feature `mem_dirty_trak`"
)]
#[case::nobody_connected(
    &format!("{HEAD}[container]\npublish = 7000\n[[step]]\nstart = \"talker\"\n[[step]]\nexpect = \"running\"\n"),
    "nobody has connected to the published port"
)]
#[case::two_peers(
    &format!("{HEAD}[container]\npublish = 7000\n[[step]]\nstart = \"talker\"\n[[step]]\nconnect = \"talker\"\n[[step]]\nconnect = \"talker\"\n"),
    "a story has one peer"
)]
#[case::no_summary("[[step]]\nstart = \"counter\"\n", "missing field `summary`")]
#[case::long_summary("summary = \"a\\nb\"\n[[step]]\nstart = \"counter\"\n", "one sentence on one line")]
#[case::not_toml("summary = \n", "string values must be quoted")]
fn wrong_files(#[case] text: &str, #[case] expected: &str) {
    let error = error(text);
    assert!(error.contains(expected), "{error}");
}
