//! What can be at fault: a fixed list, which `knowledge/README.md` explains.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// What is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Class(&'static str);

impl Class {
    /// All of them, as they are written in rules and answers.
    pub const NAMES: [&str; 40] = [
        "rseq",
        "vdso",
        "tcp-established",
        "external-mount",
        "userns",
        "namespace",
        "nested-namespace",
        "file-lock",
        "cgroup",
        "seccomp",
        "missing-kernel-config",
        "pid-in-use",
        "ghost-file",
        "file-changed",
        "iptables",
        "docker-checkpointdir",
        "docker-netns",
        "docker-engine-bug",
        "podman-engine-bug",
        "engine-bug",
        "image-corrupt",
        "image-version",
        "cpu-features",
        "lsm",
        "unsupported-socket",
        "unsupported-fs",
        "unsupported-netdev",
        "unsupported-device",
        "ptrace",
        "tty",
        "timens",
        "mem",
        "gpu",
        "criu-missing",
        "criu-bug",
        "kernel-incompat",
        "usage",
        "infra",
        "none",
        "unknown",
    ];
    /// Nothing failed.
    pub const NONE: Self = Self("none");
    /// Nobody knows.
    pub const UNKNOWN: Self = Self("unknown");
}

impl<'de> Deserialize<'de> for Class {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let class = Self::NAMES.into_iter().find(|known| *known == name).map(Self);
        let known = || format!("no class `{name}`; there are {}", Self::NAMES.join(", "));
        class.ok_or_else(|| D::Error::custom(known()))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}
