//! Why did it fail: the rules of `knowledge/`, held against the logs of one case.
//!
//! A case is what belongs to one failure: an engine's output, `dump.log`, `restore.log`, dmesg, or all of them pasted
//! into one text. It is read once, line by line; nothing here runs anything or looks at a clock.

mod case;
mod class;
mod context;
mod facts;
mod line;
mod prove;
mod reason;
mod rule;
mod rulebook;
#[cfg(test)]
mod tests;

pub use case::{Case, Log};
pub use class::Class;
pub use context::{Context, Fact};
pub use prove::{Finding, Judged, Outcome, judge_held_out, prove, quoted};
pub use reason::{Answer, Diagnosis, Evidence};
pub use rule::{Confidence, Role, Rule};
pub use rulebook::{Rulebook, RulebookError};
