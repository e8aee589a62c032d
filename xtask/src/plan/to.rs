//! The destinations of moves: axes that are crossed with those of the sources.

use serde::Deserialize;

use crate::model::HostAsk;

/// `[to]`: the axes on which the destination is asked for by itself. On the others it is like its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct To {
    /// Kernels. Default: the source's.
    pub kernel: Vec<String>,
    /// Userlands. Default: the source's.
    pub userland: Vec<String>,
    /// CRIUs. Default: the source's.
    pub criu: Vec<String>,
    /// Engines. Default: the source's.
    pub engine: Vec<String>,
    /// CPU models. Default: the source's.
    pub cpu: Vec<String>,
}

impl To {
    /// Whether nothing is crossed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Where a program of this host is moved to.
    pub(super) fn hosts(&self, from: &HostAsk) -> Vec<HostAsk> {
        let Self { kernel, userland, criu, engine, cpu } = self;
        let pairs = [
            (kernel, &from.kernel),
            (userland, &from.userland),
            (criu, &from.criu),
            (engine, &from.engine),
            (cpu, &from.cpu),
        ];
        let axes = pairs.map(|(given, own)| if given.is_empty() { vec![own.clone()] } else { given.clone() });
        crossed(axes.each_ref())
    }
}

/// Every combination of kernels, userlands, CRIUs, engines and CPU models, each once; hosts of one kernel and userland
/// stand together.
pub(super) fn crossed([kernels, userlands, crius, engines, cpus]: [&Vec<String>; 5]) -> Vec<HostAsk> {
    let mut hosts = Vec::new();
    for kernel in kernels {
        for userland in userlands {
            for criu in crius {
                for engine in engines {
                    for cpu in cpus {
                        let host = HostAsk {
                            kernel: kernel.clone(),
                            userland: userland.clone(),
                            criu: criu.clone(),
                            engine: engine.clone(),
                            cpu: cpu.clone(),
                        };
                        if !hosts.contains(&host) {
                            hosts.push(host);
                        }
                    }
                }
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_that_is_not_named_stays() {
        let from = HostAsk {
            kernel: "6.1".to_owned(),
            userland: "bookworm".to_owned(),
            criu: "4.1.1".to_owned(),
            engine: "criu".to_owned(),
            cpu: "max".to_owned(),
        };
        let to = To { kernel: vec!["6.12".to_owned(), "7.2".to_owned()], ..To::default() };
        let expected = ["6.12", "7.2"].map(|kernel| HostAsk { kernel: kernel.to_owned(), ..from.clone() });
        assert_eq!(to.hosts(&from), expected);
    }
}
