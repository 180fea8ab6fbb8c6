//! The change message of `ha`: what it says ([`Entry`]), its bytes ([`encode`], [`decode`]),
//! and what it does to a database ([`apply`]).
//!
//! The bytes are the JSON of litesql/ha v0.0.7 with fields of our own beside it, so that nodes
//! and consumers of that version read our entries and we read theirs. What v0.0.7 would store
//! inexactly can be written in another [`Form`]. SQLite is reached over the small trait
//! [`Database`]; this crate links none.
//!
//! An entry that is larger than a message goes as several parts ([`encode_parts`], or
//! [`PartWriter`] while its changes come), which are put together again ([`Assembler`]) or applied one by one ([`PartApplier`]).

mod apply;
mod assembler;
mod audit;
mod change;
mod database;
mod decode;
mod encode;
mod entry;
mod error;
mod exact;
mod form;
mod names;
mod part;
mod run;
mod sequence;
mod statements;

pub use apply::{Applied, ApplyError, PartApplier, apply};
pub use assembler::Assembler;
pub use audit::{Audit, AuditReport};
pub use change::{Change, RowChange, RowOp, Table, TableColumn};
pub use database::{Database, DatabaseError};
pub use decode::{decode, decode_part};
pub use encode::{
    Encoded, MAX_PARTS, PartLimits, PartWriter, encode, encode_for, encode_parts, encode_parts_for,
};
pub use entry::{Base, BaseSnapshot, Entry, FORMAT_VERSION, Keyed, Kind, Meta, TransactionMark};
pub use error::Error;
pub use form::{Form, Trigger, Triggers};
pub use names::{quote_identifier, sequence_sql};
pub use part::Part;
pub use run::Progress;
