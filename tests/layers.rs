//! The layers of `xtask`, lowest first: a module uses only modules of lower layers, or of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// As ARCHITECTURE.md draws them. Modules of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["interrupt", "process", "toml_file"],
    &["diagnose", "known_bug"],
    &["record", "scenario"],
    &["engine", "guest", "install"],
    &["host", "plan", "script"],
    &["run"],
    &["judge"],
    &["report"],
    &["bundle", "results"],
    &["exit_code"],
    &["cli"],
];

/// What `engine`, `install`, `host` and `guest` may not know besides: that scenario files exist.
const KNOW_NO_SCENARIOS: &[&str] = &["engine", "install", "host", "guest"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The top module that a file belongs to; none for `lib.rs` and `main.rs`.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix(source()).unwrap().components().next()?;
    let name = Path::new(first.as_os_str()).with_extension("").to_string_lossy().into_owned();
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// Every `crate::NAME` of a text, and every name of a `use crate::{…}`.
fn used(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, found) in text.match_indices("crate::") {
        if text[..at].ends_with("$") {
            continue;
        }
        let rest = &text[at + found.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let end = group
                .find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth < 0
                })
                .unwrap_or(group.len());
            let mut depth = 0;
            let mut word = String::new();
            for c in group[..end].chars().chain([',']) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.push(first_word(&std::mem::take(&mut word)));
                    }
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
        } else {
            names.push(first_word(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn layer_of() -> BTreeMap<&'static str, usize> {
    LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer)))
        .collect()
}

#[test]
fn a_module_uses_only_lower_layers() {
    let layers = layer_of();
    let mut wrong = Vec::new();
    for path in rust_files(&source()) {
        let Some(mine) = module(&path) else { continue };
        let Some(my_layer) = layers.get(mine.as_str()) else {
            wrong.push(format!("{}: `{mine}` stands in no layer", path.display()));
            continue;
        };
        for name in used(&fs::read_to_string(&path).unwrap()) {
            if name == mine {
                continue;
            }
            let below = layers.get(name.as_str()).is_some_and(|layer| layer < my_layer);
            let blind = KNOW_NO_SCENARIOS.contains(&mine.as_str()) && name == "scenario";
            if !below || blind {
                wrong.push(format!("{}: `{mine}` uses `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_uses_sees_all_of_them() {
    let text = "use crate::{a, b::{c, d}, e::F};\nuse crate::g::H;\nfn f() { crate::i::j() }";
    assert_eq!(used(text), ["a", "b", "e", "g", "i"]);
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = rust_files(&source())
        .into_iter()
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > 450)
        .map(|(lines, path)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "look for the seam: {}", long.join(", "));
}
