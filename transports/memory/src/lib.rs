//! Two transports without a server.
//!
//! [`Memory`] is the reference for what a transport promises: nodes of one process share a
//! [`MemoryLog`], which can also fail on demand, and then always in the same way.
//! [`Local`] replicates nothing: a single node counts its entries with it.

mod fault;
mod local;
mod log;
mod memory;
mod state;
mod subscription;

pub use fault::{Fault, Spoil};
pub use local::Local;
pub use log::{MemoryLog, MemoryOptions};
pub use memory::Memory;
