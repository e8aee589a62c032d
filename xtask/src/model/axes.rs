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

impl HostAsk {
    /// What stands on the axes of a machine that is taken as it is.
    pub const AS_IS: &str = "as-is";

    /// Whether a machine is meant as it is.
    pub fn is_as_it_is(&self) -> bool {
        self.kernel == Self::AS_IS
    }
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
        Self::of(&id)
    }

    /// A move's: behind the source's own id, `@to-` and what is another on the destination, axis by axis, or `@to-same`.
    pub fn moved(scenario: &str, host: &HostAsk, destination: &HostAsk, repeat: u32) -> Self {
        let mut other: Vec<String> = Vec::new();
        let mut say = |mark: &str, here: &String, there: &String| {
            if here != there {
                other.push(format!("{mark}{there}"));
            }
        };
        say("k", &host.kernel, &destination.kernel);
        say("", &host.userland, &destination.userland);
        say("c", &host.criu, &destination.criu);
        say("", &host.engine, &destination.engine);
        say("", &host.cpu, &destination.cpu);
        let other = if other.is_empty() { "same".to_owned() } else { other.join("-") };
        let mut id = format!("{}@to-{other}", Self::new(scenario, host, 1));
        if repeat > 1 {
            id.push_str(&format!("@{repeat}"));
        }
        Self::of(&id)
    }

    fn of(id: &str) -> Self {
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

#[cfg(test)]
impl HostAsk {
    /// A host for tests.
    pub(crate) fn sample() -> Self {
        let [kernel, userland, criu, engine, cpu] =
            ["6.12", "trixie", "4.1.1", "criu", "max"].map(str::to_owned);
        Self { kernel, userland, criu, engine, cpu }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kernel: &str, cpu: &str) -> HostAsk {
        HostAsk {
            kernel: kernel.to_owned(),
            userland: "bookworm".to_owned(),
            criu: "4.1.1".to_owned(),
            engine: "criu".to_owned(),
            cpu: cpu.to_owned(),
        }
    }

    #[rstest::rstest]
    #[case(host("6.1", "max"), 1, "m@k6.1@bookworm@c4.1.1@criu@max@to-same")]
    #[case(host("6.12", "Westmere"), 2, "m@k6.1@bookworm@c4.1.1@criu@max@to-k6.12-Westmere@2")]
    fn a_move_says_what_changes(#[case] to: HostAsk, #[case] repeat: u32, #[case] expected: &str) {
        assert_eq!(CellId::moved("m", &host("6.1", "max"), &to, repeat).as_str(), expected);
    }
}
