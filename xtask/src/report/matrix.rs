//! Lays the cells out: one group per userland, engine and CPU; in it kernels by CRIUs; in each square one verdict
//! per scenario. Moves between unlike hosts are tables of their own: in each, sources by destinations. The terminal and
//! Markdown draw the same.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Cell, Report, Style, moves};
use crate::judge::Kind;

/// With more scenarios than this a square counts instead of marking each: nobody finds the 23rd mark.
const MARKED: usize = 16;

/// All groups of a report.
pub(super) struct Matrix<'a> {
    /// The scenarios in the order of their marks.
    pub(super) scenarios: Vec<&'a str>,
    /// The groups, in the order of their first cell.
    pub(super) groups: Vec<Group>,
}

/// One table.
pub(super) struct Group {
    /// `trixie · criu · CPU max`.
    pub(super) heading: Vec<String>,
    /// What its rows are: `kernel`.
    pub(super) corner: &'static str,
    /// Its rows: kernels, or where moves begin.
    pub(super) rows: Vec<String>,
    /// Its columns: CRIUs, or where moves go to, as their heads say.
    pub(super) columns: Vec<String>,
    squares: HashMap<(usize, usize), Square>,
    /// Which scenarios have a cell anywhere in the group.
    planned: Vec<bool>,
}

/// One kernel with one CRIU: a verdict per scenario.
type Square = Vec<Option<Kind>>;

/// How a square is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// No cell was played or planned.
    Empty,
    /// All scenarios ended alike.
    All(Kind),
    /// One mark a scenario.
    Marks(Vec<Option<Kind>>),
    /// How many of each.
    Counts(Vec<(Kind, usize)>),
}

impl<'a> Matrix<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut scenarios = Order::default();
        for cell in &report.cells {
            scenarios.place(cell.scenario.as_str());
        }
        let providers = distinct(report.cells.iter().map(|cell| cell.provider.as_str()));
        let with_provider = providers.len() > 1;
        let crossed = moves::crossed(report);
        let mut groups = Order::default();
        let mut builders: Vec<Builder> = Vec::new();
        for cell in &report.cells {
            let mut place = match &cell.destination {
                None => stays(cell),
                Some(destination) => moves::place(cell, destination, &crossed),
            };
            if with_provider {
                place.heading.push(format!("provider {}", cell.provider));
            }
            let at = groups.place((place.corner, place.heading.clone()));
            if at == builders.len() {
                builders.push(Builder::new(&place));
            }
            builders[at].add(cell, place, scenarios.place(cell.scenario.as_str()), scenarios.all.len());
        }
        let groups = builders.into_iter().map(Builder::build).collect();
        Self { scenarios: scenarios.all, groups }
    }

    /// Whether squares have a mark for each scenario, and the legend numbers them.
    pub(super) fn is_marked(&self) -> bool {
        (2..=MARKED).contains(&self.scenarios.len())
    }

    /// The digit over a scenario's marks: 1 to 9, then letters.
    pub(super) fn digit(index: usize) -> char {
        char::from_digit(index as u32 + 1, 36).unwrap_or('?')
    }

    /// The digits over a column, where there are marks.
    pub(super) fn digits(&self) -> String {
        if self.is_marked() { (0..self.scenarios.len()).map(Self::digit).collect() } else { String::new() }
    }

    pub(super) fn shown(&self, group: &Group, row: usize, column: usize) -> Shown {
        let Some(square) = group.squares.get(&(row, column)) else { return Shown::Empty };
        let planned =
            || square.iter().zip(&group.planned).filter(|(_, planned)| **planned).map(|(kind, _)| *kind);
        match planned().next().flatten() {
            Some(first) if planned().all(|kind| kind == Some(first)) => Shown::All(first),
            _ if self.is_marked() => Shown::Marks(square.clone()),
            _ => Shown::Counts(
                Kind::ALL
                    .into_iter()
                    .map(|kind| (kind, square.iter().filter(|it| **it == Some(kind)).count()))
                    .filter(|(_, count)| *count > 0)
                    .collect(),
            ),
        }
    }

    /// The marks that occur in the tables: what a legend has to explain.
    pub(super) fn kinds(&self) -> (Vec<Kind>, bool) {
        let mut seen = Vec::new();
        let mut gaps = false;
        for group in &self.groups {
            for row in 0..group.rows.len() {
                for column in 0..group.columns.len() {
                    match self.shown(group, row, column) {
                        Shown::Marks(marks) => {
                            gaps |= marks.contains(&None);
                            seen.extend(marks.into_iter().flatten());
                        }
                        Shown::Counts(counts) => seen.extend(counts.into_iter().map(|(kind, _)| kind)),
                        Shown::Empty | Shown::All(_) => {}
                    }
                }
            }
        }
        (Kind::ALL.into_iter().filter(|kind| seen.contains(kind)).collect(), gaps)
    }
}

impl Shown {
    /// As plain text.
    pub(super) fn text(&self, style: &Style, scenarios: usize) -> String {
        match self {
            Self::Empty => String::new(),
            Self::All(kind) if scenarios == 1 => kind.name().to_owned(),
            Self::All(kind) => format!("all {kind}"),
            Self::Marks(marks) => {
                marks.iter().map(|kind| kind.map_or(style.absent(), |kind| style.mark(kind))).collect()
            }
            Self::Counts(counts) => {
                let counts = counts.iter().map(|(kind, count)| format!("{count}{}", style.mark(*kind)));
                counts.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// Values in the order of their first appearance.
struct Order<T> {
    all: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self { all: Vec::new(), places: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Order<T> {
    fn place(&mut self, value: T) -> usize {
        if let Some(&at) = self.places.get(&value) {
            return at;
        }
        self.places.insert(value.clone(), self.all.len());
        self.all.push(value);
        self.all.len() - 1
    }
}

/// In which table a cell is, and where in it.
pub(super) struct Place {
    pub(super) heading: Vec<String>,
    pub(super) corner: &'static str,
    pub(super) row: String,
    pub(super) column: String,
}

fn stays(cell: &Cell) -> Place {
    Place {
        heading: vec![
            format!("userland {}", cell.userland.asked),
            format!("engine {}", cell.engine.ask),
            format!("CPU {}", cell.cpu),
        ],
        corner: "kernel",
        row: cell.kernel.asked.clone(),
        column: format!("CRIU {}", cell.criu.asked),
    }
}

struct Builder {
    heading: Vec<String>,
    corner: &'static str,
    rows: Order<String>,
    columns: Order<String>,
    squares: HashMap<(usize, usize), Square>,
    planned: Vec<bool>,
}

impl Builder {
    fn new(place: &Place) -> Self {
        Self {
            heading: place.heading.clone(),
            corner: place.corner,
            rows: Order::default(),
            columns: Order::default(),
            squares: HashMap::new(),
            planned: Vec::new(),
        }
    }

    fn add(&mut self, cell: &Cell, place: Place, scenario: usize, scenarios: usize) {
        let at = (self.rows.place(place.row), self.columns.place(place.column));
        let square = self.squares.entry(at).or_default();
        square.resize(scenarios, None);
        square[scenario] = Some(together(square[scenario], cell.verdict));
        self.planned.resize(scenarios, false);
        self.planned[scenario] = true;
    }

    fn build(self) -> Group {
        let Self { heading, corner, rows, columns, squares, planned } = self;
        Group { heading, corner, rows: rows.all, columns: columns.all, squares, planned }
    }
}

/// One mark for all repeats of a cell: by turns is flaky, else what needs a look wins.
fn together(before: Option<Kind>, next: Kind) -> Kind {
    let Some(before) = before.filter(|before| *before != next) else { return next };
    let good = |kind| matches!(kind, Kind::Pass | Kind::Fixed);
    let bad = |kind| matches!(kind, Kind::Fail | Kind::KnownBug);
    if (good(before) && bad(next)) || (bad(before) && good(next)) {
        return Kind::Flaky;
    }
    let order = [Kind::Flaky, Kind::Fail, Kind::Fixed, Kind::Broken, Kind::KnownBug, Kind::Pass, Kind::Skip];
    order.into_iter().find(|kind| *kind == before || *kind == next).unwrap_or(next)
}

/// Each name once, in order.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut order = Order::default();
    for name in names {
        order.place(name);
    }
    order.all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[track_caller]
    fn check(verdicts: &[&[Kind]], expected: &str) {
        let cells = verdicts.iter().enumerate().flat_map(|(scenario, kinds)| {
            kinds.iter().map(move |kind| Cell {
                verdict: *kind,
                ..sample::cell(&format!("s{scenario}"), "6.12", "trixie", "4.1.1")
            })
        });
        let report = Report::new(super::super::Run::default(), cells.collect());
        let matrix = Matrix::of(&report);
        let shown = matrix.shown(&matrix.groups[0], 0, 0).text(&Style::FILE, matrix.scenarios.len());
        assert_eq!(shown, expected);
    }

    #[test]
    fn squares() {
        use Kind::{Broken, Fail, Fixed, Flaky, KnownBug, Pass, Skip};
        check(&[&[Pass]], "pass");
        check(&[&[Pass], &[Pass], &[Pass]], "all pass");
        check(&[&[Skip], &[Skip]], "all skip");
        check(&[&[Pass], &[Fail], &[Skip], &[KnownBug], &[Fixed], &[Flaky], &[Broken]], "✓✗–kf~!");
        check(&[&[Pass, Fail], &[Pass, Pass]], "~✓");
        check(&[&[Pass, Broken], &[KnownBug, Fixed], &[Skip, Pass]], "!~✓");
        let many: Vec<&[Kind]> =
            (0..20).map(|number| if number < 17 { &[Pass][..] } else { &[Fail][..] }).collect();
        check(&many, "17✓ 3✗");
    }

    #[test]
    fn a_scenario_without_a_cell_in_a_square_is_no_pass() {
        let mut cells =
            vec![sample::cell("a", "6.12", "trixie", "4.1.1"), sample::cell("a", "6.1", "trixie", "4.1.1")];
        cells.push(sample::cell("b", "6.12", "trixie", "4.1.1"));
        cells.push(sample::cell("a", "6.1", "bookworm", "4.1.1"));
        let report = Report::new(super::super::Run::default(), cells);
        let matrix = Matrix::of(&report);
        let text =
            |group: usize, kernel| matrix.shown(&matrix.groups[group], kernel, 0).text(&Style::FILE, 2);
        assert_eq!([text(0, 0), text(0, 1), text(1, 0)], ["all pass", "✓·", "all pass"]);
    }
}
