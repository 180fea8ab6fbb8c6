//! The change message of `ha`: what it says ([`Entry`]), its bytes ([`encode`], [`decode`]),
//! and what it does to a database ([`apply`]).
//!
//! The bytes are the JSON of litesql/ha v0.0.7 with fields of our own beside it, so that nodes
//! and consumers of that version read our entries and we read theirs. SQLite is reached over
//! the small trait [`Database`]; this crate links none.

mod apply;
mod change;
mod database;
mod decode;
mod encode;
mod entry;
mod error;
mod exact;
mod names;
mod statements;

pub use apply::{Applied, ApplyError, apply};
pub use change::{Change, RowChange, RowOp, Table, TableColumn};
pub use database::{Database, DatabaseError};
pub use decode::decode;
pub use encode::encode;
pub use entry::{Base, BaseSnapshot, Entry, FORMAT_VERSION, Kind, Meta, TransactionMark};
pub use error::Error;
pub use names::{quote_identifier, sequence_sql};
