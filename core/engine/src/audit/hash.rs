//! A state as hashes: equal on nodes that have folded the same entries, however each came to
//! its file.

use std::sync::atomic::{AtomicBool, Ordering};

use ha_changes::{AuditReport, Table};
use ha_core::Seq;
use rusqlite::Connection;

use super::feed::Feed;
use crate::store::{Tables, remembered, select_rows};

/// How the hashes are made. It is another number whenever the same state has other hashes.
const METHOD: u32 = 1;

/// What ANALYZE finds, of our own tables too, and in an order that is another on each connection
/// (<https://www.sqlite.org/fileformat2.html#stat1tab>).
const STATISTICS: &str = "sqlite_stat1";

/// How often it is looked whether the hash is still wanted, in rows.
const LOOK: u64 = 1_024;

/// The name of the schema among the tables.
const SCHEMA: &str = "sqlite_schema";

/// A table that SQLite makes when it needs it, and leaves out of copies when it is empty.
const SEQUENCES: &str = "sqlite_sequence";

/// A state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateHash {
    /// Over everything.
    pub(crate) total: [u8; 32],
    /// By name.
    pub(crate) tables: Vec<(String, [u8; 32])>,
    /// How many bytes of values were hashed.
    pub(crate) bytes: u64,
}

impl StateHash {
    /// The report of this state at `mark`, with the first tables if all would take more than
    /// `room` bytes.
    pub(crate) fn report(self, mark: Seq, room: usize) -> AuditReport {
        let mut left = room;
        let fits = |(name, _): &(String, [u8; 32])| {
            // A byte of a name takes six in JSON at most.
            let size = 6 * name.len() + 80;
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        };
        let tables = self.tables.into_iter().take_while(fits).collect();
        AuditReport { mark, method: METHOD, total: self.total, tables }
    }
}

/// Hashes the state of the open snapshot, which is that of `at`. Memory holds one row.
///
/// The tables are all that have rows, those behind virtual tables too; of our own only the
/// idempotency keys, which are replicated. The schema goes by names: the order of its rows is
/// another in a file that was copied.
///
/// # Errors
/// SQLite's; `SQLITE_INTERRUPT` once `unwanted`.
pub(crate) fn state(
    conn: &Connection,
    at: Seq,
    unwanted: &AtomicBool,
) -> rusqlite::Result<StateHash> {
    let mut tables = vec![(SCHEMA.to_owned(), schema(conn)?)];
    let mut bytes = 0;
    let mut known = Tables::default();
    for name in names(conn)? {
        let select = match name.as_str() {
            "_ha_keys" => remembered(at),
            STATISTICS => statistics(),
            _ => {
                let Some(table) = known.get(conn, &name)? else { continue };
                // The table itself gives its rows in the order of its key, an index would not.
                format!("{} NOT INDEXED{}", select_rows(&table), order(&table))
            }
        };
        let hashed = rows(conn, &select, unwanted)?;
        if name == SEQUENCES && hashed.rows == 0 {
            continue;
        }
        bytes += hashed.bytes;
        tables.push((name, hashed.finish()));
    }
    tables.sort();
    let mut total = Feed::default();
    for (name, hash) in &tables {
        total.text(name);
        total.bytes(hash);
    }
    Ok(StateHash { total: total.finish(), tables, bytes })
}

fn statistics() -> String {
    format!(
        "SELECT tbl, idx, stat FROM {STATISTICS} \
         WHERE tbl NOT LIKE '\\_ha\\_%' ESCAPE '\\' ORDER BY 1, 2, 3"
    )
}

fn order(table: &Table) -> String {
    table.rowid_name().map(|rowid| format!(" ORDER BY {rowid}")).unwrap_or_default()
}

fn names(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 \
         AND (name = '_ha_keys' OR name NOT LIKE '\\_ha\\_%' ESCAPE '\\')",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// What the schema says, and the numbers that belong to a database.
fn schema(conn: &Connection) -> rusqlite::Result<[u8; 32]> {
    let select = "SELECT type, name, tbl_name, sql FROM sqlite_schema \
         WHERE name NOT LIKE '\\_ha\\_%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_ha\\_%' ESCAPE '\\' \
         AND name <> 'sqlite_sequence' ORDER BY type, name";
    let mut feed = rows(conn, select, &AtomicBool::new(false))?;
    for name in ["user_version", "application_id"] {
        feed.integer(conn.pragma_query_value(None, name, |row| row.get(0))?);
    }
    Ok(feed.finish())
}

fn rows(conn: &Connection, select: &str, unwanted: &AtomicBool) -> rusqlite::Result<Feed> {
    let mut feed = Feed::default();
    let mut select = conn.prepare(select)?;
    let width = select.column_count();
    feed.integer(i64::try_from(width).unwrap_or(i64::MAX));
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        feed.row(row, width)?;
        feed.rows += 1;
        if feed.rows.is_multiple_of(LOOK) && unwanted.load(Ordering::Relaxed) {
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(9), None));
        }
    }
    Ok(feed)
}

#[cfg(test)]
mod tests;
