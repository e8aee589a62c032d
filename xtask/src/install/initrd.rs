//! The first root of a guest: the agent as /init, and the modules that it loads before it finds its disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cpio::newc::{Builder, ModeFileType, trailer};

use crate::install::cache;
use crate::install::error::InstallError;
use crate::install::kernel::Kernel;
use crate::install::workshop::Workshop;
use crate::process;

/// Change it when an initrd comes to look different.
const RECIPE: &str = "initrd 1";

/// The modules that a guest loads, where its kernel does not have them built in. Those that a kernel does not
/// know at all are left out.
pub const WANTED: &[&str] = &[
    // The machine: disk, channel to the harness, random numbers, word of a panic, word of a new generation.
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "pvpanic",
    "pvpanic_pci",
    "pvpanic_mmio",
    "vmgenid",
    // The checksum of ext4 and of nf_tables, which ask for it by the algorithm's name: no module needs it by depmod's list.
    // Generic kernels have it as a module, cloud kernels built in.
    "crc32c_generic",
    "ext4",
    // What CRIU asks for sockets: `criu check` fails without them.
    "unix_diag",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "raw_diag",
    "netlink_diag",
    "af_packet",
    "af_packet_diag",
    // What CRIU locks TCP connections with.
    "ip_tables",
    "iptable_filter",
    "ip6_tables",
    "ip6table_filter",
    "xt_mark",
    "xt_tcpudp",
    "nf_tables",
    "nft_ct",
    "nft_compat",
    // What engines make the rules of such networks of: Docker and CNI by iptables, netavark by nftables. Neither can
    // ask for a module: a guest has no /lib/modules.
    "nft_chain_nat",
    "nft_counter",
    "nft_fib_inet",
    "nft_masq",
    "nft_nat",
    "nft_reject_inet",
    "xt_MASQUERADE",
    "xt_addrtype",
    "xt_comment",
    "xt_conntrack",
    "xt_multiport",
    "xt_nat",
    // Containers and their networks; file systems that a checkpointed program may sit on.
    "tun",
    "veth",
    "bridge",
    "macvlan",
    "br_netfilter",
    // CRIU dumps the conntrack table of a network namespace by it, once anything tracks.
    "nf_conntrack_netlink",
    "overlay",
    "autofs4",
    "fuse",
];

impl Workshop<'_> {
    /// The initrd for that kernel: `/init` is the agent, `/modules.order` names the modules in load order.
    ///
    /// # Errors
    /// When the agent or a module cannot be read.
    pub fn initrd(&self, kernel: &Kernel, agent: &Path) -> Result<PathBuf, InstallError> {
        let agent_hash = cache::hash_file(agent).map_err(InstallError::file(agent))?;
        let wanted = WANTED.join(" ");
        let key = cache::key([RECIPE, &kernel.key, &agent_hash, &wanted]);
        let dir = self.built("initrd", &key, |dir| {
            let modules = modules_of(kernel, &[])?;
            let agent_bytes = fs::read(agent).map_err(InstallError::file(agent))?;
            let path = dir.join("initrd");
            let file = File::create(&path).map_err(InstallError::file(&path))?;
            pack(&[("init", &agent_bytes)], &modules, BufWriter::new(file)).map_err(InstallError::file(&path))
        })?;
        Ok(dir.join("initrd"))
    }
}

/// The wanted modules of a kernel and some more in load order: their paths below the initrd's root, and what is in them.
pub(super) fn modules_of(kernel: &Kernel, more: &[&str]) -> Result<Vec<(String, Vec<u8>)>, InstallError> {
    let lib = kernel.modules.join("lib/modules").join(&kernel.release);
    let dep = lib.join("modules.dep");
    let dep = fs::read_to_string(&dep).map_err(InstallError::file(&dep))?;
    let read = |path: String| {
        let bytes = decompressed(&lib.join(&path))?;
        Ok((format!("lib/modules/{}/{}", kernel.release, plain_name(&path)), bytes))
    };
    let wanted: Vec<&str> = WANTED.iter().chain(more).copied().collect();
    load_order(&dep, &wanted).into_iter().map(read).collect()
}

/// The files of the wanted modules and of all that they need, each after what it needs, by depmod's list.
fn load_order(modules_dep: &str, wanted: &[&str]) -> Vec<String> {
    let mut needs: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for line in modules_dep.lines() {
        let Some((path, rest)) = line.split_once(':') else { continue };
        // depmod lists the nearest need first and the farthest last.
        let needed = rest.split_whitespace().rev().map(str::to_owned).collect();
        needs.insert(module_name(path), (path.to_owned(), needed));
    }
    let mut order: Vec<String> = Vec::new();
    for name in wanted {
        let Some((path, needed)) = needs.get(*name) else { continue };
        for file in needed.iter().chain([path]) {
            if !order.contains(file) {
                order.push(file.clone());
            }
        }
    }
    order
}

/// `kernel/drivers/block/virtio-blk.ko.xz` is `virtio_blk`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// The name of the module's file once it is decompressed.
fn plain_name(path: &str) -> &str {
    path.find(".ko").map_or(path, |at| &path[..at + 3])
}

fn decompressed(path: &Path) -> Result<Vec<u8>, InstallError> {
    let program = match path.extension().and_then(|ending| ending.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).map_err(InstallError::file(path)),
    };
    Ok(process::output(process::command(program).arg("-dc").arg(path))?.stdout)
}

/// The archive. It is not compressed: the guest would unpack it under emulation.
pub(super) fn pack<W: Write>(
    programs: &[(&str, &[u8])],
    modules: &[(String, Vec<u8>)],
    out: W,
) -> io::Result<()> {
    let mut archive = Archive { out, inode: 0, dirs: Vec::new() };
    for dir in ["dev", "proc", "sys", "run", "newroot"] {
        archive.dir(dir)?;
    }
    let console = Builder::new("dev/console").mode(0o600).rdev_major(5).rdev_minor(1);
    archive.entry(console.set_mode_file_type(ModeFileType::Char), &[])?;
    for (path, bytes) in programs {
        archive.parents(path)?;
        archive.entry(Builder::new(path).mode(0o755).set_mode_file_type(ModeFileType::Regular), bytes)?;
    }
    let mut order = String::new();
    for (path, bytes) in modules {
        archive.parents(path)?;
        archive.entry(Builder::new(path).mode(0o644).set_mode_file_type(ModeFileType::Regular), bytes)?;
        order.push_str(&format!("/{path}\n"));
    }
    let list = Builder::new("modules.order").mode(0o644).set_mode_file_type(ModeFileType::Regular);
    archive.entry(list, order.as_bytes())?;
    trailer(archive.out)?.flush()
}

struct Archive<W> {
    out: W,
    inode: u32,
    dirs: Vec<String>,
}

impl<W: Write> Archive<W> {
    fn entry(&mut self, builder: Builder, content: &[u8]) -> io::Result<()> {
        self.inode += 1;
        let size =
            u32::try_from(content.len()).map_err(|_| io::Error::other("4 GiB do not fit an initrd"))?;
        let mut writer = builder.ino(self.inode).nlink(1).write(&mut self.out, size);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }

    fn dir(&mut self, path: &str) -> io::Result<()> {
        self.dirs.push(path.to_owned());
        self.entry(Builder::new(path).mode(0o755).set_mode_file_type(ModeFileType::Directory), &[])
    }

    /// The folders above a file, which the kernel does not make by itself.
    fn parents(&mut self, path: &str) -> io::Result<()> {
        for (at, _) in path.match_indices('/') {
            if !self.dirs.iter().any(|dir| dir == &path[..at]) {
                self.dir(&path[..at])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/sound/soundcore.ko.xz:
";

    #[test]
    fn modules_come_after_what_they_need() {
        assert_eq!(
            load_order(DEP, &["virtio_rng", "virtio_pci", "ext4"]),
            [
                "kernel/drivers/virtio/virtio_ring.ko",
                "kernel/drivers/virtio/virtio.ko",
                "kernel/drivers/char/hw_random/virtio-rng.ko.xz",
                "kernel/drivers/virtio/virtio_pci.ko",
            ]
        );
    }

    #[test]
    fn the_archive_is_the_same_each_time_and_cpio_reads_it() {
        let modules = [
            ("lib/modules/6/kernel/a.ko".to_owned(), vec![1, 2, 3]),
            ("lib/modules/6/b.ko".to_owned(), vec![4]),
        ];
        let (mut first, mut second) = (Vec::new(), Vec::new());
        pack(&[("init", b"agent")], &modules, &mut first).unwrap();
        pack(&[("init", b"agent")], &modules, &mut second).unwrap();
        assert_eq!(first, second);
        let mut rest = first.as_slice();
        let mut names = Vec::new();
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            if reader.entry().name() == "modules.order" {
                io::Read::read_to_string(&mut reader, &mut content).unwrap();
            }
            names.push(format!("{} {:o}", reader.entry().name(), reader.entry().mode()));
            names.extend(content.lines().map(str::to_owned));
            rest = reader.finish().unwrap();
        }
        insta::assert_snapshot!(names.join("\n"), @r"
        dev 40755
        proc 40755
        sys 40755
        run 40755
        newroot 40755
        dev/console 20600
        init 100755
        lib 40755
        lib/modules 40755
        lib/modules/6 40755
        lib/modules/6/kernel 40755
        lib/modules/6/kernel/a.ko 100644
        lib/modules/6/b.ko 100644
        modules.order 100644
        /lib/modules/6/kernel/a.ko
        /lib/modules/6/b.ko
        ");
    }
}
