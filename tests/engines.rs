//! Containers in real guests: the smallest part of the matrix of engines that shows that each way there works.

use crate::support::{cells, guests, xtask};

/// A runtime alone and an engine with a daemon, three stories each.
#[test]
fn runc_and_docker_pass_three_stories() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = xtask().args(["matrix", "engines-smoke", "--fresh", "--out"]).arg(&out).output().unwrap();
    let cells = cells(&out, &output);
    assert_eq!(cells.len(), 6, "{cells:#?}");
    for cell in &cells {
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

/// Two layers, as `docker save` writes them: the upper one takes a file of the lower away. Neither has a shell.
fn saved_image(path: &std::path::Path) {
    let tar = |files: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let (lower, upper) =
        (tar(&[("kept", b"a"), ("taken", b"b")]), tar(&[(".wh.taken", b""), ("added", b"c")]));
    let manifest = br#"[{"Config": "config.json", "RepoTags": null, "Layers": ["lower.tar", "upper.tar"]}]"#;
    let archive = tar(&[("manifest.json", manifest), ("lower.tar", &lower), ("upper.tar", &upper)]);
    std::fs::write(path, archive).unwrap();
}

/// A container is made of the user's own image.
#[test]
fn an_image_of_ones_own() {
    if !guests() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (out, image) = (folder.path().join("run"), folder.path().join("image.tar"));
    saved_image(&image);
    let mut command = xtask();
    command.args([
        "matrix",
        "engines-smoke",
        "--fresh",
        "--engine",
        "runc@1.1.15",
        "--scenario",
        "self",
        "--image",
    ]);
    let output = command.arg(&image).arg("--out").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cell = std::fs::read_dir(out.join("cells")).unwrap().next().unwrap().unwrap().path();
    let prepared = std::fs::read_to_string(cell.join("prepare-source.log")).unwrap();
    let made = prepared.lines().find(|line| line.starts_with("made of image.tar: ")).unwrap_or(&prepared);
    assert!(made.contains(" kept") && made.contains(" added") && !made.contains("taken"), "{made}");
}
