//! What other tools take for `uname -r` in a guest, against ours: on one kernel image, by one QEMU and accelerator.

mod ground;
mod virtme_ng;
mod vmtest;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use self::ground::Ground;
use super::figure::{Figure, Samples};
use super::group::Group;
use super::stage::Stage;
use super::stages::Stages;
use crate::cli::Unanswered;
use crate::engine::WORK_FOLDER;
use crate::guest::Exec;
use crate::host::{CameUp, Preparation};
use crate::install::{InstallError, key};
use crate::interrupt;
use crate::model::Lost;
use crate::process;

/// One command in a guest that nobody else has used.
pub(super) const UNAME: Group = Group {
    figures: &[
        Figure::told(
            "uname",
            "s",
            "`uname -r` in a pristine guest of Debian's generic kernel: woken, asked, dropped",
        ),
        Figure::told("uname-vmtest", "s", "the same by vmtest, same kernel image, QEMU, accelerator and CPU"),
        Figure::told("uname-virtme-ng", "s", "the same by virtme-ng"),
        Figure::told("uname-over-vmtest", "x", "ours over vmtest's, by turns, pair by pair"),
        Figure::told("uname-over-virtme-ng", "x", "ours over virtme-ng's"),
        Figure::ratio("uname-over-faster", 0.02, "ours over the faster one's of each row"),
    ],
    measure: by_turns,
};

/// Makes the command that has a peer print `uname -r` of a guest.
type Peer<'a> = Box<dyn Fn() -> Command + 'a>;

fn by_turns(stages: &Stages, runs: u32) -> anyhow::Result<Vec<Samples>> {
    let stage = stages.generic()?;
    let ground = Ground::lay(stage)?;
    let peers = [vmtest::peer(&ground), virtme_ng::peer(&ground)];
    let mut mine = Vec::new();
    let mut theirs = [Ok(Vec::new()), Ok(Vec::new())];
    // The first row is not counted.
    for row in 0..=runs {
        let sample = ours(stage, &ground.release)?;
        for (peer, samples) in std::iter::zip(&peers, &mut theirs) {
            let Ok(so_far) = samples else { continue };
            if interrupt::happened() {
                bail!("interrupted");
            }
            let asked = match peer {
                Ok(peer) => ask(peer, &ground.release),
                Err(error) => bail_with(error),
            };
            match asked {
                Ok(seconds) if row > 0 => so_far.push(seconds),
                Ok(_) => {}
                Err(error) => *samples = Err(format!("{error:#}")),
            }
        }
        if row > 0 {
            mine.push(sample);
        }
    }
    Ok(figures(mine, theirs))
}

fn bail_with(error: &anyhow::Error) -> anyhow::Result<f64> {
    bail!("{error:#}")
}

/// The samples of all figures, in their order.
fn figures(ours: Vec<f64>, [vmtest, virtme]: [Samples; 2]) -> Vec<Samples> {
    let over = |theirs: &Samples| {
        let theirs = theirs.as_ref().map_err(|_| "the other one was not measured".to_owned())?;
        Ok(std::iter::zip(&ours, theirs).map(|(ours, theirs)| ours / theirs).collect())
    };
    let faster = match (&vmtest, &virtme) {
        (Ok(one), Ok(other)) => Ok(std::iter::zip(one, other).map(|(one, other)| one.min(*other)).collect()),
        _ => Err(String::new()),
    };
    let ratios = [over(&vmtest), over(&virtme), over(&faster)];
    [Ok(ours), vmtest, virtme].into_iter().chain(ratios).collect()
}

/// From nothing to nothing left.
pub(super) fn ours(stage: &Stage, release: &str) -> anyhow::Result<f64> {
    let prepare = Preparation { folder: WORK_FOLDER.to_owned(), ..Preparation::default() };
    let gone = |lost: Lost| Unanswered(lost.to_string());
    let begun = Instant::now();
    let mut up = stage.come_up(CameUp::Woken, &prepare)?;
    let guest = up.host.guest().map_err(gone)?;
    let argv = ["uname", "-r"].map(str::to_owned).to_vec();
    let said = guest.run(&Exec { argv, ..Exec::sh("", "/", Duration::from_secs(60)) }).map_err(gone)?;
    drop(up);
    let seconds = begun.elapsed().as_secs_f64();
    if said.stdout.trim() != release {
        bail!("uname -r: {}: {}{}", said.exit, said.stdout, said.stderr);
    }
    Ok(seconds)
}

fn ask(peer: &Peer<'_>, release: &str) -> anyhow::Result<f64> {
    let mut command = peer();
    let begun = Instant::now();
    let output = command.output().with_context(|| process::line(&command))?;
    let seconds = begun.elapsed().as_secs_f64();
    let both =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    // Nothing else prints this on a line of its own. virtme-ng ends with 255 where it had to answer by the console.
    if both.lines().any(|line| line.trim() == release) {
        return Ok(seconds);
    }
    let lines: Vec<_> = both.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join(" / ");
    bail!("after {seconds:.1} s: {}: {last}", output.status)
}

/// A peer's folder in the cache, filled once by lines of sh that run in it.
fn install(ground: &Ground, kind: &str, version: &str, what: &str, line: &str) -> anyhow::Result<PathBuf> {
    let tell = |note: String| eprintln!("{note}");
    let key = key([version, line]);
    if !ground.cache.is_built(kind, &key) {
        if ground.offline {
            bail!("{what} {version} is not in the cache, and nothing may be fetched");
        }
        tell(format!("{what} {version}, into the cache"));
    }
    let built = ground.cache.built(kind, &key, &tell, |dir| {
        process::output(process::command("sh").args(["-ec", line]).current_dir(dir))?;
        Ok::<(), InstallError>(())
    });
    built.with_context(|| format!("{what} {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_is_found_row_by_row() {
        let all = figures(vec![1.0, 1.0], [Ok(vec![4.0, 2.0]), Ok(vec![2.0, 4.0])]);
        assert_eq!(all[3..], [Ok(vec![0.25, 0.5]), Ok(vec![0.5, 0.25]), Ok(vec![0.5, 0.5])]);
    }

    #[test]
    fn of_one_alone_nobody_knows_whether_it_is_the_faster() {
        let all = figures(vec![1.0], [Err("no 9p".to_owned()), Ok(vec![2.0])]);
        assert_eq!(all[1], Err("no 9p".to_owned()));
        assert_eq!(all[4], Ok(vec![0.5]));
        assert!(all[3].is_err() && all[5].is_err());
    }
}
