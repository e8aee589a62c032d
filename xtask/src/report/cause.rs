//! Puts cells with one cause together, so that a hundred failures with one reason are told once, and says in few
//! words which cells they are.

use std::collections::{HashMap, HashSet};

use super::matrix::distinct;
use super::neighbours::Neighbours;
use super::{Cell, Destination, Report};
use crate::diagnose::Diagnosis;
use crate::judge::Kind;
use crate::known_bug::KnownAs;
use crate::model::Stage;

/// Cells that ended alike, at the same stage, for the same reason.
pub(super) struct Cause<'a> {
    pub(super) kind: Kind,
    pub(super) stage: Option<Stage>,
    /// The first cell's words: the others' may differ in numbers that mean nothing.
    pub(super) reason: &'a str,
    /// What the rules make of it: `None` where they were not asked, or where nothing failed.
    pub(super) diagnosis: Option<&'a [Diagnosis]>,
    /// The known bug that it is, or was.
    pub(super) known: Option<&'a KnownAs>,
    /// In the order of the report.
    pub(super) cells: Vec<&'a Cell>,
}

impl Cause<'_> {
    /// What a reader wants to know next: why, what to do, where else it passes, and whether somebody knows of it.
    pub(super) fn told(&self, neighbours: &Neighbours<'_>) -> Vec<String> {
        let mut lines = match self.diagnosis {
            None => Vec::new(),
            Some([]) => vec!["cause unknown: no rule explains it".to_owned()],
            Some([first, ..]) => explained(first),
        };
        if self.diagnosis.is_some() {
            lines.extend(neighbours.say(&self.cells));
        }
        lines.extend(self.known.map(|known| format!("known: {known}")));
        lines
    }

    /// `fail at restore, 28 cells`.
    pub(super) fn title(&self) -> String {
        let stage = self.stage.map_or(String::new(), |stage| format!(" at {stage}"));
        format!("{}{stage}, {}", self.kind, counted(self.cells.len()))
    }
}

/// The cause in a sentence, the line that shows it, and what to do first.
fn explained(diagnosis: &Diagnosis) -> Vec<String> {
    let Diagnosis { headline, class, rule, confidence, .. } = diagnosis;
    let assuming = match diagnosis.assuming.as_slice() {
        [] => String::new(),
        assuming => format!(", if {}", assuming.join(" and ")),
    };
    let cause = format!("cause: {headline} ({class}, rule {rule}, confidence {confidence}{assuming})");
    let evidence = diagnosis.evidence.first();
    let evidence = evidence.map(|line| format!("{}:{}: {}", line.file, line.line, line.text.trim()));
    let advice = diagnosis.advice.first().map(|advice| format!("advice: {advice}"));
    let reference = diagnosis.references.first().map(|reference| format!("see {reference}"));
    [Some(cause), evidence, advice, reference].into_iter().flatten().collect()
}

pub(super) fn counted(cells: usize) -> String {
    if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") }
}

/// The causes of all cells of these kinds: in the order of the kinds, the most frequent first.
pub(super) fn causes<'a>(report: &'a Report, kinds: &[Kind]) -> Vec<Cause<'a>> {
    let mut causes: Vec<Cause<'a>> = Vec::new();
    let mut places = HashMap::new();
    for cell in report.cells.iter().filter(|cell| kinds.contains(&cell.verdict)) {
        let reason = cell.reason.as_deref().unwrap_or("no reason is recorded");
        let known = cell.known_bug.as_ref();
        let diagnosis = cell.diagnosis.as_deref();
        // What a rule explains is one thing, in whatever words it shows.
        let rule = diagnosis.and_then(<[Diagnosis]>::first).map(|diagnosis| diagnosis.rule.as_str());
        let words = if rule.is_some() { String::new() } else { essence(reason) };
        // What became of the program is told with the first cell's reason, and must be true of all.
        let key = (cell.verdict, cell.stage, rule, words, known, &cell.copies);
        let at = *places.entry(key).or_insert_with(|| {
            let cells = Vec::new();
            causes.push(Cause { kind: cell.verdict, stage: cell.stage, reason, diagnosis, known, cells });
            causes.len() - 1
        });
        causes[at].cells.push(cell);
    }
    let rank = |kind| kinds.iter().position(|it| *it == kind);
    causes.sort_by_key(|cause| (rank(cause.kind), std::cmp::Reverse(cause.cells.len())));
    causes
}

/// A reason without what differs from one occurrence of the same failure to the next: the log's clock, line numbers
/// of sources, addresses, process ids, counts. Only numbers that name a thing stay: a signal, a status, an errno, a
/// version, a part of a word.
pub(super) fn essence(reason: &str) -> String {
    let mut essence = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(next) = rest.chars().next() {
        if let Some(digits) = rest.strip_prefix("0x").filter(|_| !ends_in_word(&essence)) {
            essence.push_str("0x#");
            rest = digits.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        } else if let Some(after) = after_id(rest).filter(|_| !ends_in_word(&essence)) {
            essence.push('#');
            rest = after;
        } else if next.is_ascii_digit() {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = &rest[..rest.len() - after.len()];
            essence.push_str(if names_a_thing(&essence, after) { digits } else { "#" });
            rest = after;
        } else {
            essence.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    essence
}

/// What follows an id in hexadecimal, as engines give them to containers and networks.
fn after_id(text: &str) -> Option<&str> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    let id = &text[..text.len() - after.len()];
    let is_id = id.len() >= 10 && id.contains(|c: char| c.is_ascii_digit());
    (is_id && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(after)
}

/// Whether a number between these two texts is more than a count or an id.
fn names_a_thing(before: &str, after: &str) -> bool {
    // `(00.123456)` at the beginning of a line of CRIU's log.
    let clock = before.ends_with("(#.") || (before.ends_with('(') && after.starts_with('.'));
    let version = before.ends_with('.')
        || after.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    let word = before.trim_end_matches([' ', '=', ':']);
    ends_in_word(before)
        || before.ends_with('-')
        || (version && !clock)
        || (["signal", "status", "errno", "code"].iter().any(|name| word.ends_with(name)))
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// An axis: its name, and a cell's value on it.
pub(super) type Axis = (&'static str, fn(&Cell) -> &str);

/// The axes by which cells are told apart, in the order in which they are said.
pub(super) const AXES: [Axis; 12] = [
    ("scenario", |cell| &cell.scenario),
    ("kernel", |cell| &cell.kernel.asked),
    ("CRIU", |cell| &cell.criu.asked),
    ("userland", |cell| &cell.userland.asked),
    ("engine", |cell| &cell.engine.ask),
    ("CPU", |cell| &cell.cpu),
    ("provider", |cell| &cell.provider),
    ("destination's kernel", |cell| there(cell, |it| &it.kernel.asked, &cell.kernel.asked)),
    ("destination's CRIU", |cell| there(cell, |it| &it.criu.asked, &cell.criu.asked)),
    ("destination's userland", |cell| there(cell, |it| &it.userland.asked, &cell.userland.asked)),
    ("destination's engine", |cell| there(cell, |it| &it.engine.ask, &cell.engine.ask)),
    ("destination's CPU", |cell| there(cell, |it| &it.cpu, &cell.cpu)),
];

/// A destination's value where it is another than its source's: else an axis that is not crossed would change with the
/// source's.
fn there<'a>(cell: &'a Cell, value: fn(&Destination) -> &String, here: &str) -> &'a str {
    cell.destination
        .as_ref()
        .map(value)
        .filter(|there| *there != here)
        .map_or("like its source", String::as_str)
}

/// On each axis, the values that occur in a whole report.
pub(super) struct Axes<'a>([Vec<&'a str>; AXES.len()]);

/// The same, kept by itself: the values of several reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values([Vec<String>; AXES.len()]);

impl Values {
    pub(super) fn of(reports: [&Report; 2]) -> Self {
        let cells = || reports.into_iter().flat_map(|report| &report.cells);
        Self(AXES.map(|(_, value)| distinct(cells().map(value)).into_iter().map(str::to_owned).collect()))
    }

    pub(super) fn axes(&self) -> Axes<'_> {
        Axes(self.0.each_ref().map(|values| values.iter().map(String::as_str).collect()))
    }
}

/// One value list an axis: the cells are all combinations of them.
type Product<'a> = [Vec<&'a str>; AXES.len()];

impl<'a> Axes<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Self(AXES.map(|(_, value)| distinct(report.cells.iter().map(value))))
    }

    /// Says which cells these are, each line a product of axes: `counter, clone: kernel 6.1, 6.12 × CRIU 4.3`.
    /// No cell is left out and none is added. An axis with one value in the whole report is not said.
    pub(super) fn describe(&self, cells: &[&'a Cell], times: &str) -> Vec<String> {
        products(cells).iter().map(|product| self.say(product, times)).collect()
    }

    fn say(&self, product: &Product<'a>, times: &str) -> String {
        let mut said = AXES.iter().zip(product).zip(&self.0).filter(|(_, all)| all.len() > 1).map(
            |(((axis, _), values), all)| match values.len() {
                count if count == all.len() => format!("every {axis}"),
                _ if *axis == "scenario" => values.join(", "),
                _ => format!("{axis} {}", values.join(", ")),
            },
        );
        let Some(first) = said.next() else { return product[0].join(", ") };
        let rest: Vec<String> = said.collect();
        let glue = if self.0[0].len() > 1 { ": " } else { times };
        if rest.is_empty() { first } else { [first, rest.join(times)].join(glue) }
    }
}

/// Covers the cells with few products: merges, axis by axis, those that differ on that axis alone.
fn products<'a>(cells: &[&'a Cell]) -> Vec<Product<'a>> {
    let mut seen = HashSet::new();
    let points = cells.iter().map(|cell| AXES.map(|(_, value)| vec![value(cell)]));
    let mut products: Vec<Product<'a>> = points.filter(|point| seen.insert(point.clone())).collect();
    // Where a failure depends on kernel and CRIU, these are said apart; the rest folds first.
    for axis in [0, 3, 4, 5, 6, 9, 10, 1, 2, 8, 11, 7] {
        let mut places: HashMap<Product<'a>, usize> = HashMap::new();
        let mut merged: Vec<Product<'a>> = Vec::new();
        for mut product in products {
            let values = std::mem::take(&mut product[axis]);
            match places.get(&product) {
                Some(at) => merged[*at][axis].extend(values),
                None => {
                    places.insert(product.clone(), merged.len());
                    product[axis] = values;
                    merged.push(product);
                }
            }
        }
        products = merged;
    }
    products
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::{Run, sample};

    #[track_caller]
    fn check_alike(one: &str, other: &str, expected: bool) {
        assert_eq!(essence(one) == essence(other), expected, "{} / {}", essence(one), essence(other));
    }

    #[test]
    fn one_cause_in_different_words() {
        let killed = "(00.123456) Error (criu/cr-restore.c:1480): 321 killed by signal 11";
        check_alike(killed, "(01.9) Error (criu/cr-restore.c:2262): 4711 killed by signal 11", true);
        check_alike(killed, "(00.123456) Error (criu/cr-restore.c:1480): 321 killed by signal 9", false);
        check_alike("Can't map 0x7f00", "Can't map 0xbeef12", true);
        check_alike("bind netns/fde7bb0d9fd8: no", "bind netns/ab291af1eefe: no", true);
        check_alike("errno 22", "errno = 38", false);
        check_alike("ioctl: -22", "ioctl: -38", false);
        check_alike("went from 17 to 41", "went from 9 to 121", true);
        check_alike("wants Linux 5.17", "wants Linux 6.0", false);
        check_alike("no ext4", "no ext3", false);
        check_alike("mnt_id", "time ns", false);
    }

    #[test]
    fn products_are_said_in_few_words() {
        let mut cells = Vec::new();
        for kernel in ["5.10", "6.1", "6.12"] {
            for userland in ["bookworm", "trixie"] {
                for criu in ["3.17.1", "4.3"] {
                    cells.extend(
                        ["counter", "clone", "migrate"]
                            .map(|name| sample::cell(name, kernel, userland, criu)),
                    );
                }
            }
        }
        let report = Report::new(Run::default(), cells);
        let axes = Axes::of(&report);
        let say = |keep: &dyn Fn(&Cell) -> bool| {
            axes.describe(&report.cells.iter().filter(|cell| keep(cell)).collect::<Vec<_>>(), " × ")
                .join("\n")
        };
        insta::assert_snapshot!(say(&|_| true), @"every scenario: every kernel × every CRIU × every userland");
        insta::assert_snapshot!(say(&|cell| cell.criu.asked == "3.17.1" && cell.kernel.asked != "5.10"), @"every scenario: kernel 6.1, 6.12 × CRIU 3.17.1 × every userland");
        insta::assert_snapshot!(say(&|cell| cell.scenario == "clone" && cell.userland.asked == "trixie"), @"clone: every kernel × every CRIU × userland trixie");
        insta::assert_snapshot!(say(&|cell| (cell.kernel.asked == "5.10") != (cell.scenario == "clone")), @r#"
        counter, migrate: kernel 5.10 × every CRIU × every userland
        clone: kernel 6.1, 6.12 × every CRIU × every userland
        "#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn products_cover_exactly_the_cells(picked in prop::collection::btree_set((0..3u8, 0..3u8, 0..3u8, 0..2u8), 0..40)) {
            let cells: Vec<Cell> = picked
                .iter()
                .map(|(a, b, c, d)| sample::cell(&a.to_string(), &b.to_string(), &c.to_string(), &d.to_string()))
                .collect();
            let cells: Vec<&Cell> = cells.iter().collect();
            let products = products(&cells);
            let sizes: usize = products.iter().map(|product| product.iter().map(Vec::len).product::<usize>()).sum();
            prop_assert_eq!(sizes, cells.len());
            for cell in cells {
                let covers = |product: &&Product<'_>| AXES.iter().zip(*product).all(|((_, value), values)| values.contains(&value(cell)));
                prop_assert_eq!(products.iter().filter(covers).count(), 1);
            }
        }
    }
}
