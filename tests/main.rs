//! The integration tests: one binary, so that it is linked once; one module a subject.
//!
//! What needs a guest runs when `XTASK_TEST_GUESTS=1` is set, as `cargo xtask test` does; without it those tests say
//! so and end. What needs a container engine on this machine runs where one answers. They share one cache, the user's own, so that nothing is fetched twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod agent;
mod as_is;
mod cli;
mod containers;
mod earlier;
mod engines;
mod knowledge;
mod known_bugs;
mod layers;

mod moves;
mod nightly;
mod repro;
mod resume;
mod runner;
mod sabotage;
mod same_ticks;
mod scenario_files;
mod scripts;
mod support;
mod vagrant;
mod warm;
