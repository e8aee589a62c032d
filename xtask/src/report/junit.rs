//! JUnit XML for CI systems: a suite a host, a test case a scenario.
//!
//! It is red where the exit code is: a known bug is a skip, a known bug that is gone is a failure.

use std::collections::HashMap;
use std::time::Duration;

use quick_junit::{
    FlakyOrRerun, NonSuccessKind, Report as Junit, SerializeError, TestCase, TestCaseStatus, TestRerun,
    TestSuite,
};

use super::{Cell, Report};
use crate::judge::Kind;

pub(super) fn render(report: &Report) -> Result<String, SerializeError> {
    let mut places = HashMap::new();
    let mut suites: Vec<TestSuite> = Vec::new();
    for cell in &report.cells {
        let host = host(cell);
        let at = *places.entry(host.clone()).or_insert_with(|| {
            suites.push(suite(&host, cell));
            suites.len() - 1
        });
        suites[at].add_test_case(case(&host, cell));
    }
    let mut junit = Junit::new("criu-matrix");
    for mut suite in suites {
        suite.set_time(suite.test_cases.iter().filter_map(|case| case.time).sum());
        junit.add_test_suite(suite);
    }
    junit.set_time(junit.test_suites.iter().filter_map(|suite| suite.time).sum());
    junit.to_string()
}

fn host(cell: &Cell) -> String {
    let (kernel, userland, criu) = (&cell.kernel.asked, &cell.userland.asked, &cell.criu.asked);
    format!("kernel {kernel}, {userland}, CRIU {criu}, {}, CPU {}", cell.engine.ask, cell.cpu)
}

fn suite(host: &str, cell: &Cell) -> TestSuite {
    let mut suite = TestSuite::new(host);
    let observed = [
        ("kernel", &cell.kernel.observed),
        ("userland", &cell.userland.observed),
        ("glibc", &cell.userland.glibc),
        ("criu", &cell.criu.observed),
        ("criu libc", &cell.criu.libc),
        ("engine", &cell.engine.observed),
    ];
    for (name, value) in observed {
        if let Some(value) = value {
            suite.add_property((name, value.as_str()));
        }
    }
    suite
}

fn case(host: &str, cell: &Cell) -> TestCase {
    let reason = cell.reason.as_deref().unwrap_or("no reason is recorded");
    let stage = cell.stage.map_or_else(|| cell.verdict.to_string(), |stage| stage.to_string());
    let mut case = TestCase::new(name(cell), status(cell, &stage, reason));
    case.set_classname(host);
    case.set_time(Duration::try_from_secs_f64(cell.seconds.unwrap_or(0.0)).unwrap_or_default());
    if let Some(at) = &cell.taken {
        case.add_property(("taken from an earlier run", at.as_str()));
    }
    if !cell.logs.is_empty() {
        case.set_system_out(cell.logs.join("\n"));
    }
    case
}

/// The scenario, with the number of the repeat behind it, as in the cell's id.
fn name(cell: &Cell) -> String {
    let repeat = cell.id.as_str().rsplit('@').next().filter(|_| cell.id.as_str().split('@').count() > 6);
    repeat.map_or(cell.scenario.clone(), |repeat| format!("{}@{repeat}", cell.scenario))
}

/// ` (ADDRESS)` of a known bug.
fn told(cell: &Cell) -> String {
    cell.known_bug.as_ref().map_or(String::new(), |known| format!(" ({known})"))
}

fn status(cell: &Cell, stage: &str, reason: &str) -> TestCaseStatus {
    let kind = cell.verdict;
    let mut status = match kind {
        Kind::Pass => TestCaseStatus::success(),
        Kind::Fail | Kind::Fixed | Kind::Flaky => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Kind::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        Kind::Skip | Kind::KnownBug => TestCaseStatus::skipped(),
    };
    match kind {
        Kind::Pass => {}
        Kind::Fail | Kind::Broken | Kind::Skip => {
            status.set_message(reason);
        }
        Kind::Fixed => {
            status.set_message(format!("a known bug is gone{}: {reason}", told(cell)));
        }
        Kind::KnownBug => {
            status.set_message(format!("known bug{}: {reason}", told(cell)));
        }
        Kind::Flaky => {
            let mut rerun = TestRerun::new(NonSuccessKind::Failure);
            rerun.set_message(reason).set_type(stage);
            status
                .set_message(format!("flaky: {reason}"))
                .set_rerun_kind(FlakyOrRerun::Flaky)
                .add_rerun(rerun);
        }
    }
    status.set_type(stage);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Run, sample};

    #[test]
    fn a_case_of_each_kind() {
        let all = sample::report().cells;
        let mut cells: Vec<Cell> = Kind::ALL
            .into_iter()
            .filter_map(|kind| all.iter().find(|cell| cell.verdict == kind).cloned())
            .collect();
        let mut repeat = all[0].clone();
        repeat.id = serde_json::from_value(format!("{}@2", repeat.id).into()).unwrap();
        repeat.verdict = Kind::Fixed;
        repeat.reason = Some("criu#1234 <fixed> & \u{1b}[31mred".into());
        cells.push(repeat);
        insta::assert_snapshot!(render(&Report::new(Run::default(), cells)).unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="criu-matrix" tests="7" skipped="2" failures="3" errors="1" time="39.000">
            <testsuite name="kernel 5.10, bookworm, CRIU 3.17.1, criu, CPU max" tests="4" skipped="2" errors="0" failures="1" time="19.500">
                <properties>
                    <property name="kernel" value="5.10.0-36-cloud-amd64"/>
                    <property name="userland" value="Debian GNU/Linux 12 (bookworm)"/>
                    <property name="glibc" value="2.36"/>
                    <property name="criu" value="3.17.1"/>
                    <property name="criu libc" value="own 2.36"/>
                    <property name="engine" value="3.17.1"/>
                </properties>
                <testcase name="counter" classname="kernel 5.10, bookworm, CRIU 3.17.1, criu, CPU max" time="6.500">
                    <system-out>cells/counter@k5.10@bookworm@c3.17.1@criu@max/story.log</system-out>
                </testcase>
                <testcase name="leave-running" classname="kernel 5.10, bookworm, CRIU 3.17.1, criu, CPU max" time="6.500">
                    <skipped message="known bug (https://github.com/checkpoint-restore/criu/issues/1234): tick 18 is missing" type="verify"/>
                    <system-out>cells/leave-running@k5.10@bookworm@c3.17.1@criu@max/story.log</system-out>
                </testcase>
                <testcase name="pre-dump" classname="kernel 5.10, bookworm, CRIU 3.17.1, criu, CPU max" time="0.000">
                    <skipped message="no mem_dirty_track feature" type="skip"/>
                    <system-out>cells/pre-dump@k5.10@bookworm@c3.17.1@criu@max/check.log
        cells/pre-dump@k5.10@bookworm@c3.17.1@criu@max/story.log</system-out>
                </testcase>
                <testcase name="counter@2" classname="kernel 5.10, bookworm, CRIU 3.17.1, criu, CPU max" time="6.500">
                    <failure message="a known bug is gone: criu#1234 &lt;fixed&gt; &amp; red" type="fixed"/>
                    <system-out>cells/counter@k5.10@bookworm@c3.17.1@criu@max/story.log</system-out>
                </testcase>
            </testsuite>
            <testsuite name="kernel 6.18, bookworm, CRIU 4.1.1, criu, CPU max" tests="1" skipped="0" errors="0" failures="1" time="6.500">
                <properties>
                    <property name="kernel" value="6.18.9+deb14-cloud-amd64"/>
                    <property name="userland" value="Debian GNU/Linux 12 (bookworm)"/>
                    <property name="glibc" value="2.36"/>
                    <property name="criu" value="4.1.1"/>
                    <property name="criu libc" value="own 2.41"/>
                    <property name="engine" value="4.1.1"/>
                </properties>
                <testcase name="fork-app" classname="kernel 6.18, bookworm, CRIU 4.1.1, criu, CPU max" time="6.500">
                    <failure message="criu dump: exit status 1: (00.041232) Error (criu/parasite-syscall.c:243): BUG at criu/parasite-syscall.c:243" type="dump"/>
                    <system-out>cells/fork-app@k6.18@bookworm@c4.1.1@criu@max/dump.log
        cells/fork-app@k6.18@bookworm@c4.1.1@criu@max/story.log</system-out>
                </testcase>
            </testsuite>
            <testsuite name="kernel 6.1, trixie, CRIU 4.2.1, criu, CPU max" tests="1" skipped="0" errors="0" failures="1" time="6.500">
                <properties>
                    <property name="kernel" value="6.1.0-41-cloud-amd64"/>
                    <property name="userland" value="Debian GNU/Linux 13 (trixie)"/>
                    <property name="glibc" value="2.41"/>
                    <property name="criu" value="4.2.1"/>
                    <property name="criu libc" value="own 2.42"/>
                    <property name="engine" value="4.2.1"/>
                </properties>
                <testcase name="clone" classname="kernel 6.1, trixie, CRIU 4.2.1, criu, CPU max" time="6.500">
                    <failure message="flaky: failed in 1 of 3 runs: (00.5) Error (criu/files-reg.c:2220): File out has bad size 45 (expect 44)" type="restore"/>
                    <flakyFailure message="failed in 1 of 3 runs: (00.5) Error (criu/files-reg.c:2220): File out has bad size 45 (expect 44)" type="restore">
                    </flakyFailure>
                    <system-out>cells/clone@k6.1@trixie@c4.2.1@criu@max/restore.log
        cells/clone@k6.1@trixie@c4.2.1@criu@max/story.log</system-out>
                </testcase>
            </testsuite>
            <testsuite name="kernel 5.10, bookworm, CRIU 4.3, criu, CPU max" tests="1" skipped="0" errors="1" failures="0" time="6.500">
                <properties>
                    <property name="kernel" value="5.10.0-36-cloud-amd64"/>
                    <property name="userland" value="Debian GNU/Linux 12 (bookworm)"/>
                    <property name="glibc" value="2.36"/>
                    <property name="criu" value="4.3"/>
                    <property name="criu libc" value="own 2.42"/>
                    <property name="engine" value="4.3"/>
                </properties>
                <testcase name="migrate" classname="kernel 5.10, bookworm, CRIU 4.3, criu, CPU max" time="6.500">
                    <error message="the guest&apos;s kernel panicked: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b" type="broken"/>
                    <system-out>cells/migrate@k5.10@bookworm@c4.3@criu@max/console.log
        cells/migrate@k5.10@bookworm@c4.3@criu@max/story.log</system-out>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
