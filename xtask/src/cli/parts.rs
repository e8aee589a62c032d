//! The parts of stacks: each is made when a host first needs it, once, or it is known why it cannot be had.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine;
use crate::host::Stack;
use crate::install::{self, Criu, Engine, InstallError, Kernel, Lock, Part, Userland, Workshop, engine_key};
use crate::interrupt;
use crate::model::HostAsk;

/// All parts that were asked for so far.
pub(super) struct Parts<'a> {
    lock: &'a Lock,
    pub(super) workshop: Workshop<'a>,
    agent: PathBuf,
    /// With initrd and the image of the modules.
    kernels: Made<(Kernel, PathBuf, PathBuf)>,
    userlands: Made<Userland>,
    crius: Made<Criu>,
    /// By their keys in the lock. A userland of the user's own may have none: its own programs are meant.
    engines: Made<Option<Engine>>,
}

type Made<T> = BTreeMap<String, Result<T, String>>;

impl<'a> Parts<'a> {
    pub(super) fn new(lock: &'a Lock, workshop: Workshop<'a>, agent: PathBuf) -> Self {
        let (kernels, userlands) = (BTreeMap::new(), BTreeMap::new());
        let (crius, engines) = (BTreeMap::new(), BTreeMap::new());
        Self { lock, workshop, agent, kernels, userlands, crius, engines }
    }

    /// The parts of these hosts as the lock has them, each once, in the order in which they are made.
    pub(super) fn of<'h>(&self, hosts: impl IntoIterator<Item = &'h HostAsk>) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        for host in hosts {
            let all = [
                self.lock.kernels.get(&host.kernel).map(Part::Kernel),
                self.lock.userlands.get(&host.userland).map(Part::Userland),
                self.lock.crius.get(&host.criu).map(Part::Criu),
                self.lock.engines.get(&engine_key(&host.engine, &host.userland)).map(Part::Engine),
            ];
            for part in all.into_iter().flatten() {
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
        parts
    }

    /// A host's files, and why nothing can be asked of it all the same. What comes behind a part that cannot be had
    /// is not made for it.
    pub(super) fn stack(&mut self, host: &HostAsk) -> Result<(Stack, Option<String>), String> {
        let (kernel, initrd, modules) = self.kernel(&host.kernel)?;
        let userland = self.userland(&host.userland)?;
        let criu = self.criu(&host.criu)?;
        let engine = match engine::recipe(&host.engine) {
            Some(_) => self.engine(&engine_key(&host.engine, &host.userland))?,
            None => None,
        };
        let unfit = too_old(&criu, &userland, host);
        let stack = Stack {
            kernel: kernel.image,
            initrd,
            config: kernel.config,
            userland: userland.image,
            criu: criu.image,
            engine: engine.map(|engine| engine.image),
            modules: Some(modules),
        };
        Ok((stack, unfit))
    }

    /// A kernel with initrd and the image of its modules.
    pub(super) fn kernel(&mut self, ask: &str) -> Result<(Kernel, PathBuf, PathBuf), String> {
        let Self { lock, workshop, agent, kernels, .. } = self;
        once(kernels, "kernel", ask, || {
            let kernel = workshop.kernel(lock.kernels.get(ask).ok_or(UNLOCKED)?).map_err(words)?;
            let initrd = workshop.initrd(&kernel, agent).map_err(words)?;
            let modules = workshop.modules(&kernel).map_err(words)?;
            Ok((kernel, initrd, modules))
        })
    }

    pub(super) fn criu(&mut self, ask: &str) -> Result<Criu, String> {
        let Self { lock, workshop, crius, .. } = self;
        once(crius, "CRIU", ask, || workshop.criu(lock.crius.get(ask).ok_or(UNLOCKED)?).map_err(words))
    }

    fn userland(&mut self, ask: &str) -> Result<Userland, String> {
        let Self { lock, workshop, userlands, .. } = self;
        once(userlands, "userland", ask, || {
            workshop.userland(lock.userlands.get(ask).ok_or(UNLOCKED)?).map_err(words)
        })
    }

    fn engine(&mut self, key: &str) -> Result<Option<Engine>, String> {
        let Self { lock, workshop, engines, .. } = self;
        once(engines, "engine", key, || {
            lock.engines.get(key).map(|locked| workshop.engine(locked)).transpose().map_err(words)
        })
    }
}

/// Why a part is not even tried.
const UNLOCKED: &str = "it is not in the lock";

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: InstallError) -> String {
    error.to_string()
}

/// Makes a part unless it was made before, or an interruption came.
fn once<T: Clone>(
    made: &mut Made<T>,
    kind: &str,
    ask: &str,
    make: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let part = made
        .entry(ask.to_owned())
        .or_insert_with(|| if interrupt::happened() { Err("interrupted".to_owned()) } else { make() });
    part.clone().map_err(|reason| format!("{kind} {ask}: {reason}"))
}

/// A CRIU on the userland's libc needs one that is new enough.
fn too_old(criu: &Criu, userland: &Userland, host: &HostAsk) -> Option<String> {
    let (needs, has) = (criu.needs_glibc.as_ref()?, userland.glibc.as_ref()?);
    install::is_newer(needs, has)
        .then(|| format!("CRIU {} needs glibc {needs}, and {} has {has}", host.criu, host.userland))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_made_once_and_one_that_cannot_be_had_is_not_tried_again() {
        let mut made = Made::new();
        assert_eq!(once(&mut made, "kernel", "6.12", || Ok(1)), Ok(1));
        assert_eq!(once(&mut made, "kernel", "6.12", || panic!("twice")), Ok(1));
        let gone = Err("kernel 7.0: it is not in the lock".to_owned());
        assert_eq!(once(&mut made, "kernel", "7.0", || Err(UNLOCKED.to_owned())), gone);
        assert_eq!(once(&mut made, "kernel", "7.0", || panic!("twice")), gone);
    }
}
