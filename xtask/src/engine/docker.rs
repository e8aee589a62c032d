//! Docker: dockerd, containerd and runc.

use crate::model::Recipe;

/// What it is made of. `docker-cli` is a package of its own from trixie on, `tini-static` since forky.
pub(super) const RECIPE: Recipe = Recipe {
    package: "docker.io",
    with: &["docker-cli", "containerd", "runc", "tini-static|tini", "iptables"],
    opened: &[],
};
