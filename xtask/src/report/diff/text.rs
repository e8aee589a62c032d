//! The diff as a terminal shows it.

use std::fmt::Write as _;

use super::compare::{Change, Diff};
use super::groups::{groups, heading};
use crate::report::Style;
use crate::report::layout::push_wrapped;

/// All of it; the paths of logs are below the second run's folder.
pub(in crate::report) fn render(diff: &Diff, style: &Style) -> String {
    let mut text = String::new();
    for change in Change::ALL {
        let groups = groups(diff, change);
        if groups.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}\n", style.bold(heading(change)));
        let axes = diff.values.axes();
        for group in groups {
            let title = format!("{} {}", style.mark(group.kind()), group.title());
            let _ = writeln!(text, "{}", style.ink(group.kind(), &title));
            if let Some(reason) = group.reason() {
                push_wrapped(&mut text, "    ", reason, style);
            }
            if let Some(known) = group.after.and_then(|after| after.known_bug.as_ref()) {
                push_wrapped(&mut text, "    ", &format!("known: {known}"), style);
            }
            if let Some(earlier) = group.earlier() {
                push_wrapped(&mut text, "    before: ", &earlier, style);
            }
            match group.cells.as_slice() {
                [cell] => push_wrapped(&mut text, "    ", cell.id.as_str(), style),
                cells => axes
                    .describe(cells, style.times())
                    .iter()
                    .for_each(|line| push_wrapped(&mut text, "    ", line, style)),
            }
            text.push('\n');
        }
    }
    let arrow = if style.unicode { "→" } else { "->" };
    for moved in &diff.versions {
        push_wrapped(&mut text, "moved: ", &moved.line(arrow), style);
    }
    let since = diff.before.started.as_deref().map_or(String::new(), |at| format!(" of {at}"));
    let _ = writeln!(text, "compared with the run{since}: {}", diff.summary());
    text
}
