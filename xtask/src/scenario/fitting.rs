//! Which words go with which verbs.

use toml::Spanned;

use super::file::StepTable;
use super::words::Lowered;
use crate::toml_file::Source;

/// That every word of a step belongs to its verb.
pub(super) fn only_fitting_words(source: &Source, step: &StepTable) -> Lowered<()> {
    let dumps = step.pre_dump.is_some() || step.dump.is_some();
    let stays = step.start.is_some() || step.transfer.is_some() || step.power_cut.is_some();
    let waits = step.exec.is_some() || step.dump.is_some() || step.restore.is_some();
    let misplaced = [
        (
            step.container.as_ref().map(Spanned::span),
            !stays && step.sync.is_none(),
            "container",
            "any verb but `start`, `transfer`, `sync` and `power-cut`",
        ),
        (
            step.dir.as_ref().map(Spanned::span),
            step.dump.is_some() || step.restore.is_some(),
            "dir",
            "`dump` and `restore`",
        ),
        (step.talks_on.as_ref().map(Spanned::span), step.connect.is_some(), "talks-on", "`connect`"),
        (step.force.as_ref().map(Spanned::span), step.remove.is_some(), "force", "`remove`"),
        (
            step.refused.as_ref().map(Spanned::span),
            waits || step.remove.is_some() || step.reach.is_some(),
            "refused",
            "`exec`, `dump`, `restore`, `remove` and `reach`",
        ),
        (step.hangs.as_ref().map(Spanned::span), waits, "hangs", "`exec`, `dump` and `restore`"),
        (step.deadline.as_ref().map(Spanned::span), waits, "deadline", "`exec`, `dump` and `restore`"),
        (
            step.on.as_ref().map(Spanned::span),
            !stays,
            "on",
            "any verb but `start`, `transfer` and `power-cut`",
        ),
        (step.amid.as_ref().map(Spanned::span), step.power_cut.is_some(), "amid", "`power-cut`"),
        (step.parent.as_ref().map(Spanned::span), dumps, "parent", "`pre-dump` and `dump`"),
        (step.leave_running.as_ref().map(Spanned::span), step.dump.is_some(), "leave-running", "`dump`"),
        (step.by.as_ref().map(Spanned::span), step.dump.is_some(), "by", "`dump`"),
        (step.cpuinfo.as_ref().map(Spanned::span), step.dump.is_some(), "cpuinfo", "`dump`"),
        (
            step.opts.as_ref().map(Spanned::span),
            dumps || step.restore.is_some(),
            "opts",
            "`pre-dump`, `dump` and `restore`",
        ),
    ];
    for (span, fits, word, verbs) in misplaced {
        if let (Some(span), false) = (span, fits) {
            return Err(source.wrong(span, format!("`{word}` goes with {verbs} only")));
        }
    }
    Ok(())
}
