//! Who drives CRIU. One engine a file; each lowers engine-neutral steps to commands, and runs none.

mod api;
mod carry;
mod criu;
mod crun;
mod docker;
mod flags;
mod form;
mod here;
mod lowering;
mod oci;
mod podman;
mod runc;
mod sabotage;
mod series;
#[cfg(test)]
mod table;

pub use api::heard;
pub use carry::PEER_ADDRESS;
pub use form::Form;
pub use here::{ANSWERS, CGROUPS_AWAY, HERE, beside_one};
pub use lowering::{Daemons, Engine, Look, Probe, Refusal, Scene, WORK_FOLDER, criu_itself, file};
pub use sabotage::Sabotage;

use crate::model::Recipe;

/// The names of all engines.
pub const NAMES: &[&str] = &["criu", "docker", "podman", "podman-runc", "runc", "crun"];

/// The engine of that name, as it is.
fn plain(name: &str) -> Option<Box<dyn Engine>> {
    Some(match name {
        "criu" => Box::new(criu::Criu),
        "docker" => Box::new(docker::Docker),
        "podman" => Box::new(podman::Podman { on_runc: false }),
        "podman-runc" => Box::new(podman::Podman { on_runc: true }),
        "runc" => Box::new(runc::Runc),
        "crun" => Box::new(crun::Crun),
        _ => return None,
    })
}

/// The name and the version of an ask: `docker@28` is docker in its newest 28.
pub fn split(ask: &str) -> (&str, Option<&str>) {
    match ask.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (ask, None),
    }
}

/// What the engine of this ask is made of; none for `criu`, which is an axis of its own, and for what is no engine.
pub fn recipe(ask: &str) -> Option<Recipe> {
    plain(split(ask).0)?.recipe()
}

/// The recipes of all engines that have one, by their names.
pub fn recipes() -> impl Iterator<Item = (&'static str, Recipe)> {
    NAMES.iter().filter_map(|name| Some((*name, recipe(name)?)))
}

/// The engine of this ask, with a sabotage put into it where a test asks for one. One without packages has no versions.
pub fn named(ask: &str, sabotage: Option<Sabotage>) -> Option<Box<dyn Engine>> {
    let (name, version) = split(ask);
    let engine = plain(name)?;
    if version.is_some() && engine.recipe().is_none() {
        return None;
    }
    Some(match sabotage {
        None => engine,
        Some(kind) => Box::new(sabotage::Sabotaged::new(engine, kind)),
    })
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

    /// They become words of a shell line, and are held against `/proc/PID/comm`.
    #[test]
    fn what_is_looked_at_in_a_hang_is_words() {
        for engine in NAMES.iter().filter_map(|name| plain(name)) {
            let Daemons { names, dumps, logs, folders } = engine.daemons();
            let words = names.iter().chain(logs).chain(folders).chain(dumps.iter().map(|(_, glob)| glob));
            assert!(words.into_iter().all(|word| !word.contains([' ', '\''])), "{}", engine.name());
            assert!(names.iter().all(|name| name.len() <= 15), "{}", engine.name());
            assert!(dumps.iter().all(|(name, _)| names.contains(name)), "{}", engine.name());
        }
    }

    #[test]
    fn criu_has_its_version_from_its_own_axis() {
        assert!(named("criu", None).is_some());
        assert!(named("criu@4", None).is_none());
    }
}
