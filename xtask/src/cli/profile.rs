//! `--profile` of `matrix` and `report`: where the time went.

use crate::record::{Paths, RunFolder, RunRecord};
use crate::report::{profile, table_of_profile, trace};

/// Prints the table, and writes the trace into the run folder where that is ours.
///
/// # Errors
/// When a cell's record cannot be read, or the trace cannot be written.
pub(super) fn tell(paths: &Paths, held: Option<&RunFolder>, record: &RunRecord) -> anyhow::Result<()> {
    let cells = profile(paths, record)?;
    let table = table_of_profile(&cells);
    if table.is_empty() {
        println!(
            "\nno cell was played here, or by a harness that did not tell times yet: there is no time to tell of"
        );
        return Ok(());
    }
    println!("\n{table}");
    if let Some(held) = held {
        held.put(&held.trace(), trace(&cells)?.as_bytes())?;
        println!("{} opens in https://ui.perfetto.dev and in chrome://tracing", held.trace().display());
    }
    Ok(())
}
