//! The command line as a person meets it: usage errors, exit codes, and `show`.

use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use rstest::rstest;

use crate::support::xtask;

#[rstest]
#[case(&["matrix", "nosuch"], "no profile `nosuch`; there are bugs, carry, engines, engines-smoke, engines-stories, full, moves, moves-smoke, nightly, smoke, vagrant-smoke,")]
#[case(&["matrix", "--scenario", "conuter"], "no scenario is called `conuter`; there are bugs/containerd-12141, bugs/criu-1378")]
#[case(&["matrix", "--engine", "dokcer"], "no engine `dokcer`; there are criu")]
#[case(
    &["matrix", "--scenario", "counter", "--userland", "a/b.tar", "--userland", "a_b.tar"],
    "two hosts would share the cell counter@k6.1@a_b.tar@c3.17.1@criu@max"
)]
#[case(&["matrix", "--provider", "vmware"], "invalid value 'vmware'")]
#[case(&["matrix", "--resume", "--kernel", "6.1"], "cannot be used with")]
#[case(&["matrix", "--resume", "/nonexistent/run"], "/nonexistent/run")]
#[case(&["matrix", "--repeat", "0"], "0 is not in 1..=1000")]
#[case(&["matrix", "--keep-guests-on-failure"], "standard input is no terminal")]
#[case(&["show", "conuter"], "no scenario is called `conuter`")]
#[case(&["show", "counter", "--engine", "dokcer"], "no engine `dokcer`")]
#[case(&["report", "/nonexistent/run"], "/nonexistent/run")]
#[case(&["clean", "--older-than", "3"], "write a number and s, m, h, d or w")]
#[case(&["matirx"], "unrecognized subcommand")]
fn usage_errors_exit_with_2(#[case] words: &[&str], #[case] expected: &str) {
    xtask().args(words).assert().code(2).stderr(contains(expected));
}

#[test]
fn scenarios_are_listed_with_their_summaries() {
    xtask()
        .arg("scenarios")
        .assert()
        .code(0)
        .stdout(contains("A program is dumped here and restored on a second host"));
}

#[test]
fn a_scenario_is_shown_as_plain_sh() {
    let assert = xtask().args(["show", "counter"]).assert().code(0).stdout(contains("criu dump -t"));
    let script = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let story = &script[script.find("echo '== 1").unwrap()..];
    insta::assert_snapshot!(story, @r#"
    echo '== 1 start the workload'
    setsid sh -c 'echo $$ >workload.pid; exec sh ./counter.sh' </dev/null >>counter.ticks 2>>workload.err &
    sh ./more-ticks.sh 1 30 counter counter.ticks

    echo '== 2 wait for 5 ticks'
    sh ./more-ticks.sh 5 35 counter counter.ticks

    echo '== 3 dump one'
    { mkdir -p images/one && criu dump -t "$(cat workload.pid)" -D images/one -o dump.log -v4; } || exit $?
    sh ./same-ticks.sh dumped one source counter <counter.ticks

    echo '== 4 expect gone'
    if kill -0 -"$(cat workload.pid)" 2>/dev/null; then echo 'it still runs'; exit 1; fi

    echo '== 5 restore one'
    sh ./same-ticks.sh past - source counter <counter.ticks
    criu restore -d -D images/one -o restore.log -v4

    echo '== 6 expect continues'
    sh ./more-ticks.sh 5 30 counter counter.ticks
    sh ./same-ticks.sh continues one source counter <counter.ticks

    echo passed
    )
    "#);
    assert_cmd::Command::new("sh").arg("-n").write_stdin(script).assert().success();
}

#[rstest]
#[case("clone")]
#[case("files")]
#[case("fork-app")]
#[case("leave-running")]
#[case("migrate")]
#[case("bugs/criu-3162")]
#[case("pre-dump")]
#[case("rollback")]
#[case("threads-and-timers")]
fn every_script_is_sh(#[case] scenario: &str) {
    let script = xtask().args(["show", scenario]).assert().code(0).get_output().stdout.clone();
    assert_cmd::Command::new("sh").arg("-n").write_stdin(script).assert().success();
}

/// A daemon that the reader needs again is not left stopped.
#[test]
fn a_step_that_hangs_is_shown_with_a_time_out() {
    let show = ["show", "daemon-hang-below", "--engine", "docker"];
    let script = xtask().args(show).assert().code(0).get_output().stdout.clone();
    let text = String::from_utf8(script.clone()).unwrap();
    insta::assert_snapshot!(&text[text.find("echo \"== 3").unwrap()..], @r#"
    echo "== 3 stop the daemon below the engine's"
    { pid=$(pidof -s containerd) && echo "$pid" >stopped.pid && kill -STOP "$pid" && until grep -q '^State:.T' "/proc/$pid/status"; do sleep 0.05; done; } || exit $?
    trap 'kill -CONT "$(cat stopped.pid)"' EXIT

    echo '== 4 dump one, which hangs'
    status=0; timeout 15 sh -c 'docker checkpoint create looper one && docker wait looper' || status=$?; [ $status = 124 ]

    echo passed
    )
    "#);
    assert_cmd::Command::new("sh").arg("-n").write_stdin(script).assert().success();
}

#[test]
fn engines_without_a_daemon_refuse_to_stop_one() {
    for engine in ["criu", "runc", "crun", "podman"] {
        let show = ["show", "daemon-hang", "--engine", engine];
        xtask().args(show).assert().failure().stderr(contains("has no daemon"));
    }
}

#[test]
fn help_names_every_command() {
    let commands = [
        "setup",
        "doctor",
        "matrix",
        "repro",
        "report",
        "scenarios",
        "show",
        "hosts",
        "shell",
        "clean",
        "bench",
    ];
    let mut assert = xtask().arg("--help").assert().code(0);
    for command in commands {
        assert = assert.stdout(contains(command).and(contains("Usage: cargo xtask")));
    }
}
