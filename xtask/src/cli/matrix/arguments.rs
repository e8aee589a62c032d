//! What may be written behind `cargo xtask matrix`.

use std::path::PathBuf;

use clap::Args;

use crate::engine::Sabotage;
use crate::plan::{Axes, To};
use crate::record::PassingLogs;
use crate::run::Images;

#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct Arguments {
    /// A profile of scenarios/matrix, or the path of one
    #[arg(default_value = "smoke")]
    pub(super) profile: String,
    /// Kernels: a series (6.12), an exact package (6.12.117+deb13), or a kernel table of the profile
    #[arg(long)]
    pub(super) kernel: Vec<String>,
    /// Userlands: a suite (trixie), or the path of a rootfs tar
    #[arg(long)]
    pub(super) userland: Vec<String>,
    /// CRIUs: an upstream version (4.1.1, 4.1.1@userland), or a CRIU table of the profile
    #[arg(long)]
    pub(super) criu: Vec<String>,
    /// Engines
    #[arg(long)]
    pub(super) engine: Vec<String>,
    /// CPU models, by QEMU's names
    #[arg(long)]
    pub(super) cpu: Vec<String>,
    /// Scenarios, by name or glob
    #[arg(long)]
    pub(super) scenario: Vec<String>,
    /// Kernels that stories with a second host move to; on an axis that is not named the two are alike
    #[arg(long, value_name = "KERNEL")]
    pub(super) to_kernel: Vec<String>,
    /// Userlands that they move to
    #[arg(long, value_name = "USERLAND")]
    pub(super) to_userland: Vec<String>,
    /// CRIUs that they move to
    #[arg(long, value_name = "CRIU")]
    pub(super) to_criu: Vec<String>,
    /// Engines that they move to: other versions of the same one
    #[arg(long, value_name = "ENGINE")]
    pub(super) to_engine: Vec<String>,
    /// CPU models that they move to
    #[arg(long, value_name = "CPU")]
    pub(super) to_cpu: Vec<String>,
    /// What containers are made of: a rootfs tar, or what `docker save` or `podman save` wrote; the userland's busybox
    /// when left out
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Who makes the hosts
    #[arg(long, default_value = "qemu", value_parser = ["qemu", "vagrant", "local", "ssh"])]
    pub(super) provider: String,
    /// With --provider ssh: the machine, as ssh knows it; a second one is where stories move to
    #[arg(long, value_name = "USER@MACHINE")]
    pub(super) host: Vec<String>,
    /// With --provider vagrant: the machines stay when the run ends, and how to reach them is printed
    #[arg(long)]
    pub(super) keep: bool,
    /// With --provider vagrant: take the machines of an earlier run that stayed, by the folder that --keep printed
    #[arg(long, value_name = "DIR")]
    pub(super) reuse: Option<PathBuf>,
    /// No more cells at a time than that, nor than memory has room for; by cores and memory when left out
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// The run folder; a new one below runs/ when left out
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Take up an interrupted run: the one in DIR, or the newest
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with_all = ["out", "locked", "repeat", "kernel", "userland", "criu", "engine", "cpu", "scenario", "image", "sabotage", "passing_logs", "to_kernel", "to_userland", "to_criu", "to_engine", "to_cpu"])]
    #[expect(clippy::option_option, reason = "absent, without a folder, and with one are three things")]
    pub(super) resume: Option<Option<PathBuf>>,
    /// Hold the run against an earlier one: a run folder, or its report.json. The exit status is then 1 only for a
    /// regression or a known bug that is gone, and 0 else
    #[arg(long, value_name = "REPORT")]
    pub(super) baseline: Option<PathBuf>,
    /// Use exactly the packages of a lock file: the one in FILE, or the newest run's
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, without a file, and with one are three things")]
    pub(super) locked: Option<Option<PathBuf>>,
    /// Fetch nothing: what is not in the cache is an error
    #[arg(long)]
    pub(super) offline: bool,
    /// Play each cell so many times; one that passes and fails by turns is flaky
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) repeat: u32,
    /// Play every cell, where else one whose inputs are what they were is taken from an earlier run; --repeat always does
    #[arg(long)]
    pub(super) fresh: bool,
    /// What becomes of the logs of cells that pass: files, one compressed tar each, or none; keep when left out
    #[arg(long, value_name = "HOW", value_parser = clap::builder::PossibleValuesParser::new(PassingLogs::ALL.map(PassingLogs::name)))]
    pub(super) passing_logs: Option<String>,
    /// Begin no further cell after the first that is not as expected
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Open a shell in the guest of a cell that is not as expected, before it goes
    #[arg(long)]
    pub(super) keep_guests_on_failure: bool,
    /// Boot every guest, where else it is woken from the saved state of one that has booted
    #[arg(long)]
    pub(super) cold: bool,
    /// Tell where the time went: a table, and trace.json in the run folder for Perfetto or chrome://tracing
    #[arg(long = "profile")]
    pub(super) profile_time: bool,
    /// Print the plan, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Which of CRIU's images are brought home: `repro` asks for them
    #[arg(skip)]
    pub(in crate::cli) images: Images,
    /// Put a fault into every cell that the checkers must catch, to see that they do
    #[arg(long, value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(Sabotage::ALL.map(Sabotage::name)))]
    pub(super) sabotage: Option<String>,
}

impl Arguments {
    /// The smoke profile, as CI plays it.
    pub(in crate::cli) fn smoke() -> Self {
        Self { profile: "smoke".to_owned(), provider: "qemu".to_owned(), repeat: 1, ..Self::default() }
    }

    pub(super) fn axes(&self) -> Axes {
        Axes {
            kernel: self.kernel.clone(),
            userland: self.userland.clone(),
            criu: self.criu.clone(),
            engine: self.engine.clone(),
            cpu: self.cpu.clone(),
            scenario: self.scenario.clone(),
            to: To {
                kernel: self.to_kernel.clone(),
                userland: self.to_userland.clone(),
                criu: self.to_criu.clone(),
                engine: self.to_engine.clone(),
                cpu: self.to_cpu.clone(),
            },
        }
    }
}
