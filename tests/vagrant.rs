//! Hosts that Vagrant makes, where libvirt answers; and what of them needs no Vagrant.

use std::fs;
use std::path::Path;

use xtask::process;

use crate::support::{cells, everything_told, evidence, xtask};

/// Whether machines may be made; where not, the test says so and is over.
fn machines() -> bool {
    let yes = std::env::var_os("XTASK_TEST_VAGRANT").is_some_and(|value| value == "1");
    if !yes {
        eprintln!(
            "not run: XTASK_TEST_VAGRANT=1 is not set (cargo xtask test sets it where libvirt answers)"
        );
    }
    yes
}

/// Two stories, one of them with two hosts; each cell begins where the machine was ready, and nothing is left behind.
#[test]
fn two_stories_pass_and_the_machines_are_gone() {
    if !machines() {
        return;
    }
    let before = listed();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let words = ["matrix", "--provider", "vagrant", "--kernel", "6.12", "--criu", "4.1.1"];
    let stories = ["--scenario", "counter", "--scenario", "migrate", "--repeat", "2", "--out"];
    let output = xtask().args(words).args(stories).arg(&out).output().unwrap();
    let cells = cells(&out, &output);
    assert_eq!(cells.len(), 2, "{cells:#?}");
    for cell in &cells {
        let verdict = (&cell["verdict"], &cell["provider"]);
        assert_eq!(verdict, (&"pass".into(), &"vagrant".into()), "{}", evidence(&out, cell));
        assert!(cell["kernel"]["observed"].as_str().unwrap().starts_with("6.12."), "{cell:#}");
    }
    let events = everything_told(&out);
    assert!(
        events.contains(r#""came_up":"woken""#) && events.contains("Vagrant's vg-2, libvirt"),
        "{events}"
    );
    let console =
        fs::read_to_string(out.join("cells/counter@k6.12@bookworm@c4.1.1@criu@max/console-source.log"));
    assert!(console.is_ok(), "{console:?}");
    assert_eq!(listed(), before);
    let beside = xtask().arg("report").arg(&out).arg("--with").arg(&out).output().unwrap();
    let told = String::from_utf8(beside.stdout).unwrap();
    assert!(told.contains("4 cells: 4 pass"), "{told}");
}

/// libvirt's machines by name: others' may be there.
fn listed() -> String {
    let mut list = process::command("virsh");
    let listed = process::output(list.args(["-c", "qemu:///system", "list", "--all", "--name"]));
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

/// `--keep` and `--reuse` are of no use where machines end with their cells.
#[test]
fn what_is_kept_is_vagrants() {
    for word in [&["--keep"][..], &["--reuse", "/nowhere"]] {
        let output = xtask().arg("matrix").args(word).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--provider vagrant"), "{said}");
    }
}

#[test]
fn only_vagrants_setup_is_undone() {
    let output = xtask().args(["setup", "--undo"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// The recipe's scripts are read by sh, and the example by whoever reads JSON.
#[test]
fn what_lies_in_vagrant_is_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("vagrant");
    for script in ["customize.sh", "init.sh"] {
        process::output(process::command("sh").arg("-n").arg(folder.join("box").join(script))).unwrap();
    }
    let example = fs::read_to_string(folder.join("hosts.example.json")).unwrap();
    let example: serde_json::Value = serde_json::from_str(&example).unwrap();
    assert_eq!(example["machines"].as_array().unwrap().len(), 2);
}
