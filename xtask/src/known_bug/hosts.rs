//! Which hosts are meant, axis by axis.

use serde::{Deserialize, Serialize};

use super::{Pattern, Several};
use crate::model::HostAsk;

/// Hosts by what is asked for on each axis; an axis that is left out means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosts {
    /// The kernels.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub kernel: Several<Pattern>,
    /// The userlands.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub userland: Several<Pattern>,
    /// The CRIUs.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub criu: Several<Pattern>,
    /// The engines.
    #[serde(default, skip_serializing_if = "Several::is_empty")]
    pub engine: Several<Pattern>,
}

impl Hosts {
    /// Whether a host is among them. Nothing was played yet: what counts is what is asked for.
    pub fn mean(&self, host: &HostAsk) -> bool {
        self.axes(host).all(|(_, wanted, has)| any(wanted, has))
    }

    /// The first axis on which a host is none of them, with what is meant there: `kernel >= 7.1`.
    pub fn but_for(&self, host: &HostAsk) -> Option<String> {
        let (axis, wanted, _) = self.axes(host).find(|(_, wanted, has)| !any(wanted, has))?;
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Some(format!("{axis} {}", wanted.join(", ")))
    }

    /// Whether all are meant.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    fn axes<'a>(
        &'a self,
        host: &'a HostAsk,
    ) -> impl Iterator<Item = (&'static str, &'a Several<Pattern>, &'a str)> {
        [
            ("kernel", &self.kernel, host.kernel.as_str()),
            ("userland", &self.userland, &host.userland),
            ("CRIU", &self.criu, &host.criu),
            ("engine", &self.engine, &host.engine),
        ]
        .into_iter()
    }
}

fn any(wanted: &Several<Pattern>, has: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|it| it.means(has, ""))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", None)]
    #[case("kernel = '>= 7.1'", None)]
    #[case("kernel = '< 7.1'", Some("kernel < 7.1"))]
    #[case("criu = ['3.17.1', '4.3']", Some("CRIU 3.17.1, 4.3"))]
    #[case("engine = ['runc', 'docker']", None)]
    #[case("engine = 'docker >= 28'", Some("engine docker >= 28"))]
    #[case("userland = 'book*'", None)]
    fn a_host_is_meant(#[case] text: &str, #[case] but_for: Option<&str>) {
        let host = HostAsk {
            kernel: "7.2".into(),
            userland: "bookworm".into(),
            criu: "4.1.1".into(),
            engine: "docker@26.1.5".into(),
            cpu: "max".into(),
        };
        let hosts: Hosts = toml::from_str(text).unwrap();
        assert_eq!(hosts.mean(&host), but_for.is_none());
        assert_eq!(hosts.but_for(&host).as_deref(), but_for);
        assert_eq!(hosts.is_all(), text.is_empty());
    }
}
