//! `doctor`: looks, and changes nothing.

use super::{places, stacks};
use crate::exit_code::ExitCode;
use crate::install::machine::{self, NEEDED, Proof};
use crate::install::{self, Asks, Cache, Config, Mode, Workshop, libvirt};

pub(super) fn run() -> anyhow::Result<ExitCode> {
    for needed in NEEDED {
        let what = match needed.proof {
            Proof::Program(name) => name,
            Proof::File(path) => path,
        };
        let found = if needed.is_there() {
            needed.for_what.to_owned()
        } else {
            format!(
                "missing: package {} ({}); `cargo xtask setup` installs it",
                needed.package, needed.for_what
            )
        };
        line(needed.is_there(), what, &found);
    }
    let cache = Cache::open()?;
    for fact in machine::facts(&cache) {
        line(fact.good, &fact.name, &fact.found);
    }
    match accelerator(&cache) {
        Ok(found) => line(true, "accelerator", &found),
        Err(reason) => line(
            true,
            "accelerator",
            &format!("not tried yet, the first `cargo xtask matrix` does, by booting a guest ({reason:#})"),
        ),
    }
    // Not everybody wants Vagrant: that it cannot be used is no fault of the machine.
    match libvirt::answers() {
        Ok(version) => line(true, "vagrant", &format!("libvirt {version} answers")),
        Err(error) => line(true, "vagrant", &format!("not set up: {error}")),
    }
    Ok(if machine::missing(NEEDED).is_empty() { ExitCode::AsExpected } else { ExitCode::Broken })
}

/// Boots a guest from what the cache holds already: nothing is fetched for it.
fn accelerator(cache: &Cache) -> anyhow::Result<String> {
    let asks = Asks { kernels: vec!["6.12".to_owned()], ..Asks::default() };
    let quiet = |_: String| {};
    let mode = Mode { offline: true, locked: None };
    let lock = install::resolve(&asks, &Config::default(), cache, &mode, &quiet)?;
    let archives = Vec::new();
    let workshop = Workshop::new(&lock, cache, true, &archives, &quiet);
    let program = stacks::qemu(&workshop)?;
    let agent = install::agent(&places::root())?;
    let locked = lock.kernels.get("6.12").ok_or_else(|| anyhow::anyhow!("no kernel is cached"))?;
    let kernel = workshop.kernel(locked)?;
    let initrd = workshop.initrd(&kernel, &agent)?;
    let scratch = cache.scratch()?;
    let memory = cache.root().join(stacks::ACCELERATOR);
    let (accelerator, reason) = crate::host::probe(&program, &kernel.image, &initrd, scratch.path(), &memory);
    Ok(format!("{accelerator}: {reason}"))
}

fn line(good: bool, name: &str, found: &str) {
    println!("{} {name:12} {found}", if good { "ok     " } else { "MISSING" });
}
