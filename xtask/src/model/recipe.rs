//! Of which packages something is made that drives CRIU in a guest.

/// What Debian packages an engine is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The package whose version is the engine's: `docker.io`.
    pub package: &'static str,
    /// Further packages whose files go along. `a|b` is the first of them that the suite has; what it has not at all
    /// is left out.
    pub with: &'static [&'static str],
    /// Libraries that its programs open at run time, and name nowhere: `libcriu.so.2`. They come out of the same
    /// packages, and are left out where those hold none.
    pub opened: &'static [&'static str],
}

impl Recipe {
    /// The names of all packages that it may ask for.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.package).chain(self.with.iter().flat_map(|names| names.split('|')))
    }
}
