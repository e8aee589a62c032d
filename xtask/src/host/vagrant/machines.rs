//! What the Vagrantfile reads: the machines, as data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `hosts.json`. `vagrant/README.md` has its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machines {
    /// How libvirt's names of the machines begin.
    pub prefix: String,
    /// libvirt's name of the network that they share.
    pub network: String,
    /// The private key that gets in.
    pub key: PathBuf,
    /// The machines.
    pub machines: Vec<Machine>,
}

impl Machines {
    /// Whether they are the same machines. The rate of the counter on the kernel's command line is measured anew by each
    /// harness.
    pub(super) fn alike(&self, other: &Self) -> bool {
        let without_lines = |it: &Self| {
            let mut it = it.clone();
            it.machines
                .iter_mut()
                .filter_map(|machine| machine.boot.as_mut())
                .for_each(|boot| boot.cmd_line.clear());
            it
        };
        without_lines(self) == without_lines(other)
    }
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What Vagrant calls it, and its host name.
    pub name: String,
    /// Vagrant's name of its box.
    #[serde(rename = "box")]
    pub box_name: String,
    /// Of a box of a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_version: Option<String>,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Processors.
    pub cpus: u32,
    /// Its address in the network.
    pub address: String,
    /// Where its console is written.
    pub console: PathBuf,
    /// libvirt's driver: `qemu` for software emulation, or `kvm`.
    pub driver: String,
    /// The program that runs it.
    pub emulator: PathBuf,
    /// QEMU's name of a CPU model. A box that is taken as it is has libvirt's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// What it boots. A box that is taken as it is boots what is in it.
    #[serde(flatten)]
    pub boot: Option<Boot>,
}

/// A kernel from outside of a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// Its initrd.
    pub initrd: PathBuf,
    /// Its command line.
    pub cmd_line: String,
}
