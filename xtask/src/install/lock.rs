//! The lock: every package of every part of a run, exactly. `lock.toml`, format 1.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::install::cache;
use crate::install::package::Package;
use crate::model::Libc;

/// The one format so far.
const FORMAT: u32 = 1;

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read or written.
    #[error("lock file {}: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is no lock file.
    #[error("lock file: {0}")]
    Parse(#[from] toml::de::Error),
    /// It cannot be put into TOML.
    #[error("lock file: {0}")]
    Write(#[from] toml::ser::Error),
    /// It was written by a newer criu-matrix.
    #[error(
        "lock file: format {0}, this criu-matrix reads format {FORMAT}: use a newer one, or write the lock anew"
    )]
    Format(u32),
}

/// What a run is made of. Keys are what was asked for: `6.12`, `trixie`, `4.1.1@userland`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Always 1.
    pub format: u32,
    /// What the harness itself uses.
    pub tools: Tools,
    /// Kernels by what was asked for.
    #[serde(default, rename = "kernel")]
    pub kernels: BTreeMap<String, LockedKernel>,
    /// Userlands by what was asked for.
    #[serde(default, rename = "userland")]
    pub userlands: BTreeMap<String, LockedUserland>,
    /// What Vagrant boxes are made of, by the suite that was asked for.
    #[serde(default, rename = "box", skip_serializing_if = "BTreeMap::is_empty")]
    pub boxes: BTreeMap<String, LockedUserland>,
    /// CRIUs by what was asked for.
    #[serde(default, rename = "criu")]
    pub crius: BTreeMap<String, LockedCriu>,
    /// Engines by [`engine_key`](crate::install::engine_key): `docker@28`, `docker of trixie`.
    #[serde(default, rename = "engine", skip_serializing_if = "BTreeMap::is_empty")]
    pub engines: BTreeMap<String, LockedEngine>,
}

/// What the harness itself uses, unpacked into the cache and never installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// mke2fs with libarchive: it makes an ext4 image of a tar without root.
    pub e2fsprogs: Vec<Package>,
    /// QEMU, for machines whose own is too old. Downloaded only there.
    pub qemu: Vec<Package>,
    /// The libc that the workloads are compiled against.
    pub sysroot: Vec<Package>,
}

/// An exact kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum LockedKernel {
    /// Debian's packages.
    Debian {
        /// `uname -r`: `6.12.117+deb13-cloud-amd64`.
        release: String,
        /// The packages' version.
        version: String,
        /// Which suite has them.
        suite: String,
        /// One package, or image, modules and base apart.
        packages: Vec<Package>,
    },
    /// The user's own files.
    Own {
        /// A bzImage or vmlinux.
        vmlinuz: PathBuf,
        /// Its SHA-256.
        sha256: String,
        /// `lib/modules/RELEASE`.
        modules: PathBuf,
        /// The modules folder's name, which is the release.
        release: String,
        /// The SHA-256 of names and contents below `modules`.
        modules_sha256: String,
    },
}

/// An exact userland.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum LockedUserland {
    /// Debian's packages.
    Debian {
        /// The suite's name.
        suite: String,
        /// All packages.
        packages: Vec<Package>,
    },
    /// A rootfs tar of the user's own.
    Own {
        /// The tar.
        tar: PathBuf,
        /// Its SHA-256.
        sha256: String,
    },
}

/// An exact CRIU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum LockedCriu {
    /// Debian's packages.
    Debian {
        /// Upstream's version: `4.1.1`.
        upstream: String,
        /// The package's version.
        version: String,
        /// Which suite has it.
        suite: String,
        /// On which libc it runs.
        libc: Libc,
        /// CRIU and all that it depends on, libc included.
        packages: Vec<Package>,
    },
    /// A build of the user's own.
    Own {
        /// The binary.
        path: PathBuf,
        /// Its SHA-256.
        sha256: String,
        /// On which libc it runs.
        libc: Libc,
    },
}

/// An exact engine, out of Debian's packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedEngine {
    /// Upstream's version: `20.10.24`.
    pub upstream: String,
    /// The package's version.
    pub version: String,
    /// Which suite has it.
    pub suite: String,
    /// The names of the packages whose files are put into place; the others give libraries.
    pub take: Vec<String>,
    /// Libraries that its programs open at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<String>,
    /// The engine and all that it depends on, libc included.
    pub packages: Vec<Package>,
}

impl LockedKernel {
    /// `uname -r`, as the packages say it.
    pub fn release(&self) -> &str {
        match self {
            Self::Debian { release, .. } | Self::Own { release, .. } => release,
        }
    }

    /// Its packages; none for the user's own.
    pub fn packages(&self) -> &[Package] {
        match self {
            Self::Debian { packages, .. } => packages,
            Self::Own { .. } => &[],
        }
    }
}

impl LockedUserland {
    /// Its packages; none for the user's own.
    pub fn packages(&self) -> &[Package] {
        match self {
            Self::Debian { packages, .. } => packages,
            Self::Own { .. } => &[],
        }
    }
}

impl LockedCriu {
    /// Its packages; none for the user's own.
    pub fn packages(&self) -> &[Package] {
        match self {
            Self::Debian { packages, .. } => packages,
            Self::Own { .. } => &[],
        }
    }

    /// On which libc it runs.
    pub fn libc(&self) -> Libc {
        match self {
            Self::Debian { libc, .. } | Self::Own { libc, .. } => *libc,
        }
    }
}

impl Lock {
    /// A lock that names nothing but the tools.
    pub fn new(tools: Tools) -> Self {
        Self {
            format: FORMAT,
            tools,
            kernels: BTreeMap::new(),
            userlands: BTreeMap::new(),
            boxes: BTreeMap::new(),
            crius: BTreeMap::new(),
            engines: BTreeMap::new(),
        }
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// When it is none, or of a format that this criu-matrix does not know.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = toml::from_str(text)?;
        if head.format != FORMAT {
            return Err(LockError::Format(head.format));
        }
        Ok(toml::from_str(text)?)
    }

    /// The lock as text.
    ///
    /// # Errors
    /// When TOML cannot say it: a path that is no UTF-8.
    pub fn to_toml(&self) -> Result<String, LockError> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// When it cannot be read, or is no lock.
    pub fn load(path: &Path) -> Result<Self, LockError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LockError::File { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Writes the lock file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), LockError> {
        cache::write_whole(path, self.to_toml()?.as_bytes())
            .map_err(|source| LockError::File { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn package(name: &str, version: &str) -> Package {
        let sha256 = HASH.to_owned();
        let uri = format!("http://m/pool/{name}.deb");
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            size: 3,
            sha256,
            uri,
        }
    }

    fn lock() -> Lock {
        let mut lock =
            Lock::new(Tools { e2fsprogs: vec![package("e2fsprogs", "1.47.2-3")], ..Tools::default() });
        lock.kernels.insert(
            "6.12".to_owned(),
            LockedKernel::Debian {
                release: "6.12.117+deb13-cloud-amd64".to_owned(),
                version: "6.12.117-1".to_owned(),
                suite: "trixie-security".to_owned(),
                packages: vec![package("linux-image-6.12.117+deb13-cloud-amd64", "6.12.117-1")],
            },
        );
        lock.userlands.insert(
            "my.tar".to_owned(),
            LockedUserland::Own { tar: "/r/my.tar".into(), sha256: "ab".to_owned() },
        );
        lock.crius.insert(
            "4.1.1@userland".to_owned(),
            LockedCriu::Debian {
                upstream: "4.1.1".to_owned(),
                version: "4.1.1-1".to_owned(),
                suite: "trixie".to_owned(),
                libc: Libc::Userland,
                packages: vec![package("criu", "4.1.1-1"), package("libgmp10", "2:6.3.0+dfsg-3")],
            },
        );
        lock.engines.insert(
            "docker@28".to_owned(),
            LockedEngine {
                upstream: "28.5.2".to_owned(),
                version: "28.5.2+dfsg4-5".to_owned(),
                suite: "forky".to_owned(),
                take: vec!["docker.io".to_owned()],
                opened: vec!["libcriu.so.2".to_owned()],
                packages: vec![package("docker.io", "28.5.2+dfsg4-5"), package("libc6", "2.42-1")],
            },
        );
        lock
    }

    #[test]
    fn a_lock_without_engines_is_read_as_before() {
        let mut old = lock();
        old.engines.clear();
        let text = old.to_toml().unwrap();
        assert!(!text.contains("engine"), "{text}");
        assert_eq!(Lock::parse(&text).unwrap(), old);
    }

    #[test]
    fn goes_round() {
        let text = lock().to_toml().unwrap();
        assert_eq!(Lock::parse(&text).unwrap(), lock());
        insta::assert_snapshot!(text.replace(HASH, "HASH"), @r#"
        format = 1

        [tools]
        e2fsprogs = ["e2fsprogs 1.47.2-3 amd64 3 HASH http://m/pool/e2fsprogs.deb"]
        qemu = []
        sysroot = []

        [kernel."6.12"]
        from = "debian"
        release = "6.12.117+deb13-cloud-amd64"
        version = "6.12.117-1"
        suite = "trixie-security"
        packages = ["linux-image-6.12.117+deb13-cloud-amd64 6.12.117-1 amd64 3 HASH http://m/pool/linux-image-6.12.117+deb13-cloud-amd64.deb"]

        [userland."my.tar"]
        from = "own"
        tar = "/r/my.tar"
        sha256 = "ab"

        [criu."4.1.1@userland"]
        from = "debian"
        upstream = "4.1.1"
        version = "4.1.1-1"
        suite = "trixie"
        libc = "userland"
        packages = [
            "criu 4.1.1-1 amd64 3 HASH http://m/pool/criu.deb",
            "libgmp10 2:6.3.0+dfsg-3 amd64 3 HASH http://m/pool/libgmp10.deb",
        ]

        [engine."docker@28"]
        upstream = "28.5.2"
        version = "28.5.2+dfsg4-5"
        suite = "forky"
        take = ["docker.io"]
        opened = ["libcriu.so.2"]
        packages = [
            "docker.io 28.5.2+dfsg4-5 amd64 3 HASH http://m/pool/docker.io.deb",
            "libc6 2.42-1 amd64 3 HASH http://m/pool/libc6.deb",
        ]
        "#);
    }

    #[test]
    fn a_newer_format_is_said_so() {
        let error = Lock::parse("format = 2\nnews = 1").unwrap_err();
        assert!(matches!(error, LockError::Format(2)), "{error}");
    }

    #[test]
    fn a_damaged_line_is_no_package() {
        let text = lock().to_toml().unwrap().replace("criu 4.1.1-1 amd64", "criu 4.1.1-1");
        let error = Lock::parse(&text).unwrap_err().to_string();
        assert!(error.contains("is no package: NAME VERSION ARCH SIZE SHA256 URI is wanted"), "{error}");
    }
}
