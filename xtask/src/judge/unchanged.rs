//! `expect = "unchanged"`: the restored container is, item by item, what the dumped one was. `same-network` asks for its
//! network only.

use std::collections::BTreeMap;

use super::continues::restored_and_dumped;
use super::history::{Finding, History, fails, unasked};
use crate::model::Observation;

/// Whether an item of `container-items.sh` is of the container's network.
pub(super) fn is_network(name: &str) -> bool {
    ["address-", "link-", "route-"].iter().any(|kind| name.starts_with(kind))
}

/// Checks an expectation at a step, against what was seen before the dump that was restored. `counts` says which items
/// are compared.
pub(super) fn check(history: &History<'_>, step: usize, counts: fn(&str) -> bool) -> Finding {
    let place = history.story.steps[step].place();
    let (_, dumped) = restored_and_dumped(history, step)?;
    let items = |look: &Observation| -> BTreeMap<String, String> {
        let counting = look.items.iter().filter(|(name, _)| counts(name));
        counting.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let before = items(history.look_before(&history.story.steps[dumped].place(), dumped)?);
    let now = items(history.look(&place, step)?);
    if before.is_empty() {
        return Err(unasked("nothing was seen of what the container was"));
    }
    let mut lost: Vec<String> = before
        .iter()
        .filter(|(name, value)| now.get(*name) != Some(*value))
        .map(|(name, value)| match now.get(name) {
            Some(other) => format!("{name} was {value:?} and is {other:?}"),
            None => format!("{name} was {value:?} and is gone"),
        })
        .collect();
    lost.extend(
        now.iter()
            .filter(|(name, _)| !before.contains_key(*name))
            .map(|(name, value)| format!("{name} is new: {value:?}")),
    );
    if lost.is_empty() { Ok(()) } else { fails(lost.join("; ")) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::judge;
    use super::super::past::{CONTINUES, Past, Program, dump, restore};
    use crate::model::{Expectation, Role, Verb};

    #[rstest]
    #[case::same(Expectation::Unchanged, "route-default", "via 10.0.0.1", "")]
    #[case::other(Expectation::Unchanged, "mounts", "4", "mounts was \"3\" and is \"4\"")]
    #[case::not_asked_for(Expectation::SameNetwork, "mounts", "4", "")]
    #[case::route(
        Expectation::SameNetwork,
        "route-default",
        "via 10.0.0.9",
        "route-default was \"via 10.0.0.1\" and is \"via 10.0.0.9\""
    )]
    #[case::mac(Expectation::SameNetwork, "link-eth0", "ether 02::1", "link-eth0 is new: \"ether 02::1\"")]
    fn what_is_compared(
        #[case] expectation: Expectation,
        #[case] changed: &str,
        #[case] value: &str,
        #[case] reason: &str,
    ) {
        let mut program = Program::new();
        let here = Role::Source;
        let mut past = Past::of(&program)
            .step(Verb::Start, here, &program.tick(3), &[321])
            .step(dump(false), here, "", &[])
            .step(restore(), here, "", &[321])
            .step(CONTINUES, here, &program.tick(5), &[321])
            .step(Verb::Expect(expectation), here, "", &[321]);
        for step in &mut past.record.steps {
            let was = [("route-default", "via 10.0.0.1"), ("mounts", "3")];
            step.observations[0].items = was.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        }
        let last = past.record.steps.last_mut().unwrap();
        last.observations[0].items.insert(changed.to_owned(), value.to_owned());
        assert_eq!(judge(&past.story, &past.record).reason, reason);
    }
}
