//! A failure as a folder that anybody can play again and attach to an issue: what is in it, from the record alone.
//! Knows no host; who plays it again is the command line.

mod failure;
mod issue;
mod machine;
mod outcome;
mod pack;
mod readme;
mod reproduce;
mod sections;
mod versions;

pub use failure::{Failure, Symptom};
pub use issue::{Known, issue};
pub use machine::{IN_VM, INIT, Machine, packages, reproduce_vm};
pub use outcome::{Replays, Verified};
pub use pack::{copy, pack};
pub use readme::{Holds, readme};
pub use reproduce::reproduce;
pub use sections::Sections;
pub use versions::versions;
