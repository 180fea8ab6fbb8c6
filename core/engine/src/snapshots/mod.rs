//! States of the database that are stored beside the log, so that the log need not be kept for
//! ever: taking them, finding the one to restore, fetching it, and trimming the log.

mod age;
mod check;
mod choose;
mod due;
mod fetch;
mod growth;
mod keeper;
mod room;
mod take;
mod trim;
mod unpack;

pub(crate) use age::first_after;
pub(crate) use fetch::{Seed, fetch};
pub(crate) use growth::Growth;
pub(crate) use keeper::Keeper;
pub use keeper::SnapshotOptions;
pub(crate) use room::Room;
pub use trim::Retention;
