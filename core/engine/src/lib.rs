//! One node of `ha`: an SQLite database that is the fold of the replicated log.
//!
//! [`Node::start`] opens a database, compares it with the log behind a
//! [`ha_core::ChangeTransport`], follows the log and executes clients' transactions. What may
//! be committed when is decided in [`machine`], which has no I/O; one thread owns all writing
//! to SQLite, a pool of connections reads.

pub mod machine;

mod audit;
mod begin;
mod chain;
mod claim;
mod examine;
mod feed;
mod heal;
mod health;
mod host;
mod lag;
mod node;
mod options;
mod outcome;
mod planted;
mod readers;
mod session;
mod shared;
#[cfg(test)]
mod simulation;
mod snapshot;
mod snapshots;
mod stall;
mod store;
mod writer;

pub use audit::fingerprint;
pub use begin::{BeginAt, Found, inspect};
pub use examine::{Examined, examine};
pub use heal::lost_entries;
pub use node::Node;
pub use options::NodeOptions;
pub use snapshots::{Retention, SnapshotOptions};
