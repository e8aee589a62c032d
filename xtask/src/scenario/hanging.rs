//! Steps that must hang: what may come before them, and that nothing comes after.

use std::ops::Range;

use toml::Spanned;

use super::file::StepTable;
use super::words::Lowered;
use crate::toml_file::Source;

/// What is known of hanging at a point of a story.
#[derive(Default)]
pub(super) struct Hanging {
    /// The `stop-daemon` that nothing has hung for yet.
    stopped: Option<Range<usize>>,
    /// Whether a step hung already.
    hung: bool,
}

impl Hanging {
    /// Whether the next step must hang.
    ///
    /// # Errors
    /// When it comes too late, contradicts itself, or would hang without saying so.
    pub(super) fn step(&mut self, source: &Source, table: &Spanned<StepTable>) -> Lowered<bool> {
        let step = table.get_ref();
        if self.hung {
            return Err(source.wrong(table.span(), "nothing can be done after a step that hangs"));
        }
        if let (Some(hangs), true) = (&step.hangs, step.refused.is_some()) {
            return Err(source.wrong(hangs.span(), "what hangs is not refused"));
        }
        if let Some(deadline) = step.deadline.as_ref().filter(|deadline| *deadline.get_ref() == 0) {
            return Err(source.wrong(deadline.span(), "a deadline is at least 1 second"));
        }
        let hangs = step.hangs.as_ref().is_some_and(|hangs| *hangs.get_ref());
        if self.stopped.take().is_some() && !hangs {
            return Err(source
                .wrong(table.span(), "a daemon is stopped: whoever asks it for something hangs")
                .help("put `hangs = true` into the step after `stop-daemon`"));
        }
        self.stopped = step.stop_daemon.as_ref().map(Spanned::span);
        self.hung = hangs;
        Ok(hangs)
    }

    /// That a daemon was not stopped for nothing.
    ///
    /// # Errors
    /// When nothing hung after it.
    pub(super) fn end(&self, source: &Source) -> Lowered<()> {
        let Some(stopped) = &self.stopped else { return Ok(()) };
        Err(source
            .wrong(stopped.clone(), "nobody asks the daemon that is stopped for anything")
            .help("put a step with `hangs = true` after it"))
    }
}
