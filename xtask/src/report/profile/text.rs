//! A profile as a table: what took how long, in all and in the slowest cells.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{CellProfile, Part};

/// So many cells are shown by themselves.
const SLOWEST: usize = 20;

/// The table, in seconds; empty where the run has played nothing itself.
pub fn table(cells: &[CellProfile]) -> String {
    let whole: u64 = cells.iter().map(CellProfile::whole).sum();
    if whole == 0 {
        return String::new();
    }
    let in_all = |part| cells.iter().map(|cell| cell.on(part)).sum::<u64>();
    let parts: Vec<Part> = Part::ALL.into_iter().filter(|part| in_all(*part) > 0).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["seconds", "all"].into_iter().chain(parts.iter().map(|part| part.name())));
    let mut add = |name: String, of: &dyn Fn(Option<Part>) -> String| {
        table.add_row([name, of(None)].into_iter().chain(parts.iter().map(|part| of(Some(*part)))));
    };
    add(format!("{} cells", cells.len()), &|part| seconds(part.map_or(whole, in_all)));
    add("share".to_owned(), &|part| format!("{} %", (part.map_or(whole, in_all) * 100 + whole / 2) / whole));
    let mut slowest: Vec<&CellProfile> = cells.iter().collect();
    slowest.sort_by_key(|cell| std::cmp::Reverse(cell.whole()));
    for cell in slowest.into_iter().take(SLOWEST) {
        add(cell.cell.to_string(), &|part| seconds(part.map_or(cell.whole(), |part| cell.on(part))));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let more = cells.len().saturating_sub(SLOWEST);
    let more = if more == 0 { String::new() } else { format!("and {more} faster ones\n") };
    format!("Where the time went\n\n{}\n{more}", table.trim_fmt())
}

fn seconds(millis: u64) -> String {
    format!("{}.{:02}", millis / 1000, millis % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::super::spans::tests::cell;
    use super::*;

    #[test]
    fn parts_and_the_slowest_cells() {
        let cells = [cell("counter", 0), cell("clone", 300)];
        insta::assert_snapshot!(table(&cells), @r"
        Where the time went

         seconds                                 all  wake  dump  wait  fetch  harness
         2 cells                                2.20  0.30  1.00  0.40   0.20     0.30
         share                                 100 %  14 %  45 %  18 %    9 %     14 %
         counter@k6.12@trixie@c4.1.1@criu@max   1.10  0.15  0.50  0.20   0.10     0.15
         clone@k6.12@trixie@c4.1.1@criu@max     1.10  0.15  0.50  0.20   0.10     0.15
        ");
        assert_eq!(table(&[]), "");
    }
}
