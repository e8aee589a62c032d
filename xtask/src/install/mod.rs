//! What a guest is made of: exact packages, fetched, verified and built into images, all in one cache.
//!
//! [`resolve()`] turns what was asked for into a [`Lock`]; a [`Workshop`] builds what the lock names.
//! Nothing here knows scenarios, cells or guests.

mod agent;
mod ahead;
mod apt;
mod available;
mod cache;
mod clean;
mod config;
mod confine;
mod container_image;
mod criu;
mod crius;
mod deb;
mod elf;
mod engine;
mod engine_tree;
mod engines;
mod error;
mod ext4;
mod fetch;
mod hold;
mod index;
mod initrd;
mod kernel;
mod kernels;
pub mod libvirt;
mod lock;
pub mod machine;
mod memo;
mod modules;
mod offers;
mod package;
mod plain_initrd;
mod qemu;
mod relocate;
mod resolve;
mod userland;
mod vagrant_box;
mod vmlinux;
mod workloads;
mod workshop;

pub use agent::agent;
pub use ahead::Part;
pub use available::{
    Available, AvailableCriu, AvailableEngine, AvailableKernel, AvailableUserland, Incomplete, available,
};
pub use cache::{Cache, CacheError};
pub use clean::{Cleaned, Entry};
pub use config::{Config, ConfigError, OwnCriu, OwnKernel, Suite};
pub use criu::Criu;
pub use elf::{identity_of_program, is_newer};
pub use engine::{ENGINE_INTO_PLACE, Engine};
pub use engines::{EngineAsk, engine_key};
pub use error::InstallError;
pub use fetch::{Download, downloads};
pub use hold::{Bound, Held};
pub use initrd::WANTED;
pub use kernel::Kernel;
pub use lock::{Lock, LockError, LockedCriu, LockedEngine, LockedKernel, LockedUserland, Tools};
pub use package::Package;
pub use qemu::Qemu;
pub(crate) use resolve::hash_tree;
pub use resolve::{Asks, Mode, resolve};
pub use userland::Userland;
pub use vagrant_box::VagrantBox;
pub use workshop::Workshop;

pub(crate) use cache::{hash_file, hash_files, key, write_whole};
pub(crate) use workshop::free_mib;
