//! Where a move between unlike hosts stands in the tables: from → to. The axes that are crossed anywhere in the report name
//! rows and columns; the others are in the table's heading.

use super::matrix::Place;
use super::{Cell, Destination, Report};

/// The axes in the order in which they are told, with the word before a value.
const AXES: [&str; 5] = ["kernel ", "userland ", "CRIU ", "engine ", "CPU "];

/// Which axes have another value on some destination than on its source. The kernel always counts.
pub(super) fn crossed(report: &Report) -> [bool; 5] {
    let mut crossed = [true, false, false, false, false];
    for cell in &report.cells {
        let Some(destination) = &cell.destination else { continue };
        for (axis, (here, there)) in source(cell).into_iter().zip(target(destination)).enumerate() {
            crossed[axis] |= here != there;
        }
    }
    crossed
}

/// Where a cell stands.
pub(super) fn place(cell: &Cell, destination: &Destination, crossed: &[bool; 5]) -> Place {
    let heading = source(cell).into_iter().enumerate().filter(|(axis, _)| !crossed[*axis]);
    Place {
        heading: heading.map(|(axis, value)| format!("{}{value}", AXES[axis])).collect(),
        corner: "from → to",
        row: end(source(cell), crossed),
        column: end(target(destination), crossed),
    }
}

/// `6.1, Westmere`: the kernel needs no word before it, nor does a CPU.
fn end(values: [&str; 5], crossed: &[bool; 5]) -> String {
    let named = values.into_iter().enumerate().filter(|(axis, _)| crossed[*axis]);
    let words = named.map(|(axis, value)| if axis == 2 { format!("CRIU {value}") } else { value.to_owned() });
    words.collect::<Vec<_>>().join(", ")
}

fn source(cell: &Cell) -> [&str; 5] {
    [&cell.kernel.asked, &cell.userland.asked, &cell.criu.asked, &cell.engine.ask, &cell.cpu]
}

fn target(there: &Destination) -> [&str; 5] {
    [&there.kernel.asked, &there.userland.asked, &there.criu.asked, &there.engine.ask, &there.cpu]
}
