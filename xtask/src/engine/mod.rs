//! Who drives CRIU. One engine a file; each lowers engine-neutral steps to commands, and runs none.

mod criu;
mod crun;
mod docker;
mod lowering;
mod podman;
mod runc;
mod sabotage;

pub use lowering::{Engine, Look, Probe, Refusal, WORK_FOLDER};
pub use sabotage::Sabotage;

use criu::Criu;

use crate::model::Recipe;

/// The names of all engines.
pub const NAMES: &[&str] = &["criu"];

/// What engines are made of that have packages of their own.
const RECIPES: &[(&str, Recipe)] =
    &[("docker", docker::RECIPE), ("podman", podman::RECIPE), ("runc", runc::RECIPE), ("crun", crun::RECIPE)];

/// The name and the version of an ask: `docker@28` is docker in its newest 28.
pub fn split(ask: &str) -> (&str, Option<&str>) {
    match ask.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (ask, None),
    }
}

/// What the engine of this ask is made of; none for `criu`, which is an axis of its own, and for what is no engine.
pub fn recipe(ask: &str) -> Option<Recipe> {
    let (name, _) = split(ask);
    RECIPES.iter().find(|(known, _)| *known == name).map(|(_, recipe)| *recipe)
}

/// The recipes of all engines that have one, by their names.
pub fn recipes() -> impl Iterator<Item = (&'static str, Recipe)> {
    RECIPES.iter().copied()
}

/// The engine of this ask, with a sabotage put into it where a test asks for one. One without packages has no versions.
pub fn named(ask: &str, sabotage: Option<Sabotage>) -> Option<Box<dyn Engine>> {
    let (name, version) = split(ask);
    if version.is_some() && recipe(ask).is_none() {
        return None;
    }
    match (name, sabotage) {
        ("criu", None) => Some(Box::new(Criu)),
        ("criu", Some(kind)) => Some(Box::new(sabotage::Sabotaged::new(Criu, kind))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("docker", ("docker", None), Some("docker.io"))]
    #[case("docker@28.5", ("docker", Some("28.5")), Some("docker.io"))]
    #[case("crun@1.28", ("crun", Some("1.28")), Some("crun"))]
    #[case("criu", ("criu", None), None)]
    fn an_ask_is_a_name_and_a_version(
        #[case] ask: &str,
        #[case] parts: (&str, Option<&str>),
        #[case] package: Option<&str>,
    ) {
        assert_eq!(split(ask), parts);
        assert_eq!(recipe(ask).map(|recipe| recipe.package), package);
    }

    #[test]
    fn criu_has_its_version_from_its_own_axis() {
        assert!(named("criu", None).is_some());
        assert!(named("criu@4", None).is_none());
    }
}
