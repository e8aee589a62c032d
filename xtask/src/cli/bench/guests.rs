//! The figures of single guests: how long one takes to be there, and how much of this machine it takes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};

use super::figure::Figure;
use super::group::{Group, columns};
use super::memory;
use crate::engine::{Engine, WORK_FOLDER};
use crate::host::{CameUp, Preparation};
use crate::install::ENGINE_INTO_PLACE;
use crate::model::Command;

/// A stack without a daemon.
pub(super) const WAKE: Group = Group {
    figures: &[
        Figure::told("boot", "s", "from starting QEMU to the agent's first answer"),
        Figure::told("wake", "s", "the same, from a saved state"),
        Figure::ratio("wake-over-boot", 0.05, "the same two, by turns, pair by pair"),
    ],
    measure: |stages, runs| {
        let stage = stages.criu()?;
        let prepare = Preparation { folder: WORK_FOLDER.to_owned(), ..Preparation::default() };
        columns(runs, || {
            let boot = stage.come_up(CameUp::Booted, &prepare)?.seconds;
            let wake = stage.come_up(CameUp::Woken, &prepare)?.seconds;
            Ok([boot, wake, wake / boot])
        })
    },
};

/// A stack that is ready when its daemon is.
pub(super) const DOCKER_WAKE: Group = Group {
    figures: &[
        Figure::told("docker-boot", "s", "from starting QEMU to the answer of `docker info`"),
        Figure::told("docker-wake", "s", "the same, from a saved state in which dockerd runs"),
        Figure::ratio("docker-wake-over-boot", 0.02, "the same two, by turns, pair by pair"),
    ],
    measure: |stages, runs| {
        let stage = stages.docker()?;
        let prepare = daemon_alone(stage.engine()?.as_ref());
        columns(runs, || {
            let boot = stage.come_up(CameUp::Booted, &prepare)?.seconds;
            let wake = stage.come_up(CameUp::Woken, &prepare)?.seconds;
            Ok([boot, wake, wake / boot])
        })
    },
};

/// Without what cells want beside it, such as an image: that would make the boot longer, and the ratio better.
fn daemon_alone(engine: &dyn Engine) -> Preparation {
    let mut commands = vec![Command::new(ENGINE_INTO_PLACE)];
    commands.extend(engine.daemon());
    Preparation { commands, folder: WORK_FOLDER.to_owned(), ..Preparation::default() }
}

/// Two guests of one stack.
pub(super) const MEMORY: Group = Group {
    figures: &[
        Figure::told(
            "first-guest-memory",
            "MiB",
            "Pss (smaps_rollup) of QEMU, its guest of 512 MiB alone, story played",
        ),
        Figure::told("second-guest-memory", "MiB", "what the Pss of both, both standing, is more than that"),
        Figure::ratio("second-guest-memory-over-first", 0.5, "the same two, pair by pair"),
    ],
    measure: |stages, runs| {
        let stage = stages.criu()?;
        let prepare = stage.preparation()?;
        columns(runs, || {
            let before = memory::children();
            let standing = || memory::children().difference(&before).cloned().collect::<Vec<_>>();
            let played = || {
                let mut up = stage.come_up(CameUp::Woken, &prepare)?;
                stage.by_hand(up.host.as_mut())?;
                anyhow::Ok(up)
            };
            let _first = played()?;
            let first = together(&standing(), 1)?;
            let _second = played()?;
            let second = together(&standing(), 2)? - first;
            Ok([first, second, second / first])
        })
    },
};

/// The memory of processes of which there must be so many.
fn together(processes: &[PathBuf], expected: usize) -> anyhow::Result<f64> {
    if processes.len() != expected {
        bail!("{expected} QEMU were started, and {} are there", processes.len());
    }
    processes
        .iter()
        .map(|it| memory::pss(it))
        .sum::<Option<f64>>()
        .context("smaps_rollup of QEMU cannot be read")
}

/// The highest that it gets.
pub(super) const PEAKS: Group = Group {
    figures: &[
        Figure::told("harness-peak-memory", "MiB", "the harness's highest resident set so far"),
        Figure::told(
            "guest-peak-memory",
            "MiB",
            "QEMU's highest resident set, when its guest of 512 MiB has played",
        ),
    ],
    measure: |stages, runs| {
        let stage = stages.criu()?;
        columns(runs, || {
            let before = memory::children();
            let read = Mutex::new(None);
            stage.cells(1, 1, &|| {
                let guests = memory::children();
                let highest =
                    guests.difference(&before).filter_map(|it| memory::peak(it)).fold(0.0, f64::max);
                *read.lock().unwrap_or_else(PoisonError::into_inner) = Some(highest);
            })?;
            let guest =
                read.into_inner().unwrap_or_else(PoisonError::into_inner).context("no guest was seen")?;
            let harness = memory::peak("/proc/self".as_ref()).context("/proc/self/status cannot be read")?;
            Ok([harness, guest])
        })
    },
};
