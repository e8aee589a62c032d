//! virtme-ng, of PyPI: <https://github.com/arighi/virtme-ng>. Its guests have this machine's root, by 9p where there is
//! no virtiofsd; it makes an initramfs of the modules for that by itself.

use std::path::Path;

use super::ground::Ground;
use super::{Peer, install};

/// Another one may be faster.
const VERSION: &str = "1.42";

/// Where its guests, which have this machine's files, look for what names the ports that they answer by.
const UDEVD: [&str; 2] = ["/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd"];

pub(super) fn peer(ground: &Ground) -> anyhow::Result<Peer<'_>> {
    // The folder is moved when it is whole, and scripts of an environment name the place that it was made in.
    let place = install(
        ground,
        "peer-virtme-ng",
        VERSION,
        "pip install virtme-ng",
        &format!(
            "python3 -m venv . && bin/python3 -m pip install --quiet --disable-pip-version-check virtme-ng=={VERSION} && \
         sed -i '1s|^#!.*|#!/usr/bin/env python3|' bin/vng bin/virtme-*"
        ),
    )?;
    let bin = place.join("bin");
    Ok(Box::new(move || {
        let Ground { kernel, qemu, words, memory_mib, .. } = ground;
        let mut command = ground.command(&bin.join("vng"));
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        let path = format!("{}:{}", bin.display(), path.unwrap_or_default().to_string_lossy());
        command.env("PATH", path);
        command.arg("--run").arg(kernel).arg("--qemu").arg(qemu).args(["--disable-kvm", "--disable-microvm"]);
        command.args(["--cpus", "1", "--memory", &format!("{memory_mib}M"), "--user", "root"]);
        if !UDEVD.iter().any(|place| Path::new(place).exists()) {
            // Without its ports the command's output is on the console alone; what the kernel says there costs time.
            command.args(["--verbose", "--append", "loglevel=1"]);
        }
        command.args(["--append", words, "--", "uname", "-r"]);
        command
    }))
}
