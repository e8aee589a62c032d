//! The figures of cells: one against its own commands, two against one another, and a whole matrix that is played twice.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;

use super::figure::{Bar, Figure};
use super::group::{Group, columns};
use super::stage::Stage;
use super::stages::Stages;
use crate::host::CameUp;
use crate::install::Cache;
use crate::process;

/// Engine `criu`.
pub(super) const CELL: Group = Group {
    figures: &[
        Figure::told(
            "cell",
            "s",
            "wall time of `counter` as a run plays it, from a pristine guest to its last event",
        ),
        Figure::told(
            "by-hand",
            "s",
            "the same story's commands, one after another, in a guest that is woken already",
        ),
        Figure::ratio("cell-over-by-hand", 1.3, "the same two, by turns, pair by pair"),
    ],
    measure: |stages, runs| columns(runs, || cell_and_by_hand(stages.criu()?)),
};

/// Engine `docker`.
pub(super) const DOCKER_CELL: Group = Group {
    figures: &[
        Figure::told("docker-cell", "s", "the same of `self` in a container of docker"),
        Figure::told("docker-by-hand", "s", "its commands, by hand"),
        Figure::ratio("docker-cell-over-by-hand", 1.3, "the same two, by turns, pair by pair"),
    ],
    measure: |stages, runs| columns(runs, || cell_and_by_hand(stages.docker()?)),
};

fn cell_and_by_hand(stage: &Stage) -> anyhow::Result<[f64; 3]> {
    let cell = stage.cells(1, 1, &|| {})?;
    let mut up = stage.come_up(CameUp::Woken, &stage.preparation()?)?;
    let by_hand = stage.by_hand(up.host.as_mut())?;
    Ok([cell, by_hand, cell / by_hand])
}

/// Two cells.
pub(super) const TWO_CELLS: Group = Group {
    figures: &[
        Figure::told("two-in-turn", "s", "wall time of two cells, one after the other"),
        Figure::told("two-side-by-side", "s", "the same two at once"),
        Figure::ratio("two-side-by-side-over-in-turn", 0.6, "the same two, by turns, pair by pair"),
    ],
    measure: |stages, runs| {
        let stage = stages.criu()?;
        columns(runs, || {
            let in_turn = stage.cells(2, 1, &|| {})?;
            let at_once = stage.cells(2, 2, &|| {})?;
            Ok([in_turn, at_once, at_once / in_turn])
        })
    },
};

/// The smoke matrix.
pub(super) const SMOKE_AGAIN: Group = Group {
    figures: &[Figure {
        bar: Some(Bar::Under(0.5)),
        ..Figure::told(
            "smoke-again",
            "s",
            "this executable's `matrix smoke`, played before with nothing changed since",
        )
    }],
    measure: smoke_again,
};

/// A run that takes so long has played its cells: more of them would tell nothing more, and take minutes.
const PLAYED_ALL: f64 = 10.0;

fn smoke_again(_: &Stages, runs: u32) -> anyhow::Result<Vec<Result<Vec<f64>, String>>> {
    let scratch = Cache::open()?.scratch()?;
    let smoke = |number: u32| smoke(&scratch.path().join(format!("run-{number}")));
    smoke(0)?;
    let mut samples = Vec::new();
    for number in 1..=runs {
        samples.push(smoke(number)?);
        if samples.last().is_some_and(|&last| last > PLAYED_ALL) {
            break;
        }
    }
    Ok(vec![Ok(samples)])
}

fn smoke(out: &Path) -> anyhow::Result<f64> {
    let me = std::env::current_exe().context("this executable cannot be found")?;
    let mut command = process::command(me);
    command.args(["matrix", "smoke", "--out"]).arg(out).stdout(Stdio::null());
    let begun = Instant::now();
    process::output(&mut command)?;
    Ok(begun.elapsed().as_secs_f64())
}
