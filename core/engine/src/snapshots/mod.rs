//! States of the database that are stored beside the log, so that the log need not be kept for
//! ever: finding the one to restore, and fetching it.

mod check;
mod choose;
mod fetch;
mod room;
mod unpack;

pub(crate) use fetch::{Seed, fetch};
pub(crate) use room::Room;
