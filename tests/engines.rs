//! Containers in real guests: the smallest part of the matrix of engines that shows that each way there works.

use crate::support::{guests, xtask};

/// A runtime alone and an engine with a daemon, three stories each.
#[test]
fn runc_and_docker_pass_three_stories() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = xtask().args(["matrix", "engines-smoke", "--out"]).arg(&out).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read(out.join("report.json")).unwrap_or_else(|error| panic!("{error}\n{told}"));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let cells = report["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 6, "{report:#}");
    for cell in cells {
        assert_eq!(cell["verdict"], "pass", "{cell:#}");
        let engine = &cell["engine"];
        let (asked, observed) = (engine["asked"].as_str().unwrap(), engine["observed"].as_str().unwrap());
        assert!(observed.starts_with(asked), "{engine:#}");
    }
    let docker = cells.iter().find(|cell| cell["engine"]["name"] == "docker").unwrap();
    for part in ["containerd", "runc", "storage_driver", "cgroup_version"] {
        assert!(docker["engine"]["stack"][part].is_string(), "no {part}: {docker:#}");
    }
}
