//! The stacks of all figures, each installed when the first figure asks for it.

use std::cell::OnceCell;

use super::stage::Stage;
use crate::install::Config;
use crate::model::HostAsk;

/// Debian's flavour of kernels that has 9p, which is how other tools give their guests a root.
pub(super) const GENERIC: &str = "amd64";

/// All of them.
pub(super) struct Stages {
    host: HostAsk,
    /// The engine of those with containers.
    engine: String,
    offline: bool,
    criu: OnceCell<Stage>,
    docker: OnceCell<Stage>,
    generic: OnceCell<Stage>,
}

impl Stages {
    /// None is installed yet.
    pub(super) fn new(host: HostAsk, engine: String, offline: bool) -> Self {
        Self {
            host,
            engine,
            offline,
            criu: OnceCell::new(),
            docker: OnceCell::new(),
            generic: OnceCell::new(),
        }
    }

    /// CRIU alone, with the story `counter`.
    pub(super) fn criu(&self) -> anyhow::Result<&Stage> {
        once(&self.criu, || Stage::install(self.host.clone(), "counter", self.offline, |_| {}))
    }

    /// Docker, with the story `self`.
    pub(super) fn docker(&self) -> anyhow::Result<&Stage> {
        let host = HostAsk { engine: self.engine.clone(), ..self.host.clone() };
        once(&self.docker, || Stage::install(host, "self", self.offline, |_| {}))
    }

    /// The first again, on the kernel that others can boot too.
    pub(super) fn generic(&self) -> anyhow::Result<&Stage> {
        let generic = |config: &mut Config| config.kernel_flavour = GENERIC.to_owned();
        once(&self.generic, || Stage::install(self.host.clone(), "counter", self.offline, generic))
    }
}

/// What could not be made is tried again by the next that asks.
fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&T> {
    if let Some(there) = cell.get() {
        return Ok(there);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}
