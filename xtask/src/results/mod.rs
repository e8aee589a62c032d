//! Results of earlier runs: a cell whose inputs are what they were is not played again. Knows what a cell is made of,
//! and where its record and logs are kept; nothing of how it was judged but what it was judged by.

mod inputs;
mod store;

pub use inputs::{Common, Inputs};
pub use store::{Found, Store};
