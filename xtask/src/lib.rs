//! criu-matrix: which checkpoint/restore story works on which kernel, userland, CRIU and engine, and why not.
//!
//! The library behind `cargo xtask`. It is a pipe: plan, provision, run, record, judge, report.
//! The modules below stand in layers, lowest first; a module uses only lower ones, and `tests/layers.rs`
//! asserts it. ARCHITECTURE.md tells the rest.

pub mod model;

pub mod interrupt;
pub mod process;
pub mod toml_file;

pub mod diagnose;
pub mod known_bug;

pub mod record;
pub mod scenario;

pub mod engine;
pub mod guest;
pub mod install;

pub mod host;
pub mod plan;
pub mod script;

pub mod run;

pub mod judge;

pub mod report;

pub mod bundle;
pub mod results;

pub mod exit_code;

pub mod cli;
