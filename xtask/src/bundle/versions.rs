//! `versions.txt`: what was asked for, and what the guests reported.

use std::fmt::Write as _;

use super::Failure;
use crate::model::GuestFacts;

/// One line a fact, `NAME: VALUE`; the facts of a second guest in a part of their own.
pub fn versions(failure: &Failure<'_>) -> String {
    let mut text = String::new();
    for (role, facts) in &failure.record.facts {
        let _infallible = writeln!(text, "# {}", role.name());
        for (name, value) in lines(facts) {
            let _infallible = writeln!(text, "{name}: {value}");
        }
    }
    text
}

/// The facts of a guest, the most telling first; what it did not say is left out.
pub(super) fn lines(facts: &GuestFacts) -> Vec<(String, String)> {
    let GuestFacts {
        kernel,
        kernel_build,
        userland,
        glibc,
        criu,
        criu_libc,
        engine,
        stack,
        cpu,
        machine,
        more,
    } = facts;
    let named = [
        ("kernel", kernel),
        ("kernel build", kernel_build),
        ("distribution", userland),
        ("glibc", glibc),
        ("CRIU", criu),
        ("CRIU's libc", criu_libc),
        ("engine", engine),
        ("processor", cpu),
        ("machine", machine),
    ];
    let others = stack.iter().chain(more).map(|(name, value)| (name.replace('_', " "), value.clone()));
    named
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .chain(others)
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
