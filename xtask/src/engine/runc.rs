//! runc alone.

use crate::model::Recipe;

/// What it is made of. CRIU locks the network of a container by iptables.
pub(super) const RECIPE: Recipe = Recipe { package: "runc", with: &["iptables"], opened: &[] };
