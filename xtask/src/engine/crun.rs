//! crun, which calls CRIU by way of libcriu, and knows `checkpoint` only where it was built with it.

use super::form::Form;
use super::lowering::{Daemons, Engine, Look, Probe, Refusal, Scene, criu_probes};
use super::oci::{self, Runtime};
use crate::model::{Action, Command, Recipe, Step};

const RUNTIME: Runtime = Runtime("crun");

/// What it is made of. It opens libcriu at run time; bullseye and bookworm have none, and their crun knows none.
/// CRIU locks the network of a container by iptables.
pub(super) const RECIPE: Recipe =
    Recipe { package: "crun", with: &["libcriu2", "iptables"], opened: &["libcriu.so.2"] };

/// The engine `crun`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crun;

impl Engine for Crun {
    fn name(&self) -> &str {
        "crun"
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(RECIPE)
    }

    fn image(&self) -> Vec<Command> {
        vec![oci::root_file_system()]
    }

    fn questions(&self) -> String {
        "echo \"engine=$(crun --version | sed -n 's/^crun version //p')\"; \
         echo \"crun_features=$(crun --version | grep '^+')\""
            .to_owned()
    }

    fn probes(&self, features: &[String]) -> Vec<Probe> {
        let mut probes = criu_probes(features);
        probes.push(Probe::Feature {
            works: Command::new("crun --version"),
            has: Command::new("crun --version | grep -q +CRIU"),
            name: "checkpoint (crun was built without CRIU)".to_owned(),
        });
        probes
    }

    fn lower(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        RUNTIME.lower(self, step, scene)
    }

    fn afresh(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        Ok(RUNTIME.afresh(step, scene))
    }

    fn root(&self, container: Option<&str>) -> String {
        RUNTIME.root(container)
    }

    fn daemons(&self) -> Daemons {
        Daemons { names: &["criu"], folders: &["/run/crun"], ..Daemons::default() }
    }

    fn form(&self) -> Form {
        Form::asking(&["crun --version"])
    }

    fn look(&self, container: Option<&str>, scene: &Scene<'_>) -> Look {
        RUNTIME.look(container, scene)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::table::table;

    #[test]
    fn is_called_as_runc_is() {
        assert_eq!(table(&Crun), table(&super::super::runc::Runc).replace("runc", "crun"));
    }
}
