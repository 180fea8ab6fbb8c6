mod seen;

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::{AuthContext, Authorization};

pub use seen::{Savepoint, SavepointOp, Seen};

/// The prefix of our own tables; clients may read them and nothing else.
const INTERNAL: &[u8] = b"_ha_";

/// Why nobody writes SQLite's statistics: their rows stand in another order on each node, and are
/// not captured.
pub const STATISTICS: &str = "writing SQLite's statistics; use ANALYZE";

/// Whether a table is one of our own.
#[must_use]
pub fn is_internal(table: &[u8]) -> bool {
    table.get(..INTERNAL.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(INTERNAL))
}

/// Whether a name in the statement is one of our own: SQLite does not tell the authorizer what
/// a table is renamed to.
#[must_use]
pub fn names_internal(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    let in_a_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte) || *byte >= 0x80;
    (0..bytes.len()).any(|at| {
        is_internal(&bytes[at..])
            && !at.checked_sub(1).is_some_and(|before| in_a_name(&bytes[before]))
    })
}

/// Decides what clients' SQL may do, by SQLite's authorizer, and tells what a statement that
/// was just prepared would do.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    trusted: bool,
    seen: Seen,
}

impl Guard {
    /// Installs the rules on a connection.
    ///
    /// # Errors
    /// SQLite's, if the connection is unusable.
    pub fn install(conn: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self(Arc::default());
        let state = Arc::clone(&guard.0);
        conn.authorizer(Some(move |context: AuthContext<'_>| state.lock().judge(&context)))?;
        Ok(guard)
    }

    /// Runs our own SQL, which may do everything.
    pub fn trusted<T>(&self, run: impl FnOnce() -> T) -> T {
        self.0.lock().trusted = true;
        let result = run();
        self.0.lock().trusted = false;
        result
    }

    /// Prepares a client's statement by `prepare` and tells what it would do.
    pub fn watch<T>(&self, prepare: impl FnOnce() -> T) -> (T, Seen) {
        self.0.lock().seen = Seen::default();
        let result = prepare();
        (result, std::mem::take(&mut self.0.lock().seen))
    }
}

impl State {
    fn judge(&mut self, context: &AuthContext<'_>) -> Authorization {
        if self.trusted {
            return Authorization::Allow;
        }
        match self.seen.refusal(context) {
            None => Authorization::Allow,
            Some(refusal) => {
                self.seen.refused.get_or_insert(refusal);
                Authorization::Deny
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn guarded() -> (Connection, Guard) {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t(a); CREATE TABLE _ha_position(a)").unwrap();
        let guard = Guard::install(&mut conn).unwrap();
        (conn, guard)
    }

    #[test]
    fn ways_out_are_refused_with_what_they_are() {
        let (conn, guard) = guarded();
        for sql in [
            "ATTACH ':memory:' AS x",
            "ATTACH '/etc/passwd' AS x",
            "DETACH main",
            "VACUUM",
            "VACUUM INTO '/tmp/x'",
            "SELECT load_extension('/tmp/x')",
            "PRAGMA writable_schema=1",
            "PRAGMA journal_mode=DELETE",
            "PRAGMA foreign_keys=0",
            "PRAGMA temp_store_directory='/tmp'",
            "PRAGMA wal_checkpoint",
            "PRAGMA defer_foreign_keys=1",
            "SELECT * FROM pragma_wal_checkpoint",
            "CREATE TEMP TABLE x(a)",
            "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TEMP VIEW x AS SELECT 1",
            "CREATE VIRTUAL TABLE temp.x USING fts5(a)",
            "UPDATE _ha_position SET a=1",
            "DELETE FROM _HA_position",
            "DROP TABLE _ha_position",
            "ALTER TABLE _ha_position ADD b",
            "CREATE TABLE _ha_mine(a)",
            "CREATE VIRTUAL TABLE _ha_mine USING fts5(a)",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM _ha_position; END; INSERT INTO t VALUES(1)",
            "CREATE TRIGGER y AFTER UPDATE ON _ha_position BEGIN SELECT 1; END",
            "SAVEPOINT _ha_tx",
        ] {
            let (result, seen) = guard.watch(|| conn.execute_batch(sql));
            assert!(result.is_err(), "{sql}");
            assert!(seen.refused.is_some() || sql.contains("pragma_"), "{sql}");
        }
    }

    #[test]
    fn what_a_statement_would_do_is_told() {
        let (conn, guard) = guarded();
        let seen = |sql: &str| guard.watch(|| conn.prepare(sql).map(drop)).1;
        let create = seen("CREATE TABLE u AS SELECT 1");
        assert!(create.schema && create.selects);
        assert_eq!(create.creates_table.as_deref(), Some("u"));
        assert!(!seen("CREATE TABLE u(a CHECK (a > 1) DEFAULT (1+1))").selects);
        assert_eq!(seen("DROP TABLE t").drops_table.as_deref(), Some("t"));
        assert!(seen("ANALYZE").maintenance);
        assert!(seen("PRAGMA user_version=3").sets_pragma);
        assert!(!seen("PRAGMA user_version").sets_pragma);
        assert!(seen("PRAGMA user_version").asks_pragma);
        assert_eq!(seen("SELECT count(*) FROM T").reads, BTreeSet::from(["t".to_owned()]));
        assert!(seen("BEGIN").transaction);
        let savepoint = seen("ROLLBACK TO \"A\"").savepoint.unwrap();
        assert_eq!((savepoint.op, savepoint.name.as_str()), (SavepointOp::RollbackTo, "a"));
        assert!(!seen("INSERT INTO t SELECT 1").schema);
    }

    #[test]
    fn names_of_our_own_are_found_in_a_text() {
        for sql in
            ["ALTER TABLE t RENAME TO _ha_t", "_HA_t", "x \"_ha_t\"", "main._ha_t", "[_ha_t]"]
        {
            assert!(names_internal(sql), "{sql}");
        }
        for sql in ["", "t", "a_ha_t", "$_ha_t", "é_ha_t", "__ha_t", "_ha"] {
            assert!(!names_internal(sql), "{sql}");
        }
    }

    #[test]
    fn our_own_sql_may_do_everything() {
        let (conn, guard) = guarded();
        guard.trusted(|| conn.execute_batch("UPDATE _ha_position SET a=1")).unwrap();
        assert!(conn.execute_batch("UPDATE _ha_position SET a=2").is_err());
    }
}
