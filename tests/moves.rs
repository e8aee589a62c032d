//! Moves between unlike hosts, in real guests.

use crate::support::{cells, evidence, guests, xtask};

/// Both ways between two kernels and two processors: only from one with XSAVE to one without it nothing moves, and then
/// the program goes on where it came from.
#[test]
fn kernels_and_processors_both_ways() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = xtask().args(["matrix", "moves-smoke", "--fresh", "--out"]).arg(&out).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let cells = cells(&out, &output);
    assert_eq!(cells.len(), 16, "{cells:#?}");
    for cell in &cells {
        let there = &cell["destination"];
        let [asked, observed] = ["asked", "observed"].map(|key| there["kernel"][key].as_str().unwrap());
        assert!(observed.starts_with(asked), "{cell:#}");
        if cell["cpu"] == "max" && there["cpu"] == "Westmere" {
            assert_eq!((&cell["verdict"], &cell["stage"]), (&"fail".into(), &"restore".into()), "{cell:#}");
            assert_eq!(cell["copies"], "the one copy goes on where it came from", "{cell:#}");
            assert_eq!(cell["diagnosis"][0]["rule"], "cpu-xsave-missing", "{cell:#}");
        } else {
            assert_eq!(cell["verdict"], "pass", "{}", evidence(&out, cell));
        }
    }
    assert!(told.contains("from → to") && told.contains("6.12, Westmere"), "{told}");
}
