//! Who drives CRIU. One engine a file; each lowers engine-neutral steps to commands, and runs none.

mod criu;
mod lowering;
mod sabotage;

pub use lowering::{Engine, Look, Probe, Refusal, WORK_FOLDER};
pub use sabotage::Sabotage;

use criu::Criu;

/// The names of all engines.
pub const NAMES: &[&str] = &["criu"];

/// The engine of this name, with a sabotage put into it where a test asks for one.
pub fn named(name: &str, sabotage: Option<Sabotage>) -> Option<Box<dyn Engine>> {
    match (name, sabotage) {
        ("criu", None) => Some(Box::new(Criu)),
        ("criu", Some(kind)) => Some(Box::new(sabotage::Sabotaged::new(Criu, kind))),
        _ => None,
    }
}
