//! Which QEMU runs the guests, and why.
//!
//! QEMU 7.2 under software emulation was seen to corrupt guests (wrong flags, double faults, list corruption in
//! 6 of 95 boots), 10.0 in none of 80. A harness that must not blame CRIU for its emulator takes 10.0 or newer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::install::deb;
use crate::install::error::InstallError;
use crate::install::workshop::Workshop;
use crate::process;

/// Older ones are not used.
const OLDEST: (u32, u32) = (10, 0);
const PROGRAM: &str = "qemu-system-x86_64";

/// A QEMU and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qemu {
    /// The first words of every command line: the program, or a loader with the program behind it, and `-L`.
    pub argv_prefix: Vec<OsString>,
    /// What must be in its environment.
    pub env: Vec<(OsString, OsString)>,
    /// As it says itself: `10.0.2`.
    pub version: String,
    /// Why this one, in a sentence's end.
    pub why: String,
    /// Where its firmware is, when it is not the system's.
    pub data_dir: Option<PathBuf>,
}

impl Workshop<'_> {
    /// The QEMU to use: the one that the user named, this machine's when it is new enough, else a private one.
    ///
    /// # Errors
    /// When the one that was named does not start, or the private one cannot be had.
    pub fn qemu(&self, named: Option<&Path>) -> Result<Qemu, InstallError> {
        if let Some(path) = named {
            let version = version(&[path.into()], &[])?;
            let why = "it was named".to_owned();
            return Ok(Qemu {
                argv_prefix: vec![path.into()],
                env: Vec::new(),
                version,
                why,
                data_dir: None,
            });
        }
        let system = system_qemu();
        match &system {
            Some((path, version)) if new_enough(version) => {
                let why = format!("this machine has {} {version}, which is new enough", path.display());
                let argv_prefix = vec![path.into()];
                return Ok(Qemu {
                    argv_prefix,
                    env: Vec::new(),
                    version: version.clone(),
                    why,
                    data_dir: None,
                });
            }
            _ => {}
        }
        let why = match system {
            None => "this machine has no QEMU".to_owned(),
            Some((_, version)) => format!(
                "this machine's QEMU {version} is older than {}.{}: such were seen to corrupt guests",
                OLDEST.0, OLDEST.1
            ),
        };
        self.private_qemu(why)
    }

    fn private_qemu(&self, why: String) -> Result<Qemu, InstallError> {
        let root = self.unpacked(&self.tools.qemu)?;
        let data_dir = root.join("usr/share/qemu");
        let mut argv_prefix = deb::by_own_loader(&root, "usr/bin/qemu-system-x86_64")?;
        for dir in [data_dir.clone(), root.join("usr/share/seabios")] {
            argv_prefix.extend(["-L".into(), dir.into()]);
        }
        let modules = root.join("usr/lib/x86_64-linux-gnu/qemu");
        let env = vec![("QEMU_MODULE_DIR".into(), modules.into())];
        let version = version(&argv_prefix, &env)?;
        Ok(Qemu { argv_prefix, env, version, why, data_dir: Some(data_dir) })
    }
}

/// This machine's QEMU, when it has one that starts.
pub(crate) fn system_qemu() -> Option<(PathBuf, String)> {
    let path = which::which(PROGRAM).ok()?;
    let version = version(&[path.clone().into()], &[]).ok()?;
    Some((path, version))
}

/// Whether guests can be trusted to it.
pub(crate) fn new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST)
}

fn version(words: &[OsString], env: &[(OsString, OsString)]) -> Result<String, InstallError> {
    let mut command = deb::command_of(words);
    command.arg("--version").envs(env.iter().map(|(name, value)| (name, value)));
    let output = process::output(&mut command)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse_version(&text).ok_or_else(|| InstallError::NotUsable {
        path: words.first().map(PathBuf::from).unwrap_or_default(),
        reason: format!("is no QEMU: `--version` says `{}`", text.lines().next().unwrap_or_default()),
    })
}

/// `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)`.
fn parse_version(text: &str) -> Option<String> {
    let version = text.strip_prefix("QEMU emulator version ")?.split_whitespace().next()?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("QEMU emulator version 7.2.17 (Debian 1:7.2+dfsg-7)\nCopyright", Some("7.2.17"), false)]
    #[case("QEMU emulator version 10.0.2 (Debian 1:10.0.2)", Some("10.0.2"), true)]
    #[case("QEMU emulator version 11.1.0", Some("11.1.0"), true)]
    #[case("bash: no", None, false)]
    fn versions_are_read_and_judged(#[case] text: &str, #[case] expected: Option<&str>, #[case] good: bool) {
        let version = parse_version(text);
        assert_eq!(version.as_deref(), expected);
        assert_eq!(version.is_some_and(|version| new_enough(&version)), good);
    }
}
