//! `bench`: what the harness costs, measured in one run on one machine.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;

use super::stacks::Installed;
use super::{Unanswered, single};
use crate::engine::{self, WORK_FOLDER};
use crate::exit_code::ExitCode;
use crate::host::{CameUp, Launch, Preparation, Provider as _, WarmStates};
use crate::install::Cache;
use crate::interrupt;
use crate::judge::{Kind, judge};
use crate::model::{HostAsk, Role, Workload};
use crate::plan::{Plan, PlannedCell};
use crate::record::{CellRecord, RunRecord};
use crate::run::{self, CellRun, Images};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How often each figure is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The kernel
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// The userland
    #[arg(long, default_value = "bookworm")]
    userland: String,
    /// The CRIU
    #[arg(long, default_value = "4.1.1")]
    criu: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let ask = HostAsk {
        kernel: arguments.kernel.clone(),
        userland: arguments.userland.clone(),
        criu: arguments.criu.clone(),
        engine: "criu".to_owned(),
        cpu: "max".to_owned(),
    };
    interrupt::catch().context("signals cannot be caught")?;
    let (plan, mut installed) = single::install(&ask, &["counter"], 2, false)?;
    let runs = arguments.runs;
    println!("{ask}; QEMU {}, {}", installed.provider.program.version, installed.provider.accelerator);
    println!("{runs} runs each, one after another, after one that is not counted; median (min to max)\n");

    let cold = Bench { ask: &ask, plan: &plan, installed: &installed };
    let boots = samples(runs, || cold.come_up(CameUp::Booted))?;
    figure("boot to agent ready", "s", &boots, "from starting QEMU to the agent's first answer");
    installed.provider.warm = Some(WarmStates::new(Cache::open()?));
    let bench = Bench { ask: &ask, plan: &plan, installed: &installed };
    let wakes = samples(runs, || bench.come_up(CameUp::Woken))?;
    figure("wake to agent ready", "s", &wakes, "the same, from a saved state");
    let ratio: Vec<_> = std::iter::zip(&wakes, &boots).map(|(wake, boot)| wake / boot).collect();
    figure("wake over boot", "x", &ratio, "the same two, in the order in which they were measured");
    let cells = samples(runs, || bench.cells(1))?;
    let wall: Vec<_> = cells.iter().map(|cell| cell.0).collect();
    let ratio: Vec<_> = cells.iter().map(|cell| cell.0 / cell.1).collect();
    figure("cell, wall time", "s", &wall, "`counter`, from its first event to its last");
    figure(
        "cell over its own steps",
        "x",
        &ratio,
        "the same over the sum of its steps' commands, boot and logs apart",
    );
    let pairs = samples(runs, || Ok((bench.cells(1)?.0, bench.cells(2)?.0)))?;
    let sides: Vec<_> = pairs.iter().map(|(one, two)| two / one).collect();
    figure(
        "two side by side over one",
        "x",
        &sides,
        "wall time of two cells at once over one alone, pair by pair",
    );
    let memory = samples(runs, || bench.memory())?;
    let (harness, guest): (Vec<_>, Vec<_>) = memory.into_iter().unzip();
    figure("peak memory, harness", "MiB", &harness, "its highest resident set so far");
    figure(
        "peak memory, guest",
        "MiB",
        &guest,
        "QEMU's highest resident set, when its guest of 512 MiB has played",
    );
    Ok(ExitCode::AsExpected)
}

/// What is measured.
struct Bench<'a> {
    ask: &'a HostAsk,
    plan: &'a Plan,
    installed: &'a Installed,
}

impl Bench<'_> {
    fn come_up(&self, how: CameUp) -> anyhow::Result<f64> {
        let folder = Cache::open()?.scratch()?;
        let Plan { memory_mib, cpus, .. } = *self.plan;
        let prepare = Preparation { folder: WORK_FOLDER.to_owned(), ..Preparation::default() };
        let folder = folder.path();
        let launch =
            Launch { ask: self.ask, role: Role::Source, memory_mib, cpus, folder, prepare: &prepare };
        let begun = Instant::now();
        let mut host = self.installed.provider.launch(&launch)?;
        if let Err(lost) = host.guest().map(|_| ()) {
            return Err(Unanswered(lost.to_string()).into());
        }
        let seconds = begun.elapsed().as_secs_f64();
        let came_up = host.came_up();
        if came_up != how {
            let notes = self.installed.provider.notes().join("; ");
            return Err(Unanswered(format!("the guest was {came_up}: {notes}")).into());
        }
        Ok(seconds)
    }

    /// The peaks of harness and QEMU, read while the hosts of a played cell still stand.
    fn memory(&self) -> anyhow::Result<(f64, f64)> {
        let folder = Cache::open()?.scratch()?;
        let cell = self.plan.cell.first().context("no cell is planned")?;
        std::fs::create_dir(folder.path().join(cell.id.as_str()))?;
        let record = Mutex::new(RunRecord::default());
        let read = Mutex::new((0.0, 0.0));
        self.play(cell, folder.path(), &record, &|| {
            *read.lock().unwrap_or_else(PoisonError::into_inner) = peaks();
            false
        });
        let record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.must_pass(cell, &record.cells)?;
        Ok(read.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Plays so many cells at once: the wall time of all, and the time that the steps of one took, in seconds.
    fn cells(&self, count: usize) -> anyhow::Result<(f64, f64)> {
        let folder = Cache::open()?.scratch()?;
        let record = Mutex::new(RunRecord::default());
        let cells = self.plan.cell.get(..count).context("too few cells are planned")?;
        for cell in cells {
            std::fs::create_dir(folder.path().join(cell.id.as_str()))?;
        }
        let begun = Instant::now();
        run::play_all(count, count, &|index| {
            self.play(&cells[index], folder.path(), &record, &|| false);
            ControlFlow::Continue(())
        });
        let wall = begun.elapsed().as_secs_f64();
        let record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
        for cell in cells {
            self.must_pass(cell, &record.cells)?;
        }
        let steps = record.cells.values().next().map_or(0.0, own_steps);
        Ok((wall, steps))
    }

    fn play(&self, cell: &PlannedCell, folder: &Path, record: &Mutex<RunRecord>, keep: &dyn Fn() -> bool) {
        let (Some(story), Some(engine)) = (self.plan.story(cell), engine::named(&cell.host.engine, None))
        else {
            return;
        };
        let Some(workload) = Workload::named(&story.workload) else { return };
        CellRun {
            plan: self.plan,
            cell,
            story,
            workload,
            engine: engine.as_ref(),
            provider: &self.installed.provider,
            files: &self.installed.files,
            folder: &folder.join(cell.id.as_str()),
            images: Images::None,
            tell: record,
        }
        .play(keep);
    }

    /// A figure of a cell that did not work would be a figure of nothing.
    fn must_pass(
        &self,
        cell: &PlannedCell,
        cells: &BTreeMap<crate::model::CellId, CellRecord>,
    ) -> anyhow::Result<()> {
        let story = self.plan.story(cell).context("the plan has no such story")?;
        let verdict = judge(story, cells.get(&cell.id).context("the cell was not played")?);
        if verdict.kind != Kind::Pass {
            bail!("{}: {}: {}", cell.id, verdict.kind, verdict.sentence());
        }
        Ok(())
    }
}

/// The time of a story's own commands, in seconds.
fn own_steps(cell: &CellRecord) -> f64 {
    let millis: u64 = cell
        .steps
        .iter()
        .filter(|step| step.index > 0)
        .flat_map(|step| &step.commands)
        .map(|command| command.finished.millis)
        .sum();
    millis as f64 / 1000.0
}

fn samples<T>(runs: u32, mut measure: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
    measure()?;
    (0..runs).map(|_| measure()).collect()
}

fn figure(name: &str, unit: &str, samples: &[f64], how: &str) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return };
    println!("{name:28} {:8.2} {unit:3} ({min:.2} to {max:.2})  {how}", median(&sorted));
}

/// Of sorted samples: the middle one, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The highest resident set of this process, and of the children that it has now, MiB: `VmHWM` of proc(5).
fn peaks() -> (f64, f64) {
    let field = |path: &Path, name: &str| -> Option<f64> {
        let text = std::fs::read_to_string(path.join("status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let me = f64::from(std::process::id());
    let children = std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let path = entry.ok()?.path();
        (field(&path, "PPid:")? == me).then(|| field(&path, "VmHWM:")).flatten()
    });
    let mine = field(Path::new("/proc/self"), "VmHWM:").unwrap_or_default();
    (mine / 1024.0, children.fold(0.0, f64::max) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[rstest::rstest]
    #[case(&[3.0], 3.0)]
    #[case(&[1.0, 2.0], 1.5)]
    #[case(&[1.0, 2.0, 9.0], 2.0)]
    fn medians(#[case] sorted: &[f64], #[case] expected: f64) {
        assert!((median(sorted) - expected).abs() < 1e-9);
    }
}
