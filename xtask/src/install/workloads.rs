//! The witness programs, compiled by this machine's cc against the oldest userland's libc, so that every
//! userland's own libc is what runs under them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::install::deb;
use crate::install::elf;
use crate::install::error::InstallError;
use crate::install::package::Package;
use crate::install::workshop::Workshop;
use crate::process;

/// Change it when the compiler's options change.
const RECIPE: &str = "workloads 2";

impl Workshop<'_> {
    /// A folder with a program for each `*.c` in `sources`.
    ///
    /// # Errors
    /// When there is no source, no compiler, or one does not compile.
    pub fn workloads(&self, sources: &Path) -> Result<PathBuf, InstallError> {
        let mut files: Vec<PathBuf> = fs::read_dir(sources)
            .and_then(|items| items.map(|item| Ok(item?.path())).collect())
            .map_err(InstallError::file(sources))?;
        files.retain(|path| path.extension().is_some_and(|ending| ending == "c" || ending == "h"));
        files.sort();
        let mut parts = vec![RECIPE.to_owned(), deb::packages_key(RECIPE, &self.tools.sysroot)];
        for file in &files {
            parts.push(format!("{:?}", file.file_name()));
            parts.push(cache::hash_file(file).map_err(InstallError::file(file))?);
        }
        self.built("workloads", &cache::key(&parts), |dir| {
            let sysroot = self.unpacked(&self.tools.sysroot)?;
            for file in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "c")) {
                let out = dir.join(file.file_stem().unwrap_or_default());
                let mut command = process::command("cc");
                command
                    .arg(format!("--sysroot={}", sysroot.display()))
                    // A compiler of the distribution looks into its own folders before it looks into a sysroot.
                    .arg(format!("-B{}/usr/lib/x86_64-linux-gnu/", sysroot.display()))
                    .args([
                        "-std=gnu11",
                        "-O2",
                        "-Wall",
                        "-Wextra",
                        "-pthread",
                        "-static-libgcc",
                        "-Wl,--build-id=sha1",
                    ])
                    .arg("-o")
                    .arg(&out)
                    .arg(file);
                process::output(&mut command)?;
                old_enough(&out, &self.tools.sysroot)?;
            }
            Ok(())
        })
    }
}

/// That a program runs on the libc that it was to be linked against: an older userland could not start it otherwise.
fn old_enough(program: &Path, sysroot: &[Package]) -> Result<(), InstallError> {
    let libc = sysroot.iter().find(|package| package.name == "libc6").map(|package| package.version.as_str());
    let meant = libc.and_then(|version| version.split('-').next()).unwrap_or_default();
    match elf::needs_glibc([program])? {
        Some(needs) if elf::is_newer(&needs, meant) => Err(InstallError::Unexpected {
            what: program.display().to_string(),
            difference: format!("it needs glibc {needs}, and was to be linked against {meant}"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test's own program, linked against this machine's libc.
    #[rstest::rstest]
    #[case("2.1-1", false)]
    #[case("99.0-1", true)]
    fn what_was_linked_against_a_newer_libc_is_refused(#[case] version: &str, #[case] fits: bool) {
        let libc = Package {
            name: "libc6".to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            size: 0,
            sha256: String::new(),
            uri: String::new(),
        };
        assert_eq!(old_enough(&std::env::current_exe().unwrap(), &[libc]).is_ok(), fits);
    }
}
