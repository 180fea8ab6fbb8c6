#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, ffi};

/// The counters of a connection that several clients share: `last_insert_rowid()` and
/// `total_changes()` say nothing of what was done before the last [`Self::reset`].
#[derive(Debug, Clone)]
pub struct Counters(Arc<AtomicI64>);

impl Counters {
    /// Puts a `total_changes()` of our own in the place of SQLite's.
    ///
    /// # Errors
    /// SQLite's, if the connection is unusable.
    pub fn install(conn: &Connection) -> rusqlite::Result<Self> {
        let counters = Self(Arc::default());
        let before = Arc::clone(&counters.0);
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        conn.create_scalar_function("total_changes", 0, flags, move |context| {
            Ok(total_of(context)? - before.load(Ordering::Relaxed))
        })?;
        Ok(counters)
    }

    /// Begins at nothing. `changes()` is SQLite's: any statement resets it.
    pub fn reset(&self, conn: &Connection) {
        self.0.store(total(conn), Ordering::Relaxed);
        // SAFETY: the handle is open as long as `conn` is borrowed; the call sets a field.
        unsafe { ffi::sqlite3_set_last_insert_rowid(conn.handle(), 0) }
    }
}

fn total_of(context: &Context<'_>) -> rusqlite::Result<i64> {
    // SAFETY: the reference is used only inside the function's call, on its thread.
    unsafe { context.get_connection() }.map(|conn| total(&conn))
}

fn total(conn: &Connection) -> i64 {
    // SAFETY: the handle is open as long as `conn` is borrowed; the call reads a field.
    unsafe { ffi::sqlite3_total_changes64(conn.handle()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_before_is_not_counted() {
        let conn = Connection::open_in_memory().unwrap();
        let counters = Counters::install(&conn).unwrap();
        let total = || {
            conn.query_row("SELECT total_changes(), last_insert_rowid()", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .unwrap()
        };
        conn.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)").unwrap();
        counters.reset(&conn);
        assert_eq!(total(), (0, 0));
        conn.execute_batch("INSERT INTO t VALUES(3); UPDATE t SET a = 0").unwrap();
        assert_eq!(total(), (4, 3));
    }
}
