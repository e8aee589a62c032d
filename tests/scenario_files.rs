//! Scenario files: all of ours are sound, and what is wrong with one is told with file, line, caret and legal words.

use std::fs;
use std::path::Path;

use rstest::rstest;
use xtask::model::Workload;
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
            "clone",
            "counter",
            "files",
            "fork-app",
            "leave-running",
            "migrate",
            "periodic-timerfd",
            "pre-dump",
            "rollback",
            "threads-and-timers"
        ]
    );
}

#[test]
fn a_typo_shows_the_line_and_the_legal_words() {
    let text = format!("{HEAD}\n[[step]]\nstart = \"counter\"\n\n[[step]]\ndmup = \"one\"\n");
    insta::assert_snapshot!(error(&text), @r#"
    error: unknown field `dmup`, expected one of `start`, `ticks`, `pre-dump`, `dump`, `restore`, `kill`, `transfer`, `expect`, `on`, `parent`, `leave-running`, `opts`
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
    help: the workloads are `counter`, `fork-app`, `ticker`, `files`, `threads`, `timerfd`
    "#);
}

#[test]
fn an_expectation_that_nobody_knows() {
    let text = format!("{HEAD}[[step]]\nstart = \"counter\"\n[[step]]\nexpect = \"gonne\"\n");
    insta::assert_snapshot!(error(&text), @r#"
    error: unknown variant `gonne`, expected one of `gone`, `running`, `continues`
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
#[case::quote("dump = \"b\"\nopts = \"'x\"", "a quotation mark is not closed")]
#[case::nothing_shown("dump = \"b\"", "the story proves nothing")]
#[case::name("dump = \"a b\"", "made of letters, digits and `-`")]
#[case::continues("expect = \"continues\"", "nothing was restored that could continue")]
fn wrong_stories(#[case] steps: &str, #[case] expected: &str) {
    let text = format!("{HEAD}[[step]]\nstart = \"counter\"\n[[step]]\n{steps}\n");
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
#[case::no_summary("[[step]]\nstart = \"counter\"\n", "missing field `summary`")]
#[case::long_summary("summary = \"a\\nb\"\n[[step]]\nstart = \"counter\"\n", "one sentence on one line")]
#[case::not_toml("summary = \n", "string values must be quoted")]
fn wrong_files(#[case] text: &str, #[case] expected: &str) {
    let error = error(text);
    assert!(error.contains(expected), "{error}");
}
