//! vmtest, of crates.io: <https://github.com/danobi/vmtest>. Its guests have a folder of this machine as their root, by
//! 9p, and answer by QEMU's guest agent. It has no initrd of its own, so it gets ours where 9p is a module.

use std::fs;

use super::ground::Ground;
use super::{Peer, install};

/// Another one may be faster.
const VERSION: &str = "0.18.0";

pub(super) fn peer(ground: &Ground) -> anyhow::Result<Peer<'_>> {
    let program = install(
        ground,
        "peer-vmtest",
        VERSION,
        "cargo install vmtest",
        &format!(
            "cargo install --quiet --root . --target-dir target --locked vmtest@{VERSION} && rm -r target"
        ),
    )?
    .join("bin/vmtest");
    let config = ground.folder().join("vmtest.toml");
    let quoted = |path: &std::path::Path| toml::Value::from(path.to_string_lossy().into_owned()).to_string();
    let Ground { kernel, initrd, root, qemu, words, memory_mib, .. } = ground;
    let text = format!(
        "[[target]]\nname = \"bench\"\nkernel = {}\nkernel_args = \"{words}\"\nrootfs = {}\nqemu_command = {}\n\
         command = \"uname -r\"\n[target.vm]\nnum_cpus = 1\nmemory = \"{memory_mib}M\"\nextra_args = [\"-initrd\", {}]\n",
        quoted(kernel),
        quoted(root),
        quoted(qemu),
        quoted(initrd)
    );
    fs::write(&config, text)?;
    Ok(Box::new(move || {
        let mut command = ground.command(&program);
        command.env("VMTEST_NO_UI", "1").arg("--config").arg(&config);
        command
    }))
}
