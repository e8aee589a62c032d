//! What can be had now, for `hosts`.

use crate::install::apt::Apt;
use crate::install::cache::Cache;
use crate::install::config::Config;
use crate::install::error::InstallError;
use crate::install::{index, kernels, offers};
use crate::model::Recipe;

/// What the configured suites and the user's own tables offer.
#[derive(Clone, Debug, Default)]
pub struct Available {
    /// Whole kernels, oldest first.
    pub kernels: Vec<AvailableKernel>,
    /// Kernels that an index names and that cannot be had.
    pub incomplete: Vec<Incomplete>,
    /// Userlands.
    pub userlands: Vec<AvailableUserland>,
    /// CRIUs, oldest first.
    pub crius: Vec<AvailableCriu>,
    /// Engines, by name, each oldest first.
    pub engines: Vec<AvailableEngine>,
}

/// A kernel that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableKernel {
    /// `6.12`; `own` for the user's.
    pub series: String,
    /// What `--kernel` takes for exactly this one: `6.12.117+deb13`, or the table's name.
    pub name: String,
    /// The packages' version; the image's path for the user's.
    pub version: String,
    /// Which suite has it.
    pub suite: String,
    /// Whether it is the newest of its series: what `--kernel 6.12` means.
    pub newest: bool,
    /// Bytes to download.
    pub bytes: u64,
    /// Whether nothing is left to download.
    pub cached: bool,
}

/// A kernel that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Its release without the flavour.
    pub name: String,
    /// Which suite names it.
    pub suite: String,
    /// Which packages no suite has.
    pub reason: String,
}

/// A userland that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableUserland {
    /// The suite.
    pub name: String,
    /// The suites that are taken together with it.
    pub with: Vec<String>,
}

/// A CRIU that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableCriu {
    /// What `--criu` takes: upstream's version, or the table's name.
    pub name: String,
    /// The package's version; the binary's path for the user's.
    pub version: String,
    /// Which suite has it.
    pub suite: String,
    /// Bytes of the package itself.
    pub bytes: u64,
    /// Whether the package itself is in the cache.
    pub cached: bool,
}

/// An engine that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableEngine {
    /// What `--engine` takes for exactly this one: `docker@28.5.2`.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// Which suite has it.
    pub suite: String,
    /// Bytes of the package itself.
    pub bytes: u64,
    /// Whether the package itself is in the cache.
    pub cached: bool,
}

/// What can be had now. `recipes` are the engines to look for, by name.
///
/// # Errors
/// When the package lists cannot be had.
pub fn available(
    config: &Config,
    cache: &Cache,
    offline: bool,
    recipes: &[(&str, Recipe)],
    tell: &dyn Fn(String),
) -> Result<Available, InstallError> {
    let apt = Apt::open(config, cache, offline, tell)?;
    let stanzas = index::stanzas(&apt, cache, &config.kernel_flavour)?;
    let mut available = Available::default();
    let catalogue = kernels::catalogue(&stanzas, &config.kernel_flavour);
    for kernel in &catalogue {
        if !kernel.missing.is_empty() {
            let reason = format!("no suite has {}", kernel.missing.join(", "));
            let (name, suite) = (kernel.abi.clone(), kernel.suite.clone());
            available.incomplete.push(Incomplete { name, suite, reason });
            continue;
        }
        let series = kernel.series();
        let newest = kernels::choose(&catalogue, &series).is_ok_and(|it| it.kernel.version == kernel.version);
        available.kernels.push(AvailableKernel {
            newest,
            series,
            name: kernel.abi.clone(),
            version: kernel.version.to_string(),
            suite: kernel.suite.clone(),
            bytes: kernel.packages.iter().map(|package| package.size).sum(),
            cached: kernel.packages.iter().all(|package| cache.blob(&package.sha256).is_some()),
        });
    }
    available.kernels.extend(config.kernels.iter().map(|(name, own)| AvailableKernel {
        series: "own".to_owned(),
        name: name.clone(),
        version: own.vmlinuz.display().to_string(),
        suite: "own".to_owned(),
        newest: true,
        bytes: 0,
        cached: true,
    }));
    available.userlands = config
        .suites
        .iter()
        .filter(|suite| suite.userland)
        .map(|suite| AvailableUserland { name: suite.name.clone(), with: suite.with.clone() })
        .collect();
    available.crius = offers::catalogue(&stanzas, "criu")
        .into_iter()
        .map(|criu| AvailableCriu {
            name: criu.upstream,
            version: criu.version.to_string(),
            suite: criu.suite,
            bytes: criu.bytes,
            cached: cache.blob(&criu.sha256).is_some(),
        })
        .collect();
    available.crius.extend(config.crius.iter().map(|(name, own)| AvailableCriu {
        name: name.clone(),
        version: own.path.display().to_string(),
        suite: "own".to_owned(),
        bytes: 0,
        cached: true,
    }));
    let packages = recipes.iter().map(|(_, recipe)| recipe.package).collect();
    let stanzas = index::named(&apt, cache, &packages)?;
    for (name, recipe) in recipes {
        available.engines.extend(offers::catalogue(&stanzas, recipe.package).into_iter().map(|offer| {
            AvailableEngine {
                name: format!("{name}@{}", offer.upstream),
                version: offer.version.to_string(),
                suite: offer.suite,
                bytes: offer.bytes,
                cached: cache.blob(&offer.sha256).is_some(),
            }
        }));
    }
    Ok(available)
}
