//! A Vagrant box for libvirt: a Debian userland with systemd and an ssh server, and a kernel where it is to boot by itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::install::deb;
use crate::install::error::InstallError;
use crate::install::ext4::Ext4;
use crate::install::kernel::Kernel;
use crate::install::lock::LockedUserland;
use crate::install::machine::system_program;
use crate::install::workshop::Workshop;
use crate::process;

/// Change it when a box comes to look different though its recipe's files do not.
const RECIPE: &str = "box 1";

/// What a box holds beside a userland's packages: an init, a network, an ssh server, and the programs of AppArmor, which an
/// engine wants where systemd has mounted securityfs.
pub(crate) const BOX_PACKAGES: &[&str] =
    &["apparmor", "dbus", "ifupdown", "isc-dhcp-client", "openssh-server", "sudo", "systemd-sysv", "udev"];

/// What a box's kernel loads beside what every guest does: its network, and files as disks.
const MODULES: &[&str] = &["virtio_net", "virtio_balloon", "loop"];

/// Room for images and checkpoints, MiB. The file is sparse.
const ROOM_MIB: u64 = 6 * 1024;

/// What `metadata.json` says: vagrant-libvirt's format of boxes.
const METADATA: &str = "{\"provider\": \"libvirt\", \"format\": \"qcow2\", \"virtual_size\": ";

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VagrantBox {
    /// The file that `vagrant box add` takes.
    pub file: PathBuf,
    /// What Vagrant is to call it: other content has another name.
    pub name: String,
}

impl Workshop<'_> {
    /// Makes the box of a userland, which is locked with the packages of a box. `recipe` is the folder of its recipe; with a
    /// kernel and its [initrd](Self::box_initrd) it boots wherever it is started.
    ///
    /// # Errors
    /// When the userland is none of Debian's, a package cannot be had, or qemu-img is missing.
    pub fn vagrant_box(
        &self,
        locked: &LockedUserland,
        recipe: &Path,
        kernel: Option<(&Kernel, &Path)>,
    ) -> Result<VagrantBox, InstallError> {
        let LockedUserland::Debian { suite, packages } = locked else {
            return Err(InstallError::Unexpected {
                what: "a box".to_owned(),
                difference: "it is made of a Debian suite, and not of a tar".to_owned(),
            });
        };
        let text = ["customize.sh", "vagrant.pub", "Vagrantfile"].map(|name| {
            let path = recipe.join(name);
            fs::read_to_string(&path).map_err(InstallError::file(path))
        });
        let [customize, key, vagrantfile] = text;
        let (customize, key, vagrantfile) = (customize?, key?, vagrantfile?);
        let root_key = cache::key([RECIPE, &deb::packages_key(RECIPE, packages), &customize, &key]);
        let root = self.built("box-root", &root_key, |dir| {
            self.say(format!("building the box {suite}: {} packages", packages.len()));
            let (tar, raw) = (dir.join("root.tar"), dir.join("root.ext4"));
            self.root_tar(suite, packages, Some(recipe), &tar)?;
            let how = Ext4 { label: "box", uuid: "c51c0000-0000-4000-8000-000000000003", room_mib: ROOM_MIB };
            self.ext4(&tar, &raw, &how)?;
            let mut convert = process::command(system_program("qemu-img"));
            convert.args(["convert", "-f", "raw", "-O", "qcow2"]).arg(&raw).arg(dir.join("box.img"));
            process::output(&mut convert)?;
            let bytes = fs::metadata(&raw).map_err(InstallError::file(&raw))?.len();
            let metadata = format!("{METADATA}{}}}\n", bytes.div_ceil(1 << 30));
            let path = dir.join("metadata.json");
            fs::write(&path, metadata).map_err(InstallError::file(&path))?;
            for path in [tar, raw] {
                fs::remove_file(&path).map_err(InstallError::file(&path))?;
            }
            Ok(())
        })?;
        let boots = kernel.map_or("", |(kernel, _)| kernel.key.as_str());
        let box_key = cache::key([RECIPE, &root_key, &vagrantfile, boots]);
        let dir = self.built("box", &box_key, |dir| {
            let mut pack = process::command("tar");
            pack.args(["--zstd", "-cf"]).arg(dir.join("box")).arg("-C").arg(&root);
            pack.args(["metadata.json", "box.img"]).arg("-C").arg(recipe).arg("Vagrantfile");
            if let Some((kernel, initrd)) = kernel {
                let links = [(kernel.image.as_path(), "vmlinuz"), (initrd, "initrd")];
                for (file, name) in links {
                    let copy = dir.join(name);
                    fs::copy(file, &copy).map_err(InstallError::file(&copy))?;
                }
                pack.arg("-C").arg(dir).args(["vmlinuz", "initrd"]);
            }
            process::output(&mut pack).map(drop).map_err(InstallError::from)
        })?;
        Ok(VagrantBox { file: dir.join("box"), name: format!("criu-matrix-{suite}-{box_key}") })
    }

    /// The initrd that boots a box on that kernel.
    ///
    /// # Errors
    /// When a module or the box's busybox cannot be read.
    pub fn box_initrd(
        &self,
        kernel: &Kernel,
        locked: &LockedUserland,
        recipe: &Path,
    ) -> Result<PathBuf, InstallError> {
        let path = recipe.join("init.sh");
        let init = fs::read_to_string(&path).map_err(InstallError::file(path))?;
        let wanted = MODULES.join(" ");
        let busybox = deb::packages_key(RECIPE, locked.packages());
        let key = cache::key([RECIPE, &kernel.key, &init, &wanted, &busybox]);
        let dir = self.built("box-initrd", &key, |dir| {
            self.plain_initrd(kernel, locked, &init, MODULES, &dir.join("initrd"))
        })?;
        Ok(dir.join("initrd"))
    }
}
