//! What was asked for, and what the guests said that they are.

use std::collections::HashMap;

use super::{Cell, Report};

/// One axis's values: what was asked for, then all that was observed of it, in order.
pub(super) struct Versions<'a> {
    pub(super) axis: &'static str,
    pub(super) asked: &'a str,
    pub(super) observed: Vec<String>,
}

/// Kernels, userlands, CRIUs and engines of a report. What no guest reported is left out.
pub(super) fn versions(report: &Report) -> Vec<Versions<'_>> {
    let mut all = Vec::new();
    all.extend(axis(report, "kernel", |cell| (&cell.kernel.asked, cell.kernel.observed.clone())));
    all.extend(axis(report, "userland", |cell| {
        let libc = cell.userland.glibc.as_ref().map_or(String::new(), |glibc| format!(", glibc {glibc}"));
        (&cell.userland.asked, cell.userland.observed.as_ref().map(|name| format!("{name}{libc}")))
    }));
    all.extend(axis(report, "CRIU", |cell| {
        let libc = cell.criu.libc.as_ref().map_or(String::new(), |libc| format!(", libc: {libc}"));
        (&cell.criu.asked, cell.criu.observed.as_ref().map(|version| format!("{version}{libc}")))
    }));
    all.extend(axis(report, "engine", |cell| {
        // CRIU as its own engine has been said.
        let observed = cell.engine.whole().filter(|_| cell.engine.name != "criu");
        (&cell.engine.ask, observed)
    }));
    all
}

fn axis<'a>(
    report: &'a Report,
    axis: &'static str,
    value: impl Fn(&'a Cell) -> (&'a String, Option<String>),
) -> Vec<Versions<'a>> {
    let mut places = HashMap::new();
    let mut all: Vec<Versions<'a>> = Vec::new();
    for cell in &report.cells {
        let (asked, observed) = value(cell);
        let Some(observed) = observed else { continue };
        let at = *places.entry(asked.as_str()).or_insert_with(|| {
            all.push(Versions { axis, asked, observed: Vec::new() });
            all.len() - 1
        });
        if !all[at].observed.contains(&observed) {
            all[at].observed.push(observed);
        }
    }
    all
}
