//! A move whose restore failed: what is left of the program on the destination is ended, and it is restored where it came
//! from. Nothing of it decides; the verdict tells of the copies that run afterwards.

use std::path::Path;

use super::cell::{CellRun, Hosts, Stop, host};
use super::{evidence, look};
use crate::engine::WORK_FOLDER;
use crate::model::{Action, Expectation, Place, Role, Step, Verb};

impl CellRun<'_> {
    /// Brings a program back that step `number` could not restore on the destination.
    pub(super) fn fall_back(&self, hosts: &mut Hosts, number: usize, failed: &Step) -> Result<(), Stop> {
        let Verb::Restore { from, dir, .. } = &failed.verb else { return Ok(()) };
        let stayed =
            |step: &Step| matches!(&step.verb, Verb::Dump { to, leave_running: true, .. } if to == from);
        // One that never stopped must not be restored over itself.
        if failed.container.is_some() || self.story.steps.iter().any(stayed) {
            return Ok(());
        }
        let back = Verb::Restore { from: from.clone(), dir: *dir, fresh: false };
        let end = Step { on: Role::Destination, ..Step::plain(Verb::Kill) };
        // Nothing may be there to be ended.
        self.try_all(hosts, number, &end)?;
        // Nobody waits for what was not brought back.
        let back = Step { opts: failed.opts.clone(), ..Step::plain(back) };
        if self.try_all(hosts, number, &back)? {
            self.try_all(hosts, number, &Step::plain(Verb::Expect(Expectation::Running)))?;
        }
        for on in [Role::Source, Role::Destination] {
            look::observe(self, hosts, number, &Place::host(on))?;
        }
        Ok(())
    }

    /// The commands of a step, as far as they succeed: whether all of them did.
    fn try_all(&self, hosts: &mut Hosts, number: usize, step: &Step) -> Result<bool, Stop> {
        // What the engine has no notion of, it cannot do here either.
        for action in self.engine.lower(step, &self.scene()).unwrap_or_default() {
            let Action::Run(role, mut command) = action else { continue };
            // Its logs have the names of those that tell of the failure.
            let logs = std::mem::take(&mut command.keep);
            let finished = self.run(hosts, number, role, &command, false)?;
            for log in logs {
                let name = Path::new(&log).file_name().unwrap_or_default().to_string_lossy();
                let name = format!("back/{name}");
                evidence::keep(self, host(hosts, role)?, &format!("{WORK_FOLDER}/{log}"), &name)
                    .map_err(|how| Stop::Lost(role, how))?;
            }
            if !finished.exit.is_success() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
