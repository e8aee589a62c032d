//! `reproduce-vm.sh`: a virtual machine with the kernel, the userland and the CRIU of the report, for anybody's QEMU.

const TEMPLATE: &str = include_str!("reproduce-vm.sh");

/// `/init` of its initrd, in plain sh for busybox.
pub const INIT: &str = include_str!("init.sh");

/// What its root disk's process 1 runs. The bundle has it as `in-vm.sh`.
pub const IN_VM: &str = include_str!("in-vm.sh");

/// What the script says to QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine<'a> {
    /// The accelerator that the report's guests ran on: `tcg` or `kvm`.
    pub accelerator: &'a str,
    /// QEMU's name of the CPU model.
    pub cpu: &'a str,
    /// Processors.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// The serials of the read-only disks, and where each is mounted below the root.
    pub disks: Vec<(&'static str, &'static str)>,
    /// Whether there is a `daemon.sh`.
    pub daemon: bool,
}

/// The script. What a person must fetch where the bundle has no `vm/` is in `packages.txt`.
pub fn reproduce_vm(machine: &Machine<'_>) -> String {
    let Machine { accelerator, cpu, cpus, memory_mib, disks, daemon } = machine;
    let disks: Vec<String> = disks.iter().map(|(serial, place)| format!("{serial}:{place}")).collect();
    let daemon = if *daemon { "daemon.sh" } else { "" };
    let values = format!(
        "RAN_ON='{accelerator}'\nCPU='{cpu}'\nCPUS={cpus}\nMEMORY={memory_mib}\nDISKS='{}'\nDAEMON='{daemon}'",
        disks.join(",")
    );
    TEMPLATE.replace("# VALUES", &values)
}

/// `packages.txt`: what the machine is made of. `packages` are lines `NAME VERSION ARCH SIZE SHA256 ADDRESS`.
pub fn packages(cell: &str, packages: &[(&str, Vec<String>)]) -> String {
    let mut text = format!(
        "This bundle was made without the virtual machine's files. Make it again with them, in a checkout of \
         criu-matrix, from the run folder:\n\n    cargo xtask repro '{cell}' --run DIR --with-vm\n\n\
         or put together a machine of these packages, unpack the bundle in it, and run `sh reproduce.sh` as root.\n\
         Each line is: name, version, architecture, size in bytes, SHA-256, address.\n"
    );
    for (part, lines) in packages {
        text.push_str(&format!("\n# {part}\n"));
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    fn machine() -> Machine<'static> {
        let disks = vec![("criu", "opt/criu"), ("modules", "lib/modules")];
        Machine { accelerator: "tcg", cpu: "max", cpus: 1, memory_mib: 512, disks, daemon: false }
    }

    #[rstest]
    #[case(&reproduce_vm(&machine()))]
    #[case(INIT)]
    #[case(IN_VM)]
    fn is_sh(#[case] script: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.sh");
        fs::write(&path, script).unwrap();
        assert!(crate::process::command("sh").arg("-n").arg(&path).status().unwrap().success());
    }

    /// A QEMU that is none, whose console says this, and what the script makes of it.
    #[rstest]
    #[case::reproduced("reproduce: says REPRODUCED: it\\nreproduce: exit 0\\n", 0, "REPRODUCED: it\n")]
    #[case::not("reproduce: says NOT REPRODUCED: no\\r\\nreproduce: exit 1\\r\\n", 1, "NOT REPRODUCED: no\n")]
    #[case::panic("Kernel panic\\n", 2, "the virtual machine ended before reproduce.sh did\n")]
    #[case::limit(
        "'; exit 124 #",
        2,
        "FAILED OTHERWISE: the virtual machine was still running after 1800 s\n"
    )]
    #[case::interrupted("'; kill $(cut -d ' ' -f 4 /proc/$PPID/stat); exec sleep 60 #", 130, "")]
    #[case::qemu("'; exit 7 #", 2, "the virtual machine did not run: QEMU ended with status 7\n")]
    fn ends_as_the_script_in_it(#[case] console: &str, #[case] status: i32, #[case] last: &str) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("programs")).unwrap();
        fs::create_dir_all(at("vm")).unwrap();
        fs::create_dir_all(at("bin")).unwrap();
        let fake = format!("#!/bin/sh\necho \"$*\" >\"$WORDS\"\nprintf '{console}' >\"$CONSOLE\"\n");
        program(&at("programs/qemu-system-x86_64"), &fake);
        program(&at("programs/zstd"), "#!/bin/sh\ncp \"$2\" \"$4\"\n");
        for name in ["vm/kernel.zst", "vm/criu.zst", "reproduce.sh", "story.sh", "in-vm.sh"] {
            fs::write(at(name), "").unwrap();
        }
        program(&at("reproduce-vm.sh"), &reproduce_vm(&machine()));
        let path = format!("{}:{}", at("programs").display(), std::env::var("PATH").unwrap());
        let output = crate::process::command("sh")
            .arg(at("reproduce-vm.sh"))
            .env("PATH", path)
            .env("CONSOLE", at("console"))
            .env("WORDS", at("words"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with(last), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(status));
        let words = fs::read_to_string(at("words")).unwrap();
        assert!(words.contains("disks=criu:opt/criu,modules:lib/modules tsc_early_khz="), "{words}");
        assert!(words.contains("virtio-blk-pci,drive=criu,serial=criu"), "{words}");
        assert!(!words.contains("serial=engine"), "{words}");
    }

    #[test]
    fn without_its_files_it_says_what_to_fetch() {
        let folder = tempfile::tempdir().unwrap();
        let list = packages("x@y", &[("kernel", vec!["linux 6.1 amd64 1 ab http://x".to_owned()])]);
        fs::write(folder.path().join("packages.txt"), list).unwrap();
        program(&folder.path().join("reproduce-vm.sh"), &reproduce_vm(&machine()));
        let output =
            crate::process::command("sh").arg(folder.path().join("reproduce-vm.sh")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("repro 'x@y' --run DIR --with-vm"), "{said}");
        assert!(said.ends_with("# kernel\nlinux 6.1 amd64 1 ab http://x\n"), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }

    fn program(path: &std::path::Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
