//! `shell`: a guest to look around in.

use std::io::IsTerminal as _;

use anyhow::bail;
use clap::Args;

use super::{Unanswered, single};
use crate::engine::WORK_FOLDER;
use crate::exit_code::ExitCode;
use crate::host::{Launch, Preparation, Provider as _};
use crate::install::Cache;
use crate::model::{HostAsk, Role};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The kernel
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// The userland
    #[arg(long, default_value = "bookworm")]
    userland: String,
    /// The CRIU, in PATH as `criu`
    #[arg(long, default_value = "4.1.1")]
    criu: String,
    /// The CPU model
    #[arg(long, default_value = "max")]
    cpu: String,
    /// Memory, MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Fetch nothing
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if !std::io::stdin().is_terminal() {
        bail!("a shell needs a terminal, and standard input is none");
    }
    let ask = HostAsk {
        kernel: arguments.kernel.clone(),
        userland: arguments.userland.clone(),
        criu: arguments.criu.clone(),
        engine: "criu".to_owned(),
        cpu: arguments.cpu.clone(),
    };
    let (_, installed) = single::install(&ask, &["counter"], 1, arguments.offline)?;
    let folder = Cache::open()?.scratch()?;
    let launch = Launch {
        ask: &ask,
        role: Role::Source,
        memory_mib: arguments.memory,
        cpus: 1,
        folder: folder.path(),
        prepare: &Preparation { folder: WORK_FOLDER.to_owned(), ..Preparation::default() },
    };
    let mut host = installed.provider.launch(&launch)?;
    if let Err(lost) = host.guest().map(|_| ()) {
        return Err(Unanswered(lost.to_string()).into());
    }
    eprintln!("{ask}, {}; its disk is gone when you leave", host.machine());
    host.shell()?;
    Ok(ExitCode::AsExpected)
}
