//! What every part of `ha` agrees on: positions in the log, the two plugin traits
//! ([`ChangeTransport`] and [`Frontend`]), what a front-end may ask of a node ([`Engine`],
//! [`Session`]), and the one error type that crosses these borders.
//!
//! Nothing here opens a socket, a file or a database.

mod body;
mod engine;
mod error;
mod feed;
mod frontend;
mod health;
#[cfg(feature = "json")]
pub mod json;
mod level;
mod position;
mod settings;
pub mod sql;
mod statement;
mod transaction;
mod transport;
mod value;

pub use engine::{
    Canceller, Engine, Outcome, Readiness, Session, SessionOptions, Snapshot, Status,
    TransactionOptions, TransactionState,
};
pub use error::{Error, Result};
pub use feed::{ChangeEvent, EventTable, Row, RowEvent, RowOp, Transaction, TransactionStream};
pub use frontend::{Frontend, Mishap, Shutdown, ShutdownTrigger, serve_clients};
pub use health::{AuditOutcome, Difference, Health, LogCopy, Members, Skipped, TransportHealth};
pub use level::{IdempotencyKey, ReadLevel};
pub use position::{AttemptId, AttemptName, Lineage, RunningHash, Seq, Token};
pub use settings::Settings;
pub use statement::{
    Batch, Column, Description, Limits, ParamDescription, Params, Reply, ResultSet, Statement,
};
pub use transaction::TransactionName;
pub use transport::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    SnapshotMeta, Stored,
};
pub use value::Value;
