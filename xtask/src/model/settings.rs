//! What a container is started with, in words that every engine has.

use serde::{Deserialize, Serialize};

/// The settings of a story's containers. The default is an engine's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Without the engine's seccomp profile, as the tutorials have it. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unconfined: bool,
    /// With an init of the engine's as process 1. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// Limit of memory, MiB. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Limit of processes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Limit of processor time, per cent of one processor. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
    /// The host name in it. Default: the engine's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The numeric user and group that the program runs as. Default: root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<(u32, u32)>,
    /// A capability that is taken away, without its `CAP_`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap_drop: Option<String>,
    /// A folder of the host at this path. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<String>,
    /// A TCP port of the container that is published at the same port of its host. Everything that passes the host's
    /// interfaces is captured then. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<u16>,
}

impl Settings {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
