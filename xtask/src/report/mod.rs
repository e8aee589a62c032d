//! What people and other tools read of a run: one exporter a file. Knows cells and verdicts, not hosts.

mod bar;
mod cause;
mod diagnosed;
mod diff;
mod estimate;
mod explained;
mod format;
mod gather;
mod input;
mod json;
mod junit;
mod layout;
mod markdown;
mod matrix;
mod measured;
mod moves;
mod neighbours;
mod outcomes;
mod profile;
mod progress;
mod style;
mod table;
mod taken;
mod versions;

#[cfg(test)]
pub(crate) mod sample;

pub use diagnosed::Insight;
pub use diff::{Change, Changed, Diff, VersionChange, baseline};
pub use estimate::Expected;
pub use explained::explained;
pub use format::{Format, FormatError};
pub use gather::{Outcome, gather, outcome_of};
pub use input::{Cell, Criu, Destination, Engine, Kernel, Report, Run, Userland};
pub use neighbours::beside;
pub use outcomes::{JudgedBy, OutcomesFile, read_outcomes, render_outcomes};
pub use profile::{CellProfile, Part, Span, profile, table as table_of_profile, trace};
pub use progress::Progress;
pub use style::{Style, terminal_width};
