use std::time::Duration;

use crate::{IdempotencyKey, ReadLevel, Token, Value};

/// A string of SQL and what its parameters are bound to. The string may hold several
/// statements; all run, and the result is the last one's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statement {
    /// SQL in SQLite's dialect.
    pub sql: String,
    /// The parameters.
    pub params: Params,
}

impl Statement {
    /// A statement without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Params::None }
    }

    /// A statement whose parameters are bound by position.
    pub fn with(sql: impl Into<String>, params: Vec<Value>) -> Self {
        Self { sql: sql.into(), params: Params::Positional(params) }
    }
}

/// Values for the parameters of a statement. A parameter without a value is an error, a value
/// without a parameter is not.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Params {
    /// None.
    #[default]
    None,
    /// By position: the first value for `?1`, and so on.
    Positional(Vec<Value>),
    /// By name. The prefix (`:`, `@`, `$`, `?`) of a name may be left out. A number names
    /// the parameter at that position.
    Named(Vec<(String, Value)>),
}

/// Statements that run as one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Batch {
    /// In the order of execution.
    pub statements: Vec<Statement>,
    /// What it may use.
    #[cfg_attr(feature = "json", serde(default))]
    pub limits: Limits,
    /// How new the state is that it sees. In an open transaction that of its
    /// [`crate::TransactionOptions`] counts instead.
    #[cfg_attr(feature = "json", serde(default))]
    pub reads: ReadLevel,
    /// If it writes, it does so at most once under this key, on all nodes together. Refused in
    /// an open transaction.
    ///
    /// A repetition is answered as the first time, without rows: [`ResultSet::changes`] and
    /// [`ResultSet::last_insert_rowid`] of each string, and the position. A batch that failed is
    /// not remembered, and one that only reads ignores the key.
    #[cfg_attr(feature = "json", serde(default))]
    pub key: Option<IdempotencyKey>,
}

/// What one call may use. `None` means no limit of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Limits {
    /// Time to execute, without the time to replicate.
    #[cfg_attr(feature = "json", serde(rename = "time_ms", with = "crate::json::milliseconds"))]
    pub time: Option<Duration>,
    /// Rows of one result.
    pub rows: Option<usize>,
    /// Bytes of all results of the call.
    pub bytes: Option<usize>,
}

/// The answer to a [`Batch`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Reply {
    /// One per statement string, in order.
    pub results: Vec<ResultSet>,
    /// The state that was read or made. For a read, the newest entry inside its snapshot.
    pub position: Token,
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct ResultSet {
    /// Empty for a statement that returns no rows by its nature.
    pub columns: Vec<Column>,
    /// The rows, each as wide as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Rows that an INSERT, UPDATE or DELETE changed; 0 for any other statement.
    pub changes: u64,
    /// SQLite's last_insert_rowid() in this transaction; 0 before the first insert.
    pub last_insert_rowid: i64,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Column {
    /// Its name, as SQLite gives it.
    pub name: String,
    /// The declared type of the table column it comes from, as it was written.
    pub decl_type: Option<String>,
    /// The table and column it comes from.
    pub origin: Option<(String, String)>,
}

/// What a statement takes and gives, told without executing it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Description {
    /// One per parameter, in the order of their numbers.
    pub params: Vec<ParamDescription>,
    /// Empty for a statement that returns no rows.
    pub columns: Vec<Column>,
    /// The statement changes nothing.
    pub read_only: bool,
}

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct ParamDescription {
    /// Its name with the prefix, or `None` for `?`.
    pub name: Option<String>,
}
