//! A transport for ha over Redis Streams: the log is a stream whose IDs are the sequences
//! (`7-0` is entry 7), written by a script that keeps the promises of an append; snapshots are
//! hashes of pieces beside it.
//!
//! What makes it sound: Redis runs a script as a whole, so that the condition of an entry is
//! looked at and its parts are stored in one step; the entry carries the name of the try, so that
//! one that is sent again is found where it was stored; and every element carries the lineage, so
//! that a log that was begun anew is never taken for the old one.

mod append;
mod element;
mod link;
mod log;
mod options;
mod portion;
mod server;
mod snapshots;
mod subscription;
mod transport;

pub use transport::{Redis, open};

ha_plugin::declare_plugin!(name: "redis", transport: open);
