//! The linter of `.github/workflows`: check-jsonschema, which brings GitHub's schema with it, from PyPI into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{places, setup};
use crate::install::{Cache, InstallError, key};
use crate::process;

/// Of one version, so that a change of its schema is a change of ours.
const PACKAGE: &str = "check-jsonschema==0.39.0";

/// The command that checks every workflow; `None` where the linter is not in the cache and nothing may be fetched.
///
/// # Errors
/// When python3 has no pip, PyPI does not answer, or there is no workflow.
pub(super) fn linter(fetch: bool) -> anyhow::Result<Option<Command>> {
    let cache = Cache::open()?;
    // What was compiled for one Python does not load in another.
    let python = process::output(process::command("python3").arg("--version"));
    let Ok(python) = python else { return Ok(None) };
    let key = key([PACKAGE.as_bytes(), &python.stdout]);
    if !fetch && !cache.is_built("workflow-linter", &key) {
        return Ok(None);
    }
    let folder = cache.built("workflow-linter", &key, &setup::say, install)?;
    let mut command = process::command("python3");
    command.env("PYTHONPATH", folder).args(["-m", "check_jsonschema", "--builtin-schema"]);
    command.arg("vendor.github-workflows").args(workflows()?);
    Ok(Some(command))
}

fn install(folder: &Path) -> Result<(), InstallError> {
    let mut pip = process::command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
    process::output(pip.arg(folder).arg(PACKAGE))?;
    Ok(())
}

fn workflows() -> anyhow::Result<Vec<PathBuf>> {
    let folder = places::root().join(".github/workflows");
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.collect::<Result<Vec<_>, _>>()?.iter().map(std::fs::DirEntry::path).collect())
}
