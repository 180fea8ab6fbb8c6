mod cells;
mod own;
mod parts;
mod v007;

use std::ops::AddAssign;

use ha_core::sql::{split, words};

use crate::{Database, DatabaseError, Entry};
pub use parts::PartApplier;

/// Applies an entry to a database whose caller has opened a transaction, with triggers and
/// foreign keys off: their effects are changes of their own.
///
/// An entry of ours is applied as it was executed, each change to the one row it was made on.
/// An entry of v0.0.7 is applied as v0.0.7 does, by rowid and without regard to what is there,
/// except where that would lose what its maker did: values take their type from the declared
/// types here, a changed rowid is kept, `WITHOUT ROWID` tables work, values are matched to columns
/// by place, rows of `sqlite_sequence` by the tables they name. Temporary tables, statistics
/// (`sqlite_stat1`), pragmas that say nothing about the data and rows of R*Trees, which arrive
/// damaged, are ignored. Its SQL may ask for the time and for chance: whoever applies it decides
/// what they are, the same on every node.
///
/// # Errors
/// See [`ApplyError`]. What the entry did before the error is the caller's to roll back.
pub fn apply(db: &mut dyn Database, entry: &Entry) -> Result<Applied, ApplyError> {
    match &entry.meta {
        Some(_) => own::apply(db, &entry.changes),
        None => v007::apply(db, &entry.changes),
    }
}

/// What [`apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Row changes.
    pub rows: usize,
    /// SQL statements.
    pub statements: usize,
    /// Changes of v0.0.7 that had no row or mean nothing here.
    pub ignored: usize,
}

impl AddAssign for Applied {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.statements += more.statements;
        self.ignored += more.ignored;
    }
}

/// Why an entry was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// An entry of v0.0.7 that fails the same way on every node: skip it as a whole, as
    /// v0.0.7 rolls it back.
    #[error("the entry of v0.0.7 cannot be applied: {message} (SQLite code {code})")]
    Skip {
        /// SQLite's extended result code.
        code: i32,
        /// What failed.
        message: String,
    },
    /// The entry cannot be applied here and now. It must not be skipped.
    #[error("the entry cannot be applied: {message} (SQLite code {code})")]
    Stop {
        /// SQLite's extended result code.
        code: i32,
        /// What failed.
        message: String,
    },
    /// The database is not in the state that an entry of ours was made on.
    #[error("this database differs from the one in which table {table:?} was changed: {what}")]
    Diverged {
        /// The table.
        table: String,
        /// What was done to which row, and what came of it.
        what: String,
    },
    /// The parts of the entry contradict each other, for every node: the entry is void.
    #[error("{0}")]
    Malformed(String),
}

impl ApplyError {
    fn stop(error: DatabaseError) -> Self {
        Self::Stop { code: error.code, message: error.message }
    }
}

/// SQLite's primary result codes that are named here (<https://www.sqlite.org/rescode.html>).
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const AUTH: i32 = 23;
    pub(super) const RANGE: i32 = 25;

    pub(super) fn primary(extended: i32) -> i32 {
        extended & 0xff
    }
}

/// The statements of a change, without those that must not run inside the caller's
/// transaction: they are an error.
fn statements(change: &str) -> Result<Vec<&str>, DatabaseError> {
    let pieces = split(change);
    for piece in &pieces {
        let word = words(piece).next().unwrap_or_default();
        if OUTSIDE.contains(&word.as_str()) {
            return Err(failure(format!("{word} cannot be a part of an entry")));
        }
    }
    Ok(pieces)
}

fn failure(message: String) -> DatabaseError {
    DatabaseError { code: code::ERROR, message }
}

const OUTSIDE: [&str; 9] =
    ["ATTACH", "BEGIN", "COMMIT", "DETACH", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "VACUUM"];
