//! Where things lie: in the checkout that this binary was built from.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::model::Workload;
use crate::scenario::Library;

/// The top of the checkout. `XTASK_ROOT` stands in its place where the checkout was moved.
pub(super) fn root() -> PathBuf {
    std::env::var_os("XTASK_ROOT").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned(),
        PathBuf::from,
    )
}

/// The scenarios.
pub(super) fn scenarios() -> PathBuf {
    root().join("scenarios")
}

/// The profiles.
pub(super) fn profiles() -> PathBuf {
    scenarios().join("matrix")
}

/// The workloads' sources.
pub(super) fn workloads() -> PathBuf {
    root().join("guest/workloads")
}

/// The rules of diagnosis.
pub(super) fn knowledge() -> PathBuf {
    root().join("knowledge")
}

/// Where runs go that were not told where to go.
pub(super) fn runs() -> PathBuf {
    root().join("runs")
}

/// The Vagrantfile's folder.
pub(super) fn vagrant() -> PathBuf {
    root().join("vagrant")
}

/// The recipe of boxes.
pub(super) fn box_recipe() -> PathBuf {
    vagrant().join("box")
}

/// All scenarios.
pub(super) fn library() -> anyhow::Result<Library> {
    Library::read(&scenarios(), &Workload::names()).context("the scenarios cannot be read")
}
