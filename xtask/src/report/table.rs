//! The report as a terminal shows it: tables, legend, what failed and where its logs are, a line to sum up.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, LineStyle, Table};

use super::cause::{Axes, Cause, causes, counted};
use super::layout::{Inks, push_list, push_wrapped};
use super::matrix::{Group, Matrix, Shown};
use super::measured::{TITLE, measured};
use super::neighbours::Neighbours;
use super::taken::taken;
use super::versions::versions;
use super::{Report, Style};
use crate::judge::Kind;

/// Up to so many cells of one cause have a line each; of more, half as many do.
const LISTED: usize = 6;

/// What needs a look, what is expected to fail, what was not asked.
pub(super) const SECTIONS: [(&str, &[Kind]); 3] = [
    ("Failures", &[Kind::Fail, Kind::Fixed, Kind::Flaky, Kind::Broken]),
    ("Known bugs", &[Kind::KnownBug]),
    ("Skipped", &[Kind::Skip]),
];

/// The whole report; the paths of logs begin with `folder`, the run folder as the user would type it.
pub(super) fn render(report: &Report, style: &Style, folder: &Path) -> String {
    let matrix = Matrix::of(report);
    let mut text = String::new();
    for group in &matrix.groups {
        push_group(&mut text, &matrix, group, style);
    }
    push_legend(&mut text, &matrix, style);
    let axes = Axes::of(report);
    let neighbours = Neighbours::of(report);
    for (title, kinds) in SECTIONS {
        let causes = causes(report, kinds);
        if !causes.is_empty() {
            let _ = writeln!(text, "{}\n", style.bold(title));
        }
        for cause in &causes {
            push_cause(&mut text, cause, &axes, &neighbours, style, folder);
        }
    }
    let measured = measured(report);
    if !measured.is_empty() {
        let _ = writeln!(text, "{}\n", style.bold(TITLE));
        for (cell, words) in measured {
            push_wrapped(&mut text, "", &cell, style);
            push_wrapped(&mut text, "    ", words, style);
        }
        text.push('\n');
    }
    push_versions(&mut text, report, style);
    push_notes(&mut text, report, style);
    text.push_str(&summary(report, style));
    text.push('\n');
    text
}

/// `280 cells: 262 pass, 14 fail, 4 skip`, in colours.
pub(super) fn summary(report: &Report, style: &Style) -> String {
    let counts = Kind::ALL.into_iter().map(|kind| (kind, report.count(kind))).filter(|(_, count)| *count > 0);
    let counts: Vec<String> =
        counts.map(|(kind, count)| style.ink(kind, &format!("{count} {kind}"))).collect();
    let told = format!("{}: {}", counted(report.cells.len()), counts.join(", "));
    told.trim_end_matches(": ").to_owned() + &taken(report)
}

fn push_group(text: &mut String, matrix: &Matrix<'_>, group: &Group, style: &Style) {
    let _ = writeln!(text, "{}\n", style.bold(&group.heading.join(", ")));
    let digits = matrix.digits();
    let square =
        |row, column| matrix.shown(group, row, column).text(style, matrix.scenarios.len()).chars().count();
    let column = |column: usize| {
        let heading = group.columns[column].chars().count();
        let squares = (0..group.rows.len()).map(|row| square(row, column));
        squares.max().unwrap_or(0).max(heading).max(digits.len())
    };
    let names = group.rows.iter().map(String::as_str).chain([group.corner]);
    let first = names.map(|name| name.chars().count()).max().unwrap_or(0) + 2;
    let mut from = 0;
    while from < group.columns.len() {
        // As many columns as fit, and one at least.
        let mut width = first;
        let fits = (from..group.columns.len()).take_while(|at| {
            // The blanks between columns; the last has none that are seen.
            width += column(*at) + 3;
            width <= style.width + 3
        });
        let to = from + fits.count().max(1);
        push_table(text, matrix, group, from..to, style);
        text.push('\n');
        from = to;
    }
}

fn push_table(
    text: &mut String,
    matrix: &Matrix<'_>,
    group: &Group,
    columns: std::ops::Range<usize>,
    style: &Style,
) {
    let mut table = Table::new();
    let rule = if style.unicode { '─' } else { '-' };
    table.load_style(NOTHING.header_separator(LineStyle::none().fill(rule).junction(rule)));
    table.set_content_arrangement(ContentArrangement::Disabled);
    let digits = matrix.digits();
    let head =
        group.columns[columns.clone()].iter().map(|head| format!("{head}\n{digits}").trim_end().to_owned());
    table.set_header(std::iter::once(group.corner.to_owned()).chain(head));
    let mut inks = Inks::default();
    for (row, name) in group.rows.iter().enumerate() {
        let mut cells = vec![name.clone()];
        for column in columns.clone() {
            let shown = matrix.shown(group, row, column);
            let plain = shown.text(style, matrix.scenarios.len());
            cells.push(inks.stand_in(&plain, in_colour(&shown, &plain, style)));
        }
        table.add_row(cells);
    }
    for line in table.lines() {
        let _ = writeln!(text, "{}", inks.fill_in(line.trim_end()));
    }
}

fn in_colour(shown: &Shown, plain: &str, style: &Style) -> String {
    match shown {
        Shown::Empty => plain.to_owned(),
        Shown::All(kind) => style.ink(*kind, plain),
        Shown::Marks(marks) => {
            let marks = marks.iter().zip(plain.chars());
            marks
                .map(|(kind, mark)| kind.map_or(mark.to_string(), |kind| style.ink(kind, &mark.to_string())))
                .collect()
        }
        Shown::Counts(counts) => {
            let counts = counts.iter().zip(plain.split(' '));
            counts.map(|((kind, _), count)| style.ink(*kind, count)).collect::<Vec<_>>().join(" ")
        }
    }
}

fn push_legend(text: &mut String, matrix: &Matrix<'_>, style: &Style) {
    let mut lines = 0;
    if matrix.is_marked() {
        let numbered = matrix
            .scenarios
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{} {name}", Matrix::digit(index)));
        push_list(text, "scenarios  ", &numbered.collect::<Vec<_>>(), style);
        lines += 1;
    }
    let (kinds, gaps) = matrix.kinds();
    let mut marks: Vec<String> = kinds.iter().map(|kind| format!("{} {kind}", style.mark(*kind))).collect();
    marks.extend(gaps.then(|| format!("{} not run", style.absent())));
    if !marks.is_empty() {
        push_list(text, "marks      ", &marks, style);
        lines += 1;
    }
    if lines > 0 {
        text.push('\n');
    }
}

fn push_cause(
    text: &mut String,
    cause: &Cause<'_>,
    axes: &Axes<'_>,
    neighbours: &Neighbours<'_>,
    style: &Style,
    folder: &Path,
) {
    let title = format!("{} {}", style.mark(cause.kind), cause.title());
    let _ = writeln!(text, "{}", style.ink(cause.kind, &title));
    push_wrapped(text, "    ", cause.reason, style);
    for line in cause.told(neighbours) {
        push_wrapped(text, "    ", &line, style);
    }
    if cause.cells.len() > 1 || cause.kind == Kind::Skip {
        for line in axes.describe(&cause.cells, style.times()) {
            push_wrapped(text, "    ", &line, style);
        }
    }
    // Nobody looks for the logs of what was not run.
    let listed = match cause.cells.len() {
        _ if cause.kind == Kind::Skip => 0,
        cells if cells <= LISTED => cells,
        _ => LISTED / 2,
    };
    for cell in &cause.cells[..listed] {
        let log = cell.logs.first().map_or(cell.id.to_string(), |log| folder.join(log).display().to_string());
        let _ = writeln!(text, "    {log}");
    }
    if (1..cause.cells.len()).contains(&listed) {
        let _ = writeln!(text, "    and {} more beside them", cause.cells.len() - listed);
    }
    text.push('\n');
}

fn push_versions(text: &mut String, report: &Report, style: &Style) {
    let versions = versions(report);
    if versions.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}\n", style.bold("Versions, as the guests reported them"));
    let width =
        |of: &dyn Fn(&super::versions::Versions<'_>) -> usize| versions.iter().map(of).max().unwrap_or(0);
    let (axes, names) = (width(&|it| it.axis.len()), width(&|it| it.asked.chars().count()));
    for version in &versions {
        let (axis, asked) = (version.axis, version.asked);
        let _ = writeln!(text, "    {axis:axes$}  {asked:names$}  {}", version.observed.join("; "));
    }
    text.push('\n');
}

fn push_notes(text: &mut String, report: &Report, style: &Style) {
    for note in &report.run.notes {
        push_wrapped(text, "note: ", note, style);
    }
    if !report.run.complete {
        push_wrapped(text, "note: ", INCOMPLETE, style);
    }
    if !report.run.notes.is_empty() || !report.run.complete {
        text.push('\n');
    }
}

pub(super) const INCOMPLETE: &str = "The run was interrupted: cells are missing, --resume plays them.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Run, sample};

    fn text(report: &Report, style: Style) -> String {
        render(report, &style, Path::new("runs/2026-11-03T12-00-00Z"))
    }

    #[test]
    fn the_sample_at_80_columns() {
        insta::assert_snapshot!(text(&sample::report(), Style { width: 80, ..Style::FILE }), @r#"
        userland bookworm, engine criu, CPU max

         kernel   CRIU 3.17.1   CRIU 4.1.1   CRIU 4.2.1   CRIU 4.3
                  1234567       1234567      1234567      1234567
        ───────────────────────────────────────────────────────────
         5.10     ✓k✓✓✓✓–       all pass     all pass     ✓✓✓✓✓!✓
         6.1      ✓✓✓✓✓✓–       all pass     all pass     all pass
         6.12     ✓✓✓✓✓✓–       all pass     all pass     all pass
         6.18     ✓✓✓✓✓✓–       ✓✓✗✓✓✓✓      ✓✓✗✓✓✓✓      all pass
         7.2      all fail      all pass     all pass     all pass

        userland trixie, engine criu, CPU max

         kernel   CRIU 3.17.1   CRIU 4.1.1   CRIU 4.2.1   CRIU 4.3
                  1234567       1234567      1234567      1234567
        ───────────────────────────────────────────────────────────
         5.10     ✓✓✓✓✓✓–       all pass     all pass     all pass
         6.1      ✓✓✓✓✓✓–       all pass     ✓✓✓✓~✓✓      all pass
         6.12     ✓✓✓✓✓✓–       ✓✓✓✗✓✓✓      all pass     all pass
         6.18     ✓✓✓✓✓✓–       ✓✓✗✓✓✓✓      ✓✓✗✓✓✓✓      all pass
         7.2      all fail      all pass     all pass     all pass

        scenarios  1 counter  2 leave-running  3 fork-app  4 rollback  5 clone
                   6 migrate  7 pre-dump
        marks      ✓ pass  ✗ fail  ~ flaky  ! broken  k known-bug  – skip

        Failures

        ✗ fail at restore, 14 cells
            criu restore: exit status 1: (00.338) Error (criu/cr-restore.c:1480): 338
            killed by signal 11: Segmentation fault
            every scenario: kernel 7.2 × CRIU 3.17.1 × every userland
            runs/2026-11-03T12-00-00Z/cells/counter@k7.2@bookworm@c3.17.1@criu@max/restore.log
            runs/2026-11-03T12-00-00Z/cells/leave-running@k7.2@bookworm@c3.17.1@criu@max/restore.log
            runs/2026-11-03T12-00-00Z/cells/fork-app@k7.2@bookworm@c3.17.1@criu@max/restore.log
            and 11 more beside them

        ✗ fail at dump, 4 cells
            criu dump: exit status 1: (00.041232) Error (criu/parasite-syscall.c:243):
            BUG at criu/parasite-syscall.c:243
            fork-app: kernel 6.18 × CRIU 4.1.1, 4.2.1 × every userland
            runs/2026-11-03T12-00-00Z/cells/fork-app@k6.18@bookworm@c4.1.1@criu@max/dump.log
            runs/2026-11-03T12-00-00Z/cells/fork-app@k6.18@bookworm@c4.2.1@criu@max/dump.log
            runs/2026-11-03T12-00-00Z/cells/fork-app@k6.18@trixie@c4.1.1@criu@max/dump.log
            runs/2026-11-03T12-00-00Z/cells/fork-app@k6.18@trixie@c4.2.1@criu@max/dump.log

        ✗ fail at verify, 1 cell
            the restored program counted on from 41, and the checkpoint was taken at 17:
            it did not go back
            runs/2026-11-03T12-00-00Z/cells/rollback@k6.12@trixie@c4.1.1@criu@max/story.log

        ~ flaky at restore, 1 cell
            failed in 1 of 3 runs: (00.5) Error (criu/files-reg.c:2220): File out has
            bad size 45 (expect 44)
            runs/2026-11-03T12-00-00Z/cells/clone@k6.1@trixie@c4.2.1@criu@max/restore.log

        ! broken, 1 cell
            the guest's kernel panicked: Kernel panic - not syncing: Attempted to kill
            init! exitcode=0x0000000b
            runs/2026-11-03T12-00-00Z/cells/migrate@k5.10@bookworm@c4.3@criu@max/console.log

        Known bugs

        k known-bug at verify, 1 cell
            tick 18 is missing
            known: https://github.com/checkpoint-restore/criu/issues/1234
            runs/2026-11-03T12-00-00Z/cells/leave-running@k5.10@bookworm@c3.17.1@criu@max/story.log

        Skipped

        – skip, 8 cells
            no mem_dirty_track feature
            pre-dump: kernel 5.10, 6.1, 6.12, 6.18 × CRIU 3.17.1 × every userland

        Versions, as the guests reported them

            kernel    5.10      5.10.0-36-cloud-amd64
            kernel    6.1       6.1.0-41-cloud-amd64
            kernel    6.12      6.12.117+deb13-cloud-amd64
            kernel    6.18      6.18.9+deb14-cloud-amd64
            kernel    7.2       7.2.3+deb14-cloud-amd64
            userland  bookworm  Debian GNU/Linux 12 (bookworm), glibc 2.36
            userland  trixie    Debian GNU/Linux 13 (trixie), glibc 2.41
            CRIU      3.17.1    3.17.1, libc: own 2.36
            CRIU      4.1.1     4.1.1, libc: own 2.41
            CRIU      4.2.1     4.2.1, libc: own 2.42
            CRIU      4.3       4.3, libc: own 2.42

        note: No usable /dev/kvm: guests run under software emulation (QEMU 10.0.2,
              tcg).

        280 cells: 250 pass, 19 fail, 1 flaky, 1 broken, 1 known-bug, 8 skip
        "#);
    }

    #[test]
    fn a_log_cannot_move_the_readers_cursor() {
        let reason = Some("Error: \u{1b}[2J\u{7} gone\nand more".into());
        let cell = Cell { verdict: Kind::Fail, reason, ..sample::any_cell() };
        let text = text(&Report::new(Run::default(), vec![cell]), Style::FILE);
        assert!(text.contains("    Error: [2J gone and more\n"), "{text}");
    }

    fn without_blocks_below(text: &str) -> String {
        text.split("Failures\n").next().unwrap().to_owned()
    }

    #[test]
    fn a_narrow_terminal_gets_the_columns_in_parts_and_ascii_where_it_must() {
        let mut report = sample::report();
        report.cells.truncate(140);
        let style = Style { unicode: false, width: 40, ..Style::FILE };
        let text = text(&report, style);
        assert!(text.is_ascii());
        insta::assert_snapshot!(without_blocks_below(&text), @r#"
        userland bookworm, engine criu, CPU max

         kernel   CRIU 3.17.1   CRIU 4.1.1
                  1234567       1234567
        -----------------------------------
         5.10     .k....-       all pass
         6.1      ......-       all pass
         6.12     ......-       all pass
         6.18     ......-       ..X....
         7.2      all fail      all pass

         kernel   CRIU 4.2.1   CRIU 4.3
                  1234567      1234567
        --------------------------------
         5.10     all pass     .....!.
         6.1      all pass     all pass
         6.12     all pass     all pass
         6.18     ..X....      all pass
         7.2      all pass     all pass

        scenarios  1 counter  2 leave-running
                   3 fork-app  4 rollback
                   5 clone  6 migrate
                   7 pre-dump
        marks      . pass  X fail  ! broken
                   k known-bug  - skip
        "#);
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let colourless = text(&sample::report(), Style::FILE);
        let coloured = text(&sample::report(), Style { colour: true, ..Style::FILE });
        assert!(coloured.contains("\x1b[32mall pass\x1b[0m"));
        let mut stripped = String::new();
        for (number, part) in coloured.split('\x1b').enumerate() {
            stripped.push_str(if number == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_eq!(stripped, colourless);
    }

    #[test]
    fn one_scenario_needs_no_legend() {
        let report = Report::new(
            Run { complete: true, ..Run::default() },
            vec![
                sample::cell("counter", "6.1", "trixie", "4.3"),
                Cell { verdict: Kind::Skip, ..sample::cell("counter", "6.12", "trixie", "4.3") },
            ],
        );
        insta::assert_snapshot!(text(&report, Style::FILE), @r#"
        userland trixie, engine criu, CPU max

         kernel   CRIU 4.3
        ───────────────────
         6.1      pass
         6.12     skip

        Skipped

        – skip, 1 cell
            no reason is recorded
            kernel 6.12

        Versions, as the guests reported them

            kernel    6.1     6.1.0-41-cloud-amd64
            kernel    6.12    6.12.117+deb13-cloud-amd64
            userland  trixie  Debian GNU/Linux 13 (trixie), glibc 2.41
            CRIU      4.3     4.3, libc: own 2.42

        2 cells: 1 pass, 1 skip
        "#);
    }

    #[test]
    fn an_interrupted_run_says_so_and_an_empty_one_is_told() {
        insta::assert_snapshot!(text(&Report::new(Run::default(), Vec::new()), Style::FILE), @r#"
        note: The run was interrupted: cells are missing, --resume plays them.

        0 cells
        "#);
    }
}
