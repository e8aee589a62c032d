//! This machine itself as a host, where it is root's and its kernel can checkpoint.

use std::path::Path;

use crate::support::{guests, xtask};

/// Two stories, one of them with two hosts; nothing is left behind.
#[test]
fn this_machine_is_a_host() {
    if !guests() {
        return;
    }
    if !nix::unistd::geteuid().is_root() || !Path::new("/proc/sys/kernel/ns_last_pid").exists() {
        eprintln!("skipped: this wants root, and a kernel with CONFIG_CHECKPOINT_RESTORE");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = xtask();
    command.args(["matrix", "--provider", "local", "--criu", "4.1.1"]);
    command.args(["--scenario", "counter", "--scenario", "migrate", "--out"]);
    let output = command.arg(&out).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read(out.join("report.json")).unwrap_or_else(|error| panic!("{error}\n{errors}"));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    for cell in report["cells"].as_array().unwrap() {
        assert_eq!((&cell["verdict"], &cell["provider"]), (&"pass".into(), &"local".into()), "{cell:#}");
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(cell["kernel"]["observed"], release.trim(), "{cell:#}");
    }
    assert_eq!(report["cells"].as_array().unwrap().len(), 2);
    assert!(!Path::new("/root/cell").exists());
}

/// It says what it cannot be asked for.
#[test]
fn a_kernel_is_no_axis_of_it() {
    let output = xtask().args(["matrix", "--provider", "local", "--kernel", "6.1"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("kernel, userland and CPU are observed, not asked for"), "{errors}");
}
