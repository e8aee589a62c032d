//! The axes of the matrix, as they were asked for. What a guest reports is in [`crate::model::GuestFacts`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// One host, as it was asked for: every value is what the user or the profile wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostAsk {
    /// A series (`6.12`), an exact package (`6.12.117+deb13`) or the name of a kernel table.
    pub kernel: String,
    /// A suite (`trixie`) or the path of a rootfs tar.
    pub userland: String,
    /// An upstream version (`4.1.1`, `4.1.1@userland`) or the name of a CRIU table.
    pub criu: String,
    /// Who drives CRIU: `criu` itself, so far.
    pub engine: String,
    /// QEMU's name of a CPU model: `max`, `Westmere`, …
    pub cpu: String,
}

impl fmt::Display for HostAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, userland, criu, engine, cpu } = self;
        write!(f, "kernel {kernel}, {userland}, CRIU {criu}, {engine}, CPU {cpu}")
    }
}

/// The libc that CRIU itself runs on. It changes verdicts: the restorer's own rseq registration, for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// The one that it was built with, carried beside it.
    #[default]
    Own,
    /// The userland's.
    Userland,
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Userland => "userland",
        })
    }
}

/// Names one cell of a run, and its folder under `cells/`: letters, digits and `.+_@-` only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(String);

impl CellId {
    /// `SCENARIO@kKERNEL@USERLAND@cCRIU@ENGINE@CPU`, with `@REPEAT` behind it from the second repeat on.
    pub fn new(scenario: &str, host: &HostAsk, repeat: u32) -> Self {
        let mut id = format!(
            "{scenario}@k{}@{}@c{}@{}@{}",
            host.kernel, host.userland, host.criu, host.engine, host.cpu
        );
        if repeat > 1 {
            id.push_str(&format!("@{repeat}"));
        }
        Self(
            id.chars()
                .map(|c| if c.is_ascii_alphanumeric() || ".+_@-".contains(c) { c } else { '_' })
                .collect(),
        )
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
