//! `reproduce.sh`, run once in a fresh guest of the same stack, before anybody else is asked to.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::case::Case;
use crate::bundle::Verified;
use crate::cli::stacks;
use crate::engine::WORK_FOLDER;
use crate::guest::Exec;
use crate::host::{Launch, Preparation, Provider as _, Put, WarmStates};
use crate::install::Cache;
use crate::model::{Exit, Role};
use crate::run;

/// Where the bundle is in the guest.
const BUNDLE: &str = "/root/bundle";
/// Longer than the script's own limit.
const DEADLINE: Duration = Duration::from_secs(960);
/// What the script needs of the bundle.
const NEEDED: &[&str] = &["reproduce.sh", "story.sh"];

/// Runs it, and keeps its output in the bundle as `verified.log`. A guest that cannot be had is no answer.
pub(super) fn verify(case: &Case, bundle: &Path, offline: bool) -> anyhow::Result<Verified> {
    let cache = Cache::open()?;
    let tell = |note: String| eprintln!("{note}");
    let mut installed = stacks::install(&case.plan, &case.lock, &cache, offline, &tell)?;
    installed.provider.warm = Some(WarmStates::new(Cache::open()?));
    let folder = cache.scratch()?;
    let host = &case.planned.host;
    // The same preparation as a cell's, so that a saved guest serves.
    let prepare: Preparation = run::preparation(case.engine()?.as_ref(), host, &installed.files);
    let launch = Launch {
        ask: host,
        role: Role::Source,
        memory_mib: case.plan.memory_mib,
        cpus: case.plan.cpus,
        folder: folder.path(),
        prepare: &prepare,
    };
    let mut made = installed.provider.launch(&launch)?;
    let guest = match made.guest() {
        Ok(guest) => guest,
        Err(lost) => return Ok(Verified::Not(lost.to_string())),
    };
    for file in files(bundle)? {
        let mut source = fs::File::open(&file.source)?;
        let length = source.metadata()?.len();
        guest
            .push(&mut source, length, &file.path, file.mode)
            .context("cannot bring the bundle into a guest")?;
    }
    // What the harness has put there must not help.
    let line = format!(
        "find {WORK_FOLDER} -mindepth 1 -maxdepth 1 ! -name '*.log' ! -name logs -exec rm -rf {{}} +; sh ./reproduce.sh"
    );
    let finished = match guest.run(&Exec::sh(line, BUNDLE, DEADLINE)) {
        Ok(finished) => finished,
        Err(lost) => return Ok(Verified::Not(lost.to_string())),
    };
    fs::write(bundle.join("verified.log"), format!("{}{}", finished.stdout, finished.stderr))?;
    let last = finished.stdout.lines().last().unwrap_or_default();
    Ok(match finished.exit {
        Exit::Status(status) => Verified::of(status, last),
        other => Verified::No(other.to_string()),
    })
}

fn files(bundle: &Path) -> anyhow::Result<Vec<Put>> {
    let put = |name: &str| Put { source: bundle.join(name), path: format!("{BUNDLE}/{name}"), mode: 0o755 };
    let mut files: Vec<Put> = NEEDED.iter().map(|name| put(name)).collect();
    for entry in fs::read_dir(bundle.join("bin"))? {
        files.push(put(&format!("bin/{}", entry?.file_name().to_string_lossy())));
    }
    Ok(files)
}
