//! The witness in C and its arithmetic in Rust must agree.

#![expect(clippy::unwrap_used, reason = "a test panics to fail")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use guest::witness::Expected;

#[expect(clippy::disallowed_methods, reason = "a test of this crate, which has no harness to record it")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).unwrap()
}

fn build(source: &str, folder: &Path) -> std::path::PathBuf {
    let workloads = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
    let program = folder.join(source.trim_end_matches(".c"));
    let built = command("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-O2", "-o"])
        .arg(&program)
        .arg(workloads.join(source))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

#[test]
fn the_ticker_prints_what_is_expected_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let ticker = build("ticker.c", folder.path());
    let mut child =
        Killed(command(&ticker).arg("1").current_dir(folder.path()).stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut expected = None;
    // More than once around the slices.
    for (line, n) in lines.take(150).zip(1..) {
        let line = line.unwrap();
        let nonce = u64::from_str_radix(field(&line, "nonce"), 16).unwrap();
        assert_eq!(field(&line, "n"), n.to_string());
        assert_eq!(field(&line, "pid"), child.0.id().to_string());
        let expected: &mut Expected = expected.get_or_insert_with(|| Expected::new(nonce));
        assert_eq!(field(&line, "sum"), format!("{:016x}", expected.advance_to(n)), "{line}");
    }
    let place = std::fs::read_to_string(folder.path().join("ticker.where")).unwrap();
    let (address, length) = place.trim_end().split_once(' ').unwrap();
    assert!(u64::from_str_radix(address, 16).unwrap() > 0);
    assert_eq!(length, "400000");
}

#[test]
fn the_other_workload_in_c_has_no_warnings() {
    let folder = tempfile::tempdir().unwrap();
    build("fork-app.c", folder.path());
}

#[test]
fn a_leap_gives_the_same_as_every_step() {
    for target in [1, 2, 63, 64, 65, 200] {
        let mut steps = Expected::new(42);
        let stepped = (1..=target).map(|n| steps.advance_to(n)).last().unwrap();
        assert_eq!(Expected::new(42).advance_to(target), stepped, "at {target}");
    }
}

#[test]
fn going_back_is_possible() {
    let mut expected = Expected::new(7);
    let third = expected.advance_to(3);
    assert_ne!(expected.advance_to(90), third);
    assert_eq!(expected.advance_to(3), third);
}
