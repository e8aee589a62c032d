//! An initrd that is none of ours: busybox, a script as `/init`, and the modules that the agent would load and some
//! more. For machines that are not the harness's own.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use super::initrd::{modules_of, pack};
use crate::install::error::InstallError;
use crate::install::kernel::Kernel;
use crate::install::lock::LockedUserland;
use crate::install::workshop::Workshop;

/// The package that has a busybox without libraries.
const PACKAGE: &str = "busybox-static";

impl Workshop<'_> {
    /// Makes it at `path`, with `init` as its `/init`, which `/bin/busybox` runs. `more` are further modules.
    ///
    /// # Errors
    /// When the userland is none of Debian's with a static busybox, or something cannot be read or written.
    pub fn plain_initrd(
        &self,
        kernel: &Kernel,
        userland: &LockedUserland,
        init: &str,
        more: &[&str],
        path: &Path,
    ) -> Result<(), InstallError> {
        let packages: Vec<_> =
            userland.packages().iter().filter(|package| package.name == PACKAGE).cloned().collect();
        if packages.is_empty() {
            return Err(InstallError::Unexpected {
                what: "the userland".to_owned(),
                difference: format!("it has no {PACKAGE}, which an initrd without the harness is made of"),
            });
        }
        let root = self.unpacked(&packages)?;
        let places = ["bin/busybox", "usr/bin/busybox"].map(|place| root.join(place));
        let busybox = places.iter().find(|place| place.is_file()).unwrap_or(&places[0]);
        let busybox = fs::read(busybox).map_err(InstallError::file(busybox))?;
        let programs = [("init", init.as_bytes()), ("bin/busybox", busybox.as_slice())];
        let file = File::create(path).map_err(InstallError::file(path))?;
        pack(&programs, &modules_of(kernel, more)?, BufWriter::new(file)).map_err(InstallError::file(path))
    }
}
