//! Podman, with both of the runtimes that it may use.

use crate::model::Recipe;

/// What it is made of. bullseye has CNI's plugins in place of netavark, and has no libcriu.
pub(super) const RECIPE: Recipe = Recipe {
    package: "podman",
    with: &[
        "conmon",
        "crun",
        "runc",
        "netavark|containernetworking-plugins",
        "aardvark-dns",
        "golang-github-containers-common",
        "golang-github-containers-image",
        "catatonit",
        "iptables",
        "nftables",
        "libcriu2",
    ],
    opened: &["libcriu.so.2"],
};
