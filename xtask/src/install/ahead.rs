//! Downloads beside builds: what is to be built later is fetched while something else is being built.

use crate::install::cache::Cache;
use crate::install::lock::{LockedCriu, LockedEngine, LockedKernel, LockedUserland};
use crate::install::package::Package;
use crate::install::workshop::Workshop;
use crate::install::{criu, engine, kernel, userland};

/// What stacks are put together from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<'a> {
    /// A kernel.
    Kernel(&'a LockedKernel),
    /// A userland.
    Userland(&'a LockedUserland),
    /// A CRIU.
    Criu(&'a LockedCriu),
    /// An engine.
    Engine(&'a LockedEngine),
}

impl<'a> Part<'a> {
    /// The packages that building it takes; none once it is built, though the cache may have lost them since.
    fn wanted(self, cache: &Cache) -> &'a [Package] {
        let (kind, key, packages) = match self {
            Self::Kernel(it) => (kernel::KIND, it.key(), it.packages()),
            Self::Userland(it) => (userland::KIND, it.key(), it.packages()),
            Self::Criu(it) => (criu::KIND, it.key(), it.packages()),
            Self::Engine(it) => (engine::KIND, it.key(), &*it.packages),
        };
        if cache.is_built(kind, &key) { &[] } else { packages }
    }
}

impl Workshop<'_> {
    /// Fetches what these parts need, one after another, while `goes_on` and all can be had. Whoever builds a part asks
    /// for its packages again, and tells why one cannot be had.
    pub fn fetch_ahead(&self, parts: &[Part<'_>], goes_on: &dyn Fn() -> bool) {
        for part in parts.iter().take_while(|_| goes_on()) {
            if self.fetch(part.wanted(self.cache)).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::cache::CacheError;

    #[test]
    fn what_is_built_needs_no_packages() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(dir.path()).unwrap();
        let package = Package {
            name: "p".to_owned(),
            version: "1".to_owned(),
            arch: "all".to_owned(),
            size: 1,
            sha256: "00".to_owned(),
            uri: String::new(),
        };
        let packages = vec![package];
        let userland = LockedUserland::Debian { suite: "trixie".to_owned(), packages: packages.clone() };
        let part = Part::Userland(&userland);
        assert_eq!(part.wanted(&cache), packages);
        cache.built(userland::KIND, &userland.key(), &|_| {}, |_| Ok::<(), CacheError>(())).unwrap();
        assert!(part.wanted(&cache).is_empty());
    }
}
