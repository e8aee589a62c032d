//! The diff as Markdown for a pull request's comment: what is bad is in sight, the rest is folded.

use std::fmt::Write as _;

use super::compare::{Change, Diff};
use super::groups::{Group, groups, heading};
use crate::judge::Kind;
use crate::report::Style;
use crate::report::cause::{Axes, counted};
use crate::report::markdown::{code, escaped};

pub(in crate::report) fn render(diff: &Diff) -> String {
    let mut text = String::new();
    let since = diff.before.started.as_deref().map_or(String::new(), |at| format!(" of {at}"));
    text.push_str("## What changed\n\n");
    let _ = writeln!(text, "**{}**, compared with the run{since}.\n", escaped(&diff.summary()));
    for moved in &diff.versions {
        let _ = writeln!(text, "- {}", escaped(&moved.line("→")));
    }
    if !diff.versions.is_empty() {
        text.push('\n');
    }
    for change in Change::ALL {
        let groups = groups(diff, change);
        if groups.is_empty() {
            continue;
        }
        let in_sight = matches!(change, Change::Regressed | Change::Fixed);
        if in_sight {
            let _ = writeln!(text, "### {}\n", heading(change));
        } else {
            let counted = counted(diff.count(change));
            // Markdown is read below a blank line only.
            let _ = writeln!(text, "<details><summary>{}: {counted}</summary>\n", heading(change));
        }
        let axes = diff.values.axes();
        groups.iter().for_each(|group| push_group(&mut text, group, &axes));
        text.push_str(if in_sight { "\n" } else { "\n</details>\n\n" });
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn push_group(text: &mut String, group: &Group<'_>, axes: &Axes<'_>) {
    let reason = group.reason().map_or(String::new(), |reason| format!(": {}", code(reason)));
    let mut lines = vec![format!("**{} {}**{reason}", Style::FILE.mark(group.kind()), group.title())];
    let known = group.after.and_then(|after| after.known_bug.as_ref());
    lines.extend(known.map(|known| format!("known: {known}")));
    lines.extend(group.earlier().map(|earlier| format!("before: {}", code(&earlier))));
    match group.cells.as_slice() {
        [cell] => lines.push(code(cell.id.as_str())),
        cells => lines.extend(axes.describe(cells, Style::FILE.times()).iter().map(|line| escaped(line))),
    }
    // What is gone has no log in the second run.
    let log = group.after.and_then(|after| after.logs.first());
    let log = log.filter(|_| !matches!(group.kind(), Kind::Pass | Kind::Skip));
    lines.extend(log.map(|log| format!("log: {}", code(log))));
    // Two blanks at the end break a line in Markdown.
    let _ = writeln!(text, "- {}", lines.join("  \n  "));
}
