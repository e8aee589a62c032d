//! The nightly workflow, played at a desk: its `run:` steps in order, night after night, with a folder for GitHub's
//! artifacts. Recorded nights stand in for the matrix where no guest may be booted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;

use crate::support::{guests, night, the_dump_fails};

fn workflow() -> Value {
    serde_yaml_ng::from_str(include_str!("../.github/workflows/nightly.yml")).unwrap()
}

fn steps(workflow: &Value) -> Vec<&Value> {
    workflow["jobs"]["matrix"]["steps"].as_sequence().unwrap().iter().collect()
}

/// A runner, and what GitHub keeps between its nights: the artifacts of the last one only, as if all others were past
/// their retention.
struct Runner {
    folder: tempfile::TempDir,
}

/// What became of a night.
struct Night {
    green: bool,
    summary: String,
    /// What the steps printed.
    said: String,
}

/// The GitHub that the steps speak to: the newest baseline among the artifacts, and its download.
const GH: &str = r#"#!/bin/sh -e
case "$1 $2" in
    "api repos/"*) [ ! -d "$ARTIFACTS/baseline" ] || echo 1 ;;
    "run download") cp "$ARTIFACTS/$5/"* "$7" ;;
    *) echo "gh: $*" >&2; exit 9 ;;
esac
"#;

/// `cargo xtask` is the program under test. A matrix is the recorded night in $NIGHT, unless guests are booted.
const CARGO: &str = r#"#!/bin/sh -e
[ "$1" = xtask ] && shift
if [ "$1" = setup ]; then exit; fi
if [ "$1" = matrix ] && [ -n "$NIGHT" ]; then
    while [ "$1" != --out ]; do shift; done
    cp -r "$NIGHT" "$2"
    run=$2; shift 2
    exec "$XTASK" report "$run" "$@"
fi
exec "$XTASK" "$@"
"#;

impl Runner {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        for (name, text) in [("gh", GH), ("cargo", CARGO), ("sudo", "#!/bin/sh\n")] {
            let path = programs.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    /// Plays one night in a fresh checkout: a recorded one, or `matrix` as the workflow's variable has it.
    fn night(&self, name: &str, recorded: Option<&Path>, matrix: &str) -> Night {
        let root = self.folder.path();
        let checkout = root.join(name);
        fs::create_dir(&checkout).unwrap();
        let summary = root.join(format!("{name}.md"));
        let [artifacts, uploaded] = ["artifacts", "uploaded"].map(|name| root.join(name));
        let workflow = workflow();
        let (mut green, mut said) = (true, String::new());
        for step in steps(&workflow) {
            let condition = step["if"].as_str();
            assert!(matches!(condition, None | Some("always()")), "a condition that this test does not know");
            if !green && condition.is_none() {
                continue;
            }
            if let Some(run) = step["run"].as_str() {
                let path = format!("{}:{}", root.join("bin").display(), std::env::var("PATH").unwrap());
                let mut shell = assert_cmd::Command::new("sh");
                shell.args(["-e", "-c", run]).current_dir(&checkout).env("PATH", path);
                for (name, value) in workflow["env"].as_mapping().unwrap() {
                    shell.env(name.as_str().unwrap(), value.as_str().unwrap());
                }
                let output = shell
                    .env("MATRIX", matrix)
                    .env("GITHUB_STEP_SUMMARY", &summary)
                    .env("GITHUB_REPOSITORY", "checkpoint-restore/criu-matrix")
                    .env("GITHUB_REF_NAME", "main")
                    .env("ARTIFACTS", &artifacts)
                    .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
                    .env("NIGHT", recorded.unwrap_or(Path::new("")))
                    .output()
                    .unwrap();
                said += &format!("$ {run}\n");
                said += &String::from_utf8_lossy(&output.stdout);
                said += &String::from_utf8_lossy(&output.stderr);
                green &= output.status.success();
            } else if step["uses"].as_str().unwrap().starts_with("actions/upload-artifact@") {
                upload(step, &checkout, &uploaded, &workflow["env"]);
            }
        }
        let _ = fs::remove_dir_all(&artifacts);
        fs::rename(uploaded, artifacts).unwrap();
        Night { green, summary: fs::read_to_string(summary).unwrap_or_default(), said }
    }

    fn recorded(&self, name: &str, edit: impl Fn(&mut String, &mut Vec<String>)) -> PathBuf {
        let folder = self.folder.path().join(name);
        night(&folder, edit);
        folder
    }
}

fn upload(step: &Value, checkout: &Path, artifacts: &Path, env: &Value) {
    let mut path = step["with"]["path"].as_str().unwrap().to_owned();
    for name in ["RUN", "LAST"] {
        path = path.replace(&format!("${{{{ env.{name} }}}}"), env[name].as_str().unwrap());
    }
    let kept = artifacts.join(step["with"]["name"].as_str().unwrap());
    fs::create_dir_all(&kept).unwrap();
    let file = checkout.join(&path);
    fs::copy(&file, kept.join(file.file_name().unwrap())).unwrap_or_else(|error| panic!("{path}: {error}"));
}

#[test]
fn only_a_regression_is_red() {
    let runner = Runner::new();
    let good = runner.recorded("good", |_, _| ());
    let bad = runner.recorded("bad", |_, events| the_dump_fails(events));
    let cut_short = runner.recorded("cut-short", |_, events| events.truncate(2));

    let first = runner.night("first", Some(&good), "nightly");
    assert!(first.green, "{}", first.said);
    assert!(first.summary.contains("**2 cells: 1 pass, 1 known-bug**"), "{}", first.summary);
    assert!(first.summary.contains("**2 new**"), "{}", first.summary);

    let second = runner.night("second", Some(&bad), "nightly");
    assert!(!second.green, "{}", second.said);
    assert!(second.summary.contains("| 6.12 | **fail** |"), "the matrix: {}", second.summary);
    assert!(second.summary.contains("### Regressed"), "what changed: {}", second.summary);
    assert!(second.summary.contains("`counter@k6.12@bookworm@c3.17.1@criu@max`"), "{}", second.summary);
    assert!(runner.folder.path().join("second/runs/nightly.tar.gz").exists(), "the run is kept");

    // A red night hands on the baseline that it had: the regression stays red until it is mended or known, however
    // many nights that takes.
    let third = runner.night("third", Some(&bad), "nightly");
    assert!(!third.green, "{}", third.said);

    // Nothing could be asked: that is no regression, and hides none either.
    let fourth = runner.night("fourth", Some(&cut_short), "nightly");
    assert!(fourth.green, "{}", fourth.said);
    assert!(fourth.summary.contains("Newly broken"), "{}", fourth.summary);
    let fifth = runner.night("fifth", Some(&bad), "nightly");
    assert!(!fifth.green, "{}", fifth.said);
    let sixth = runner.night("sixth", Some(&good), "nightly");
    assert!(sixth.green, "{}", sixth.said);
}

#[test]
fn a_fixed_known_bug_is_red() {
    let runner = Runner::new();
    let good = runner.recorded("good", |_, _| ());
    let fixed = runner.recorded("fixed", |plan, _| *plan = plan.replace(">= 6.13", ">= 6.12"));
    assert!(runner.night("first", Some(&good), "nightly").green);
    let second = runner.night("second", Some(&fixed), "nightly");
    assert!(!second.green, "{}", second.said);
    assert!(second.summary.contains("### Known bugs that are gone"), "{}", second.summary);
}

/// Two nights in real guests, the second with a fault in the restored program.
#[test]
fn in_real_guests() {
    if !guests() {
        return;
    }
    let runner = Runner::new();
    let tiny = "smoke --kernel 6.12 --userland bookworm --criu 4.1.1 --scenario counter";
    let first = runner.night("first", None, tiny);
    assert!(first.green, "{}", first.said);
    let second = runner.night("second", None, &format!("{tiny} --sabotage lost-tick"));
    assert!(!second.green, "{}", second.said);
    assert!(second.summary.contains("### Regressed"), "{}", second.summary);
}

#[test]
fn it_may_do_little_and_every_action_is_pinned() {
    let workflow = workflow();
    let rights: Vec<_> = workflow["permissions"].as_mapping().unwrap().iter().collect();
    assert!(rights.iter().all(|(_, right)| right.as_str() == Some("read")), "{rights:?}");
    for step in steps(&workflow) {
        let Some(uses) = step["uses"].as_str() else { continue };
        let pin = uses.split_once('@').unwrap().1;
        assert!(pin.len() == 40 && pin.chars().all(|c| c.is_ascii_hexdigit()), "{uses}");
        assert!(uses.starts_with("actions/"), "{uses}: of GitHub's own only");
    }
    for step in steps(&workflow).iter().filter_map(|step| step["run"].as_str()) {
        assert!(!step.contains("${{"), "a value of GitHub's inside of a script: {step}");
    }
}
