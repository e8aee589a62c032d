//! Changes that are alike are told once: the same before, the same now.

use std::collections::HashMap;

use super::compare::{Change, Changed, Diff, Outcome, VersionChange};
use crate::judge::Kind;
use crate::report::Cell;
use crate::report::cause::counted;

/// Cells that changed alike.
pub(super) struct Group<'a> {
    /// How one of them was; none where they are new.
    pub(super) before: Option<&'a Cell>,
    /// How it is; none where they are gone.
    pub(super) after: Option<&'a Cell>,
    /// All of them, as they are, or were.
    pub(super) cells: Vec<&'a Cell>,
}

/// The groups of one kind of change, the largest first.
pub(super) fn groups(diff: &Diff, change: Change) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    for Changed { before, after, .. } in diff.changes.iter().filter(|it| it.change == change) {
        let Some(cell) = after.as_ref().or(before.as_ref()) else { continue };
        let key = (before.as_ref().map(Outcome::of), after.as_ref().map(Outcome::of));
        let at = *places.entry(key).or_insert_with(|| {
            groups.push(Group { before: before.as_ref(), after: after.as_ref(), cells: Vec::new() });
            groups.len() - 1
        });
        groups[at].cells.push(cell);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.cells.len()));
    groups
}

/// What stands above a kind of change.
pub(super) fn heading(change: Change) -> &'static str {
    match change {
        Change::Regressed => "Regressed",
        Change::Fixed => "Known bugs that are gone",
        Change::Repaired => "Repaired",
        Change::Changed => "Failing otherwise than before",
        Change::KnownNow => "Known bugs that passed before",
        Change::Broken => "Newly broken",
        Change::Skipped => "Newly skipped",
        Change::Asked => "Not asked before",
        Change::New => "New cells",
        Change::Gone => "Gone cells",
    }
}

impl Group<'_> {
    /// How its cells are, or were where they are gone.
    pub(super) fn kind(&self) -> Kind {
        self.after.or(self.before).map_or(Kind::Broken, |cell| cell.verdict)
    }

    /// `fail at dump, 4 cells`.
    pub(super) fn title(&self) -> String {
        let ended = self.after.or(self.before).map_or(String::new(), ended);
        format!("{ended}, {}", counted(self.cells.len()))
    }

    /// Why they are as they are, where they say so and are not gone.
    pub(super) fn reason(&self) -> Option<&str> {
        let after = self.after.filter(|after| after.verdict != Kind::Pass)?;
        after.reason.as_deref()
    }

    /// How they were, in a line: `pass`, `fail at dump: exit status 1`.
    pub(super) fn earlier(&self) -> Option<String> {
        let before = self.before.filter(|_| self.after.is_some())?;
        let reason = before.reason.as_deref().filter(|_| before.verdict != Kind::Pass);
        Some(reason.map_or_else(|| ended(before), |reason| format!("{}: {reason}", ended(before))))
    }
}

impl VersionChange {
    /// `kernel 6.12: 6.12.117 → 6.12.120`.
    pub(super) fn line(&self, arrow: &str) -> String {
        let Self { axis, asked, before, after } = self;
        format!("{axis} {asked}: {} {arrow} {}", before.join("; "), after.join("; "))
    }
}

fn ended(cell: &Cell) -> String {
    let stage = cell.stage.map_or(String::new(), |stage| format!(" at {stage}"));
    format!("{}{stage}", cell.verdict)
}
