//! The provider `local`: this machine as it is. Nothing is booted, and nothing of it is an axis but CRIU.

mod host;
mod provider;

pub use provider::Local;
