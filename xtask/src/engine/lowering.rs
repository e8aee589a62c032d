//! The seam between a story and whoever drives CRIU in it.

use crate::model::{Action, Command, Recipe, Role, Step, Workload};

/// The folder of the guest in which every command runs.
pub const WORK_FOLDER: &str = "/root/cell";

/// Lowers steps to commands.
pub trait Engine: Sync + Send {
    /// Its name on the axis.
    fn name(&self) -> &str;

    /// What it is made of, where its packages are not the userland's or CRIU's own.
    fn recipe(&self) -> Option<Recipe> {
        None
    }

    /// What is asked of every guest before the first step.
    fn probes(&self, features: &[String]) -> Vec<Probe>;

    /// The commands of one step, in order.
    ///
    /// # Errors
    /// When the engine has not the notion: the cell is skipped with its words.
    fn lower(&self, step: &Step, workload: &Workload) -> Result<Vec<Action>, Refusal>;

    /// The commands that show the workload as it is now.
    fn look(&self, workload: &Workload) -> Look {
        Look::at_files(workload)
    }
}

/// The commands of one look at a workload. Each output is read whole and by a command of its own, so that a half
/// line of one never meets the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Each output by name.
    pub outputs: Vec<(String, Command)>,
    /// Prints every process's `stat`.
    pub stat: Command,
    /// Prints the root's process id.
    pub pid: Command,
}

impl Look {
    /// For a workload whose outputs are plain files of the guest.
    fn at_files(workload: &Workload) -> Self {
        let output = |file: &str| (file.to_owned(), Command::new(format!("cat {file}")));
        Self {
            outputs: workload.outputs().into_iter().map(output).collect(),
            // A process may end between the shell's listing and cat's reading.
            stat: Command::new("cat /proc/[0-9]*/stat 2>/dev/null || true"),
            pid: Command::new("cat workload.pid"),
        }
    }
}

/// A question to a guest, and what its answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Without it no story can be played: its failure fails the cell at `check`.
    Needed(Command),
    /// Kept as evidence, whatever it says.
    Evidence(Command),
    /// A feature that the story needs: the cell is skipped without it, but only when CRIU works at all, which
    /// the first command tells.
    Feature {
        /// Succeeds where CRIU can be asked.
        works: Command,
        /// Succeeds where the feature is there.
        has: Command,
        /// Its name.
        name: String,
    },
}

/// Why an engine cannot play a step, in words for a skipped cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{engine} {words}")]
pub struct Refusal {
    /// The engine.
    pub engine: String,
    /// `has no pre-dump`, …
    pub words: String,
}

/// Runs a command in a guest.
pub(super) fn run(on: Role, command: Command) -> Action {
    Action::Run(on, command)
}

/// Waits until every stream has told `more` ticks from now on, for at most `seconds`.
pub(super) fn more_ticks(workload: &Workload, more: u32, seconds: u64) -> Command {
    let streams: Vec<_> =
        workload.streams.iter().map(|stream| format!("{} {}", stream.who, stream.file)).collect();
    Command::new(format!("sh ./more-ticks.sh {more} {seconds} {}", streams.join(" "))).within(seconds + 30)
}
