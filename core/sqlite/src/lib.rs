//! SQLite as `ha` uses it: how connections are opened, which rows a transaction changed, and
//! what clients' SQL may do. The only crate of the core that calls SQLite's C interface.

mod capture;
mod counters;
mod guard;
mod interrupt;
mod moment;
mod open;
mod raw;
mod values;
mod vfs;

pub use capture::{Capture, Event, EventOp};
pub use counters::Counters;
pub use guard::{Guard, STATISTICS, Savepoint, SavepointOp, Seen, is_internal, names_internal};
pub use interrupt::{Clock, Interrupt, StopReason};
pub use moment::Moment;
pub use open::{Durability, OpenOptions, Role, open};
pub use raw::deferred_foreign_keys;
pub use values::{SqlValue, error, value_of};
pub use vfs::keep_files_private;
