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
mod tests {
    use super::*;

    fn database(sql: &str) -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        conn
    }

    fn hashed(sql: &str) -> StateHash {
        state(&database(sql), Seq(1), &AtomicBool::new(false)).unwrap()
    }

    /// The tables in which two states differ.
    fn differing(a: &str, b: &str) -> Vec<String> {
        let (a, b) = (hashed(a), hashed(b));
        assert_eq!(a.total == b.total, a.tables == b.tables);
        let differs =
            |(name, hash): &&(String, [u8; 32])| !b.tables.contains(&(name.clone(), *hash));
        a.tables.iter().filter(differs).map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn every_value_counts_with_its_type_and_place() {
        let rows = [
            "",
            "(NULL)",
            "(0)",
            "(0.0)",
            "(-0.0)",
            "('0')",
            "(x'30')",
            "('')",
            "(x'')",
            "(1)",
            "('1'),('2')",
            "('12')",
            "('2'),('1')",
            "(9e999)",
            "(CAST(x'ff' AS TEXT))",
            "('a' || char(0))",
            "('a')",
        ];
        let hash = |values: &str| {
            let insert = if values.is_empty() {
                String::new()
            } else {
                format!("INSERT INTO t VALUES{values}")
            };
            hashed(&format!("CREATE TABLE t(a); {insert}")).total
        };
        for (index, one) in rows.iter().enumerate() {
            for other in &rows[..index] {
                assert_ne!(hash(one), hash(other), "{one} {other}");
            }
            assert_eq!(hash(one), hash(one));
        }
    }

    #[test]
    fn rowids_count_where_nothing_else_tells_rows_apart() {
        let table = "CREATE TABLE t(a); INSERT INTO t(rowid, a) VALUES";
        assert_eq!(differing(&format!("{table}(1,1)"), &format!("{table}(2,1)")), ["t"]);
    }

    #[test]
    fn the_way_to_a_state_does_not_count() {
        let a = "CREATE TABLE a(x PRIMARY KEY, y DESC) WITHOUT ROWID; CREATE TABLE b(x UNIQUE, y);
                 INSERT INTO a VALUES(2,1),(1,2); INSERT INTO b VALUES(2,1),(1,2);
                 CREATE INDEX i ON b(y)";
        let b = "CREATE TABLE gone(x); CREATE TABLE b(x UNIQUE, y); DROP TABLE gone;
                 INSERT INTO b VALUES(2,1),(5,5),(1,2); DELETE FROM b WHERE x = 5;
                 UPDATE b SET rowid = 2 WHERE x = 1; CREATE INDEX i ON b(y);
                 CREATE TABLE a(x PRIMARY KEY, y DESC) WITHOUT ROWID; INSERT INTO a VALUES(1,2),(2,1); VACUUM";
        assert_eq!(hashed(a), hashed(b));
    }

    #[test]
    fn the_schema_and_the_numbers_of_a_database_count() {
        let base = "CREATE TABLE t(a)";
        for other in [
            "CREATE TABLE t(a INT)",
            "CREATE TABLE t(a); CREATE INDEX i ON t(a)",
            "CREATE TABLE t(a); CREATE VIEW v AS SELECT 1",
            "CREATE TABLE t(a); PRAGMA user_version = 1",
            "CREATE TABLE t(a); PRAGMA application_id = 1",
        ] {
            assert_eq!(differing(base, other), [SCHEMA], "{other}");
        }
    }

    #[test]
    fn of_our_own_tables_only_keys_count_and_those_that_are_remembered() {
        let ours =
            "CREATE TABLE t(a); CREATE TABLE _ha_position(a); CREATE TABLE _ha_keys(key, seq)";
        let other = format!("{ours}; INSERT INTO _ha_position VALUES(1)");
        assert!(differing(ours, &other).is_empty());
        assert_eq!(
            differing(ours, &format!("{ours}; INSERT INTO _ha_keys VALUES('k', 1)")),
            ["_ha_keys"]
        );
        let forgotten = format!("{ours}; INSERT INTO _ha_keys VALUES('k', -100000)");
        assert!(differing(ours, &forgotten).is_empty());
    }

    #[test]
    fn a_virtual_table_counts_by_the_tables_behind_it() {
        let table = "CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES";
        let different = differing(&format!("{table}('one')"), &format!("{table}('two')"));
        assert!(different.contains(&"f_content".to_owned()), "{different:?}");
        assert!(!different.contains(&"f".to_owned()), "{different:?}");
    }

    #[test]
    fn rows_of_megabytes_are_hashed_and_an_unwanted_hash_ends() {
        let large = "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(3000000)),(1)";
        assert!(hashed(large).bytes > 3_000_000);
        let many = "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n";
        let stopped = state(&database(many), Seq(1), &AtomicBool::new(true));
        assert_eq!(
            stopped.unwrap_err().sqlite_error_code(),
            Some(rusqlite::ErrorCode::OperationInterrupted)
        );
    }

    #[test]
    fn a_report_names_as_many_tables_as_there_is_room_for() {
        let all = hashed("CREATE TABLE a(x); CREATE TABLE b(x)");
        assert_eq!(all.clone().report(Seq(7), 10_000).tables.len(), 3);
        let report = all.report(Seq(7), 200);
        assert_eq!((report.mark, report.tables.len()), (Seq(7), 2));
    }
}
