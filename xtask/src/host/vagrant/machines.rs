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

#[cfg(test)]
mod tests {
    use super::*;

    const VAGRANTFILE: &str = include_str!("../../../../vagrant/Vagrantfile");
    const README: &str = include_str!("../../../../vagrant/README.md");

    fn machines(line: &str) -> Machines {
        let boot = Boot { kernel: "/k".into(), initrd: "/i".into(), cmd_line: line.to_owned() };
        let machine = Machine {
            name: "vg-1".to_owned(),
            box_name: "b".to_owned(),
            box_version: Some("1".to_owned()),
            memory_mib: 1,
            cpus: 1,
            address: "192.168.1.2".to_owned(),
            console: "/c".into(),
            driver: "qemu".to_owned(),
            emulator: "/e".into(),
            cpu: Some("max".to_owned()),
            boot: Some(boot),
        };
        Machines {
            prefix: "p".to_owned(),
            network: "n".to_owned(),
            key: "/key".into(),
            machines: vec![machine],
        }
    }

    #[test]
    fn the_vagrantfile_reads_every_word_and_the_readme_tells_of_it() {
        let value = serde_json::to_value(machines("l")).unwrap();
        let words = value.as_object().unwrap().keys().chain(value["machines"][0].as_object().unwrap().keys());
        for word in words {
            assert!(VAGRANTFILE.contains(&format!("\"{word}\"")), "the Vagrantfile does not read {word}");
            let told = README.contains(&format!("`{word}`")) || word == "machines";
            assert!(told, "README.md says nothing of {word}");
        }
    }

    #[test]
    fn machines_go_round_and_differ_by_more_than_their_line() {
        let text = serde_json::to_string(&machines("l")).unwrap();
        let read: Machines = serde_json::from_str(&text).unwrap();
        assert_eq!(read, machines("l"));
        assert!(read.alike(&machines("other")));
        let mut other = machines("l");
        other.machines[0].cpus = 2;
        assert!(!read.alike(&other));
    }
}
