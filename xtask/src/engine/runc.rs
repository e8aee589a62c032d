//! runc, as its own manual uses it: a bundle, `runc checkpoint`, `runc restore`.

use super::form::Form;
use super::lowering::{Daemons, Engine, Look, Refusal, Scene};
use super::oci::{self, Runtime};
use crate::model::{Action, Command, Recipe, Step};

const RUNTIME: Runtime = Runtime("runc");

/// What it is made of. CRIU locks the network of a container by iptables.
pub(super) const RECIPE: Recipe = Recipe { package: "runc", with: &["iptables"], opened: &[] };

/// The engine `runc`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runc;

impl Engine for Runc {
    fn name(&self) -> &str {
        "runc"
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(RECIPE)
    }

    fn image(&self) -> Vec<Command> {
        vec![oci::root_file_system()]
    }

    fn questions(&self) -> String {
        "echo \"engine=$(runc --version | sed -n 's/^runc version //p')\"; \
         echo \"libseccomp=$(runc --version | sed -n 's/^libseccomp: //p')\""
            .to_owned()
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
        Daemons { names: &["criu"], folders: &["/run/runc"], ..Daemons::default() }
    }

    fn form(&self) -> Form {
        Form::asking(&["runc --version"])
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
    fn lowers() {
        insta::assert_snapshot!(table(&Runc), @r#"
        start
            source $ mkdir looper && cp -a rootfs looper/ && (cd looper && runc spec && sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"readonly": true/"readonly": false/' -e 's|"cwd": "/"|"cwd": "/work"|' -e 's|''^'"\\([[:space:]]*\\)\"sh\""'$|'"\\1\"./ticker\"|" -e 's|"resources": {|&"memory": {"limit": 67108864}, |' config.json)
            source $ sh ./detached.sh looper.ticker.ticks runc run -d --bundle looper looper
            source $ sh ./more-ticks.sh 1 30 ticker looper.ticker.ticks
        dump
            source $ mkdir -p images && runc checkpoint --image-path "$PWD/images/one" --work-path "$PWD/images/one" looper
        dump, leave running
            source $ mkdir -p images && runc checkpoint --leave-running --image-path "$PWD/images/one" --work-path "$PWD/images/one" looper
        restore
            source $ sh ./detached.sh looper.ticker.ticks runc restore -d --bundle looper --image-path "$PWD/images/one" --work-path "$PWD/images/one" looper
        kill
            source $ runc kill looper KILL && tries=200 && until runc state looper | grep -q '"status": *"stopped"' || [ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.1; done && runc delete looper
        stop
            source $ runc kill looper TERM; tries=20; until runc state looper | grep -q '"status": *"stopped"' || [ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.1; done; runc state looper | grep -q '"status": *"stopped"' || runc kill looper KILL; tries=200; until runc state looper | grep -q '"status": *"stopped"' || [ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.1; done; runc state looper | grep -q '"status": *"stopped"'
        pause
            source $ runc pause looper
        remove by force
            source $ runc delete --force looper
        exec
            source $ runc exec --cwd /work looper sh -c 'id -u'
        transfer
            source $ tar -cf carry.tar images/one looper
            carry carry.tar
            destination $ tar -xpf carry.tar
        checkpoints
            - runc keeps no list of checkpoints
        expect paused
            source $ status=0; sh ./more-ticks.sh 1 1 ticker looper.ticker.ticks || status=$?; [ $status = 1 ]
        restore in another container
            source $ mkdir clone && cp -a rootfs clone/ && (cd clone && runc spec && sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"readonly": true/"readonly": false/' -e 's|"cwd": "/"|"cwd": "/work"|' -e 's|''^'"\\([[:space:]]*\\)\"sh\""'$|'"\\1\"./ticker\"|" -e 's|"resources": {|&"memory": {"limit": 67108864}, |' config.json)
            source $ sh ./detached.sh clone.ticker.ticks runc restore -d --bundle clone --image-path "$PWD/images/one" --work-path "$PWD/images/one" clone
        restore on the destination
            destination $ sh ./detached.sh looper.ticker.ticks runc restore -d --bundle looper --image-path "$PWD/images/one" --work-path "$PWD/images/one" looper
        look
            [ -e /run/runc ] || exit 0; list=$(runc list --quiet) && if echo "$list" | grep -qx looper; then state=$(runc state looper) && echo "$state" | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p' && echo "$state" | sed -n 's/.*"pid": *\([1-9][0-9]*\).*/\1/p'; fi
        "#);
    }
}
