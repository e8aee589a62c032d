//! The report as GitHub-flavoured Markdown, with what the terminal shows: for a run folder, an issue, a page of docs.

use std::fmt::Write as _;

use super::cause::{Axes, Cause, causes, counted};
use super::matrix::{Group, Matrix, Shown};
use super::measured::{TITLE, measured};
use super::neighbours::Neighbours;
use super::style::printable;
use super::table::{INCOMPLETE, SECTIONS};
use super::taken::taken;
use super::versions::versions;
use super::{Report, Style};
use crate::judge::Kind;

/// Headings begin at the second level, so that it fits below a page's title. Paths are below the run folder.
pub(super) fn render(report: &Report) -> String {
    let matrix = Matrix::of(report);
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", summary(report));
    push_notes(&mut text, report);
    for group in &matrix.groups {
        push_group(&mut text, &matrix, group);
    }
    push_legend(&mut text, &matrix);
    let axes = Axes::of(report);
    let neighbours = Neighbours::of(report);
    for (title, kinds) in SECTIONS {
        let causes = causes(report, kinds);
        if !causes.is_empty() {
            let _ = writeln!(text, "## {title}\n");
            causes.iter().for_each(|cause| push_cause(&mut text, cause, &axes, &neighbours));
            text.push('\n');
        }
    }
    let measured = measured(report);
    if !measured.is_empty() {
        let _ = writeln!(text, "## {TITLE}\n");
        for (cell, words) in measured {
            let _ = writeln!(text, "- {}: {}", code(&cell), escaped(words));
        }
        text.push('\n');
    }
    push_versions(&mut text, report);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn summary(report: &Report) -> String {
    let counts = Kind::ALL.into_iter().map(|kind| (kind, report.count(kind))).filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(kind, count)| format!("{count} {kind}")).collect();
    let date = report.run.started.as_deref().map_or(String::new(), |at| format!(", run of {at}"));
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    format!("**{}{counts}**{}{date}.", counted(report.cells.len()), taken(report))
}

fn push_group(text: &mut String, matrix: &Matrix<'_>, group: &Group) {
    let _ = writeln!(text, "## {}\n", escaped(&capitalized(&group.heading.join(", "))));
    let digits = matrix.digits();
    let heads = group.columns.iter().map(|head| match digits.as_str() {
        "" => escaped(head),
        digits => format!("{}<br>`{digits}`", escaped(head)),
    });
    push_row(text, std::iter::once(escaped(group.corner)).chain(heads));
    push_row(text, std::iter::repeat_n("---".to_owned(), group.columns.len() + 1));
    for (row, name) in group.rows.iter().enumerate() {
        let squares = (0..group.columns.len()).map(|column| {
            let shown = matrix.shown(group, row, column);
            let plain = shown.text(&Style::FILE, matrix.scenarios.len());
            match shown {
                // Of one width each, so that a mark stands below its digit.
                Shown::Marks(_) => format!("`{plain}`"),
                Shown::All(kind) if !kind.is_expected() => format!("**{plain}**"),
                Shown::All(_) | Shown::Counts(_) | Shown::Empty => plain,
            }
        });
        push_row(text, std::iter::once(escaped(name)).chain(squares));
    }
    text.push('\n');
}

fn push_row(text: &mut String, cells: impl Iterator<Item = String>) {
    let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
}

fn push_legend(text: &mut String, matrix: &Matrix<'_>) {
    if matrix.is_marked() {
        let numbered = matrix.scenarios.iter().enumerate();
        let numbered = numbered.map(|(index, name)| format!("`{}` {}", Matrix::digit(index), escaped(name)));
        let _ = writeln!(text, "Scenarios: {}.", numbered.collect::<Vec<_>>().join(", "));
    }
    let (kinds, gaps) = matrix.kinds();
    let mut marks: Vec<String> =
        kinds.iter().map(|kind| format!("`{}` {kind}", Style::FILE.mark(*kind))).collect();
    marks.extend(gaps.then(|| format!("`{}` not run", Style::FILE.absent())));
    if !marks.is_empty() {
        let _ = writeln!(text, "Marks: {}.", marks.join(", "));
    }
    if matrix.is_marked() || !marks.is_empty() {
        text.push('\n');
    }
}

fn push_cause(text: &mut String, cause: &Cause<'_>, axes: &Axes<'_>, neighbours: &Neighbours<'_>) {
    let title = format!("**{} {}**: {}", Style::FILE.mark(cause.kind), cause.title(), code(cause.reason));
    let mut lines = vec![title];
    lines.extend(cause.told(neighbours).iter().map(|line| escaped(line)));
    lines.extend(axes.describe(&cause.cells, Style::FILE.times()).iter().map(|line| escaped(line)));
    // Nobody looks for the logs of what was not run.
    let log = cause.cells.iter().find_map(|cell| cell.logs.first()).filter(|_| cause.kind != Kind::Skip);
    let lead = if cause.cells.len() > 1 { "first log" } else { "log" };
    lines.extend(log.map(|log| format!("{lead}: {}", code(log))));
    // Two blanks at the end break a line in Markdown.
    let _ = writeln!(text, "- {}", lines.join("  \n  "));
}

fn push_versions(text: &mut String, report: &Report) {
    let versions = versions(report);
    if versions.is_empty() {
        return;
    }
    let _ = writeln!(text, "## Versions, as the guests reported them\n");
    push_row(text, ["axis", "asked", "observed"].map(str::to_owned).into_iter());
    push_row(text, std::iter::repeat_n("---".to_owned(), 3));
    for version in versions {
        push_row(text, [version.axis, version.asked, &version.observed.join("; ")].map(escaped).into_iter());
    }
}

fn push_notes(text: &mut String, report: &Report) {
    let incomplete = (!report.run.complete).then_some(INCOMPLETE);
    let notes: Vec<&str> = report.run.notes.iter().map(String::as_str).chain(incomplete).collect();
    if !notes.is_empty() {
        notes.iter().for_each(|note| {
            let _ = writeln!(text, "- {}", escaped(note));
        });
        text.push('\n');
    }
}

/// A code span that holds whatever it is given, on one line.
pub(super) fn code(text: &str) -> String {
    let text = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut fence = "`".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// Text that Markdown takes as it is.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '~' => escaped.extend(['\\', character]),
            '<' => escaped.push_str("&lt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(render(&sample::report()), @r#"
        **280 cells: 250 pass, 19 fail, 1 flaky, 1 broken, 1 known-bug, 8 skip**, run of 2026-11-03T12:00:00Z.

        - No usable /dev/kvm: guests run under software emulation (QEMU 10.0.2, tcg).

        ## Userland bookworm, engine criu, CPU max

        | kernel | CRIU 3.17.1<br>`1234567` | CRIU 4.1.1<br>`1234567` | CRIU 4.2.1<br>`1234567` | CRIU 4.3<br>`1234567` |
        | --- | --- | --- | --- | --- |
        | 5.10 | `✓k✓✓✓✓–` | all pass | all pass | `✓✓✓✓✓!✓` |
        | 6.1 | `✓✓✓✓✓✓–` | all pass | all pass | all pass |
        | 6.12 | `✓✓✓✓✓✓–` | all pass | all pass | all pass |
        | 6.18 | `✓✓✓✓✓✓–` | `✓✓✗✓✓✓✓` | `✓✓✗✓✓✓✓` | all pass |
        | 7.2 | **all fail** | all pass | all pass | all pass |

        ## Userland trixie, engine criu, CPU max

        | kernel | CRIU 3.17.1<br>`1234567` | CRIU 4.1.1<br>`1234567` | CRIU 4.2.1<br>`1234567` | CRIU 4.3<br>`1234567` |
        | --- | --- | --- | --- | --- |
        | 5.10 | `✓✓✓✓✓✓–` | all pass | all pass | all pass |
        | 6.1 | `✓✓✓✓✓✓–` | all pass | `✓✓✓✓~✓✓` | all pass |
        | 6.12 | `✓✓✓✓✓✓–` | `✓✓✓✗✓✓✓` | all pass | all pass |
        | 6.18 | `✓✓✓✓✓✓–` | `✓✓✗✓✓✓✓` | `✓✓✗✓✓✓✓` | all pass |
        | 7.2 | **all fail** | all pass | all pass | all pass |

        Scenarios: `1` counter, `2` leave-running, `3` fork-app, `4` rollback, `5` clone, `6` migrate, `7` pre-dump.
        Marks: `✓` pass, `✗` fail, `~` flaky, `!` broken, `k` known-bug, `–` skip.

        ## Failures

        - **✗ fail at restore, 14 cells**: `criu restore: exit status 1: (00.338) Error (criu/cr-restore.c:1480): 338 killed by signal 11: Segmentation fault`  
          every scenario: kernel 7.2 × CRIU 3.17.1 × every userland  
          first log: `cells/counter@k7.2@bookworm@c3.17.1@criu@max/restore.log`
        - **✗ fail at dump, 4 cells**: `criu dump: exit status 1: (00.041232) Error (criu/parasite-syscall.c:243): BUG at criu/parasite-syscall.c:243`  
          fork-app: kernel 6.18 × CRIU 4.1.1, 4.2.1 × every userland  
          first log: `cells/fork-app@k6.18@bookworm@c4.1.1@criu@max/dump.log`
        - **✗ fail at verify, 1 cell**: `the restored program counted on from 41, and the checkpoint was taken at 17: it did not go back`  
          rollback: kernel 6.12 × CRIU 4.1.1 × userland trixie  
          log: `cells/rollback@k6.12@trixie@c4.1.1@criu@max/story.log`
        - **~ flaky at restore, 1 cell**: `failed in 1 of 3 runs: (00.5) Error (criu/files-reg.c:2220): File out has bad size 45 (expect 44)`  
          clone: kernel 6.1 × CRIU 4.2.1 × userland trixie  
          log: `cells/clone@k6.1@trixie@c4.2.1@criu@max/restore.log`
        - **! broken, 1 cell**: `the guest's kernel panicked: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b`  
          migrate: kernel 5.10 × CRIU 4.3 × userland bookworm  
          log: `cells/migrate@k5.10@bookworm@c4.3@criu@max/console.log`

        ## Known bugs

        - **k known-bug at verify, 1 cell**: `tick 18 is missing`  
          known: https://github.com/checkpoint-restore/criu/issues/1234  
          leave-running: kernel 5.10 × CRIU 3.17.1 × userland bookworm  
          log: `cells/leave-running@k5.10@bookworm@c3.17.1@criu@max/story.log`

        ## Skipped

        - **– skip, 8 cells**: `no mem_dirty_track feature`  
          pre-dump: kernel 5.10, 6.1, 6.12, 6.18 × CRIU 3.17.1 × every userland

        ## Versions, as the guests reported them

        | axis | asked | observed |
        | --- | --- | --- |
        | kernel | 5.10 | 5.10.0-36-cloud-amd64 |
        | kernel | 6.1 | 6.1.0-41-cloud-amd64 |
        | kernel | 6.12 | 6.12.117+deb13-cloud-amd64 |
        | kernel | 6.18 | 6.18.9+deb14-cloud-amd64 |
        | kernel | 7.2 | 7.2.3+deb14-cloud-amd64 |
        | userland | bookworm | Debian GNU/Linux 12 (bookworm), glibc 2.36 |
        | userland | trixie | Debian GNU/Linux 13 (trixie), glibc 2.41 |
        | CRIU | 3.17.1 | 3.17.1, libc: own 2.36 |
        | CRIU | 4.1.1 | 4.1.1, libc: own 2.41 |
        | CRIU | 4.2.1 | 4.2.1, libc: own 2.42 |
        | CRIU | 4.3 | 4.3, libc: own 2.42 |
        "#);
    }
}
