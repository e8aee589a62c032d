//! An ext4 file system out of a tar, without root and without mounting: mke2fs reads the tar by libarchive.

use std::fs::{self, File};
use std::path::Path;

use crate::install::deb;
use crate::install::error::InstallError;
use crate::install::workshop::Workshop;
use crate::process;

/// Times in images do not depend on when they were made.
pub(crate) const EPOCH: &str = "1700000000";

/// What an image is like.
pub(crate) struct Ext4<'a> {
    /// Its label.
    pub(crate) label: &'a str,
    /// Its UUID and the seed of its directory hashes: fixed, so that the same tar makes the same image.
    pub(crate) uuid: &'a str,
    /// Room beyond the content in MiB. The file is sparse.
    pub(crate) room_mib: u64,
}

impl Workshop<'_> {
    /// Makes `image` out of the tar that is at `tar`: owners, modes, links and extended attributes are kept.
    pub(crate) fn ext4(&self, tar: &Path, image: &Path, how: &Ext4<'_>) -> Result<(), InstallError> {
        let root = self.unpacked(&self.tools.e2fsprogs)?;
        let content_mib = fs::metadata(tar).map_err(InstallError::file(tar))?.len().div_ceil(1 << 20);
        // Blocks, inode tables and the journal take their share: a quarter, and 48 MiB for small ones.
        let size_mib = content_mib + content_mib / 4 + 48 + how.room_mib;
        File::create(image)
            .and_then(|file| file.set_len(size_mib << 20))
            .map_err(InstallError::file(image))?;
        let words = deb::by_own_loader(&root, "sbin/mke2fs").map(|words| at_usr(&root, words))?;
        let mut command = deb::command_of(&words);
        command
            .env("MKE2FS_CONFIG", root.join("etc/mke2fs.conf"))
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("LC_ALL", "C.UTF-8")
            .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", how.label, "-U", how.uuid])
            // Newer than some of the kernels and of the userlands' own fsck.
            .args(["-O", "^orphan_file,^metadata_csum_seed"])
            // A new sparse file is all zeros: nothing to write out now, and nothing for the guest to do later.
            .args(["-E", &format!("hash_seed={},assume_storage_prezeroed=1,root_owner=0:0", how.uuid)])
            .arg("-d")
            .arg(tar)
            .arg(image);
        process::output(&mut command)?;
        Ok(())
    }

    /// Makes `image` out of a folder, everything in it owned by root, and removes the folder.
    pub(crate) fn ext4_of_tree(&self, tree: &Path, image: &Path, how: &Ext4<'_>) -> Result<(), InstallError> {
        let tar = image.with_extension("tar");
        let mut command = process::command("tar");
        command.args(["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--format=posix"]);
        command.arg(format!("--mtime=@{EPOCH}")).arg("-C").arg(tree).arg("-cf").arg(&tar).arg(".");
        process::output(&mut command)?;
        self.ext4(&tar, image, how)?;
        fs::remove_file(&tar).map_err(InstallError::file(&tar))?;
        fs::remove_dir_all(tree).map_err(InstallError::file(tree))
    }
}

/// In the merged /usr of trixie and later, programs are below usr/sbin.
fn at_usr(root: &Path, mut words: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let merged = root.join("usr/sbin/mke2fs");
    if merged.is_file() {
        words.pop();
        words.push(merged.into());
    }
    words
}
