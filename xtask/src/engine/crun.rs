//! crun alone.

use crate::model::Recipe;

/// What it is made of. It opens libcriu at run time; bullseye and bookworm have none, and their crun knows none.
/// CRIU locks the network of a container by iptables and, as crun does not keep it out of that, saves it by ip.
pub(super) const RECIPE: Recipe =
    Recipe { package: "crun", with: &["libcriu2", "iptables", "iproute2"], opened: &["libcriu.so.2"] };
