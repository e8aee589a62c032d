//! The modules of a kernel as an ext4 image, which a guest mounts at /lib/modules: so what the kernel asks for by
//! itself (`request_module`) is found, as on a real host. CRIU's dump of a network needs modules that nobody names.

use std::path::PathBuf;

use crate::install::cache;
use crate::install::error::InstallError;
use crate::install::ext4::Ext4;
use crate::install::kernel::Kernel;
use crate::install::workshop::Workshop;
use crate::process;

/// Change it when an image comes to look different.
const RECIPE: &str = "modules 1";

impl Workshop<'_> {
    /// The modules of that kernel, ready to be given to a guest.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn modules(&self, kernel: &Kernel) -> Result<PathBuf, InstallError> {
        let dir = self.built("modules", &cache::key([RECIPE, &kernel.key]), |dir| {
            let tree = dir.join("tree");
            // The trees of `build` and `source`, where they lead to one, are not for a guest.
            let from = kernel.modules.join("lib/modules");
            process::output(process::command("cp").args(["-r", "--no-dereference"]).arg(&from).arg(&tree))?;
            let how = Ext4 { label: "modules", uuid: "c51c0000-0000-4000-8000-000000000004", room_mib: 0 };
            self.ext4_of_tree(&tree, &dir.join("modules.ext4"), &how)
        })?;
        Ok(dir.join("modules.ext4"))
    }
}
