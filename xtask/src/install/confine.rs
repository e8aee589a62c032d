//! Programs that run on a libc of their own, changed without moving a byte in them.
//!
//! patchelf 0.14, which bookworm has, makes programs of Go's own linker die with SIGSEGV (containerd's shims and
//! CNI's plugins of bullseye). So the path of the loader in a program is overwritten by a shorter one, and it is the
//! loader that knows where the libraries are: one folder, in place of the folders and the cache of the userland.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::install::elf;
use crate::install::error::InstallError;

/// The folders that Debian's loader searches, as they lie in it: glibc's `system_dirs`.
const FOLDERS: [&str; 4] = ["/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"];
/// The cache that it looks into before.
const CACHE: &str = "/etc/ld.so.cache";

/// Makes a loader search one folder of the guest, and nothing else.
pub(crate) fn loader(file: &Path, lib: &str) -> Result<(), InstallError> {
    let bytes = fs::read(file).map_err(InstallError::file(file))?;
    let folders: String = FOLDERS.iter().map(|folder| format!("{folder}\0")).collect();
    let instead: String =
        FOLDERS.iter().map(|folder| format!("{}\0", stretched(lib, folder.len()))).collect();
    let cache = format!("{CACHE}\0");
    let confined = replaced(&bytes, folders.as_bytes(), instead.as_bytes()).and_then(|bytes| {
        replaced(&bytes, cache.as_bytes(), format!("{}\0", nowhere(CACHE.len())).as_bytes())
    });
    let confined = confined.ok_or_else(|| InstallError::NotUsable {
        path: file.to_owned(),
        reason: "is no loader of Debian: it names no folders of libraries".to_owned(),
    })?;
    fs::write(file, confined).map_err(InstallError::file(file))
}

/// Makes a program ask for that loader.
pub(crate) fn program(file: &Path, loader: &str) -> Result<(), InstallError> {
    let (at, room) = elf::interpreter(file)?.unwrap_or_default();
    if loader.len() >= room {
        return Err(InstallError::NotUsable {
            path: file.to_owned(),
            reason: format!("has {room} bytes for the path of its loader, and {loader} does not fit"),
        });
    }
    let mut path = loader.as_bytes().to_vec();
    path.resize(room, 0);
    let opened = OpenOptions::new().write(true).open(file).map_err(InstallError::file(file))?;
    opened.write_all_at(&path, at).map_err(InstallError::file(file))
}

/// The folder with as many slashes behind it as make it so long; where it does not fit, a folder that is not there.
fn stretched(folder: &str, length: usize) -> String {
    if folder.len() < length { format!("{folder:/<length$}") } else { format!("{}/", nowhere(length - 1)) }
}

/// A path of that length that is nowhere.
fn nowhere(length: usize) -> String {
    format!("{:0<length$}", "/")
}

/// With every occurrence replaced by something as long. None when there is none.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    debug_assert_eq!(from.len(), to.len());
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    let mut bytes = bytes.to_vec();
    for at in &places {
        bytes[*at..*at + to.len()].copy_from_slice(to);
    }
    (!places.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::elf::tests::elf_with_note;

    #[test]
    fn a_loader_searches_one_folder_and_no_cache() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ld.so");
        let text =
            "x\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0/etc/ld.so.cache\0y";
        fs::write(&file, text).unwrap();
        loader(&file, "/opt/engine/lib").unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "x\0/opt/engine/lib///////\0/opt/engine/lib///////////\0/000/\0/0000000/\0/000000000000000\0y"
        );
        fs::write(&file, "/lib/\0").unwrap();
        assert!(loader(&file, "/opt/engine/lib").unwrap_err().to_string().contains("is no loader of Debian"));
    }

    #[test]
    fn a_program_asks_for_another_loader_in_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("program");
        let mut elf = elf_with_note(b"GNU\0", 1);
        let at = elf.len();
        elf.extend(b"/lib64/ld-linux-x86-64.so.2\0rest");
        elf[64] = 3;
        elf[64 + 8] = u8::try_from(at).unwrap();
        elf[64 + 0x20] = 28;
        fs::write(&file, &elf).unwrap();
        program(&file, "/opt/engine/lib/ld.so").unwrap();
        let now = fs::read(&file).unwrap();
        assert_eq!(now[..at], elf[..at]);
        assert_eq!(&now[at..], b"/opt/engine/lib/ld.so\0\0\0\0\0\0\0rest");
        let error = program(&file, "/opt/engine/lib/ld-linux-x86-64.so.2").unwrap_err().to_string();
        assert!(error.contains("has 28 bytes for the path of its loader"), "{error}");
    }
}
