//! A power cut: what was in memory is gone, what was on the disks is not. Whatever is wrong with a guest that comes up
//! after it is no verdict on CRIU.

use super::cell::{CellRun, Hosts, Stop, host};
use super::hosts::came_up_whole;
use crate::model::Role;

/// Cuts, waits for the boot, and starts the engine's daemon as it was started before the story.
pub(super) fn cut(run: &CellRun<'_>, hosts: &mut Hosts, step: usize, role: Role) -> Result<(), Stop> {
    let lost = |how| Stop::Lost(role, how);
    let cut = host(hosts, role)?;
    cut.power_cut().map_err(lost)?;
    came_up_whole(cut.guest().map_err(lost)?.facts()).map_err(Stop::Broken)?;
    for command in run.engine.daemon() {
        let finished = run.run(hosts, step, role, &command, false)?;
        if !finished.exit.is_success() {
            return Err(Stop::Broken(format!(
                "the engine does not come back after the power cut: {}: {}: {}",
                command.line,
                finished.exit,
                finished.stderr.trim()
            )));
        }
    }
    Ok(())
}
