use std::sync::Arc;

use ha_core::Value;

use crate::Table;

/// A connection to SQLite with an open transaction, triggers and foreign keys off.
pub trait Database {
    /// Runs one statement to its end and returns how many rows an INSERT, UPDATE or DELETE
    /// changed. Parameters are bound by position; one without a value is NULL, a value
    /// without a parameter is ignored. Statements of row changes come again with the same
    /// text, so prepared ones are worth keeping.
    fn execute(&mut self, sql: &str, params: &[&Value]) -> Result<usize, DatabaseError>;

    /// The table of the main database by this name, with declared types; `None` if there is
    /// none. Asked only for entries of v0.0.7.
    fn table(&mut self, name: &str) -> Result<Option<Arc<Table>>, DatabaseError>;

    /// The places of a table's generated columns that are stored, among all of its columns. Asked
    /// only for entries of v0.0.7.
    fn generated(&mut self, table: &str) -> Result<Vec<usize>, DatabaseError>;

    /// Whether an R*Tree has this name; case does not matter. Asked only for entries of v0.0.7.
    fn is_rtree(&mut self, name: &str) -> Result<bool, DatabaseError>;

    /// SQL was executed: tables that were looked up before may have changed.
    fn schema_changed(&mut self);
}

/// What SQLite said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLite code {code})")]
pub struct DatabaseError {
    /// The extended result code (<https://www.sqlite.org/rescode.html>).
    pub code: i32,
    /// SQLite's own words.
    pub message: String,
}
