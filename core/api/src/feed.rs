use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::BoxStream;

use crate::{Result, Token, Value};

/// Committed transactions, as [`crate::Engine::changes`] tells them; an error ends it.
pub type TransactionStream = BoxStream<'static, Result<Arc<Transaction>>>;

/// A committed client transaction, as [`crate::Engine::changes`] tells it.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Transaction {
    /// Its place in the log. A feed that is asked for what comes after it goes on with the next.
    pub position: Token,
    /// The node that executed it, if the log tells.
    pub node: Option<String>,
    /// That node's wall clock when it did, if the log tells. It orders nothing.
    #[cfg_attr(feature = "json", serde(rename = "at_ns", with = "crate::json::maybe_time"))]
    pub at: Option<SystemTime>,
    /// What it did, in the order of execution, the effects of triggers and cascades included.
    /// Empty if it did nothing that lasts.
    pub changes: Vec<ChangeEvent>,
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum ChangeEvent {
    /// A row was inserted, updated or deleted.
    Row(RowEvent),
    /// SQL that rows cannot express: `CREATE TABLE`, a change of `sqlite_sequence`,
    /// `PRAGMA user_version`.
    Sql {
        /// One or more statements.
        sql: String,
        /// What its parameters are bound to, by position. Only writers other than `ha` send any.
        params: Vec<Value>,
    },
}

/// What happened to one row. Tables of virtual tables appear under their own names.
///
/// In a transaction that a node of v0.0.7 executed, everything is what its message says, and that
/// is no more than JSON's scalars: blobs may be text, integers beyond 2^53 inexact, a rowid of 0 is
/// `None`, a table that was altered meanwhile may have more columns than values.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct RowEvent {
    /// Whose row; rows of one table share it as far as possible.
    pub table: Arc<EventTable>,
    /// What happened.
    pub op: RowOp,
}

/// How a row changed.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum RowOp {
    /// It is new.
    Insert {
        /// What it is.
        new: Row,
    },
    /// It has other values, perhaps another key.
    Update {
        /// What it was.
        old: Row,
        /// What it is.
        new: Row,
    },
    /// It is gone.
    Delete {
        /// What it was.
        old: Row,
    },
}

/// A row at one moment.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Row {
    /// `None` in a `WITHOUT ROWID` table.
    pub rowid: Option<i64>,
    /// One value for each of [`EventTable::columns`].
    pub values: Vec<Value>,
}

/// The table of a [`RowEvent`], as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct EventTable {
    /// Its name, not quoted.
    pub name: String,
    /// The names of its stored columns, not quoted; generated ones are left out.
    pub columns: Vec<String>,
    /// The places in `columns` of those of the primary key, in the order of the key; empty if
    /// there is none or the log does not tell.
    pub key: Vec<usize>,
}

impl RowEvent {
    /// The row before, unless it is new.
    #[must_use]
    pub fn before(&self) -> Option<&Row> {
        match &self.op {
            RowOp::Insert { .. } => None,
            RowOp::Update { old, .. } | RowOp::Delete { old } => Some(old),
        }
    }

    /// The row after, unless it is gone.
    #[must_use]
    pub fn after(&self) -> Option<&Row> {
        match &self.op {
            RowOp::Insert { new } | RowOp::Update { new, .. } => Some(new),
            RowOp::Delete { .. } => None,
        }
    }
}
