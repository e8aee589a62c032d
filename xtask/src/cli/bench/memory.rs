//! What guests take of this machine's memory, by proc(5).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// This process's children, by their folders below /proc.
pub(super) fn children() -> BTreeSet<PathBuf> {
    let me = std::process::id() as u64;
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| field(&path.join("status"), "PPid:") == Some(me))
        .collect()
}

/// The proportional set size of a process, MiB: its private memory, and its share of what is mapped by others too.
pub(super) fn pss(process: &Path) -> Option<f64> {
    mib(field(&process.join("smaps_rollup"), "Pss:"))
}

/// The highest resident set of a process so far, MiB.
pub(super) fn peak(process: &Path) -> Option<f64> {
    mib(field(&process.join("status"), "VmHWM:"))
}

fn mib(kib: Option<u64>) -> Option<f64> {
    Some(kib? as f64 / 1024.0)
}

/// The number behind a name in a file of `NAME: NUMBER …` lines.
fn field(file: &Path, name: &str) -> Option<u64> {
    number_of(&std::fs::read_to_string(file).ok()?, name)
}

fn number_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("Pss:", Some(30476))]
    #[case("Pss_Anon:", Some(7))]
    #[case("Swap:", None)]
    fn numbers(#[case] name: &str, #[case] expected: Option<u64>) {
        let text =
            "5581-7fff ---p 00000000 00:00 0 [rollup]\nRss: 40000 kB\nPss:   30476 kB\nPss_Anon:  7 kB\n";
        assert_eq!(number_of(text, name), expected);
    }

    #[test]
    fn this_process_has_memory() {
        let me = Path::new("/proc/self");
        assert!(peak(me).unwrap() > 1.0 && pss(me).unwrap() > 0.1);
    }
}
