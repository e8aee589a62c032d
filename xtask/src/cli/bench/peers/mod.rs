//! What other tools take for `uname -r` in a guest, against ours: on one kernel image, by one QEMU and accelerator.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::figure::Figure;
use super::group::{Group, columns};
use super::stage::Stage;
use crate::cli::Unanswered;
use crate::engine::WORK_FOLDER;
use crate::guest::Exec;
use crate::host::{CameUp, Preparation};
use crate::model::Lost;

/// One command in a guest that nobody else has used.
pub(super) const UNAME: Group = Group {
    figures: &[Figure::told("uname", "s", "`uname -r` in a pristine guest: woken, asked, dropped")],
    measure: |stages, runs| {
        let stage = stages.generic()?;
        columns(runs, || Ok([ours(stage)?]))
    },
};

/// From nothing to nothing left.
fn ours(stage: &Stage) -> anyhow::Result<f64> {
    let prepare = Preparation { folder: WORK_FOLDER.to_owned(), ..Preparation::default() };
    let gone = |lost: Lost| Unanswered(lost.to_string());
    let begun = Instant::now();
    let mut up = stage.come_up(CameUp::Woken, &prepare)?;
    let guest = up.host.guest().map_err(gone)?;
    let said = guest.run(&Exec::sh("uname -r", "/", Duration::from_secs(60))).map_err(gone)?;
    drop(up);
    let seconds = begun.elapsed().as_secs_f64();
    if said.stdout.trim().is_empty() {
        bail!("uname -r: {}: {}", said.exit, said.stderr.trim());
    }
    Ok(seconds)
}
