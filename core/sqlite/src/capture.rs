#![allow(unsafe_code)]

mod recording;
mod row;

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::rc::Rc;

use rusqlite::{Connection, ffi};

use crate::guard::is_internal;
pub use recording::{Event, EventOp};
use recording::{Recording, least_bytes};
use row::row;

/// Records the row changes of one connection: those of triggers and cascades, of REPLACE and
/// of unqualified DELETE too. Rows that SQLite takes back (a failed statement, `ROLLBACK TO`)
/// are not taken back here. Our own tables and SQLite's statistics are left out, and
/// `sqlite_sequence`, which moves without events as well.
#[derive(Debug)]
pub struct Capture {
    conn: Rc<Connection>,
    events: Box<RefCell<Recording>>,
}

impl Capture {
    /// Starts recording on `conn`.
    #[must_use]
    pub fn install(conn: Rc<Connection>) -> Self {
        let events = Box::<RefCell<Recording>>::default();
        let context = std::ptr::from_ref(&*events).cast_mut().cast::<c_void>();
        // SAFETY: the handle is open while `conn` lives, which `Self` keeps alive; `context`
        // points into a box that `Self` owns and that is dropped only after the hook was
        // removed in `drop`. Connection and box stay on one thread: `Rc` is not `Send`.
        unsafe { ffi::sqlite3_preupdate_hook(conn.handle(), Some(on_change), context) };
        Self { conn, events }
    }

    /// The changes recorded since the last call, in order.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.borrow_mut().events)
    }

    /// Whether `sqlite_sequence` was written by a statement, not only moved by an insert, since
    /// this was last asked.
    pub fn wrote_sequences(&self) -> bool {
        std::mem::take(&mut self.events.borrow_mut().wrote_sequences)
    }

    /// From now on at most about `bytes` of changes are recorded, as they travel; rather more.
    /// The statement that exceeds them is interrupted, and with it its transaction.
    pub fn allow(&self, bytes: usize) {
        let mut recording = self.events.borrow_mut();
        (recording.left, recording.is_exceeded) = (bytes, false);
    }

    /// Whether more has changed than [`Self::allow`] said. What was recorded is then not all.
    pub fn is_exceeded(&self) -> bool {
        self.events.borrow().is_exceeded
    }

    /// Forgets what was recorded since the last [`Self::take`].
    pub fn discard(&self) {
        self.events.borrow_mut().events.clear();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: the handle is still open; removing the hook leaves no pointer to the box.
        unsafe { ffi::sqlite3_preupdate_hook(self.conn.handle(), None, std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn on_change(
    context: *mut c_void,
    db: *mut ffi::sqlite3,
    op: c_int,
    database: *const c_char,
    table: *const c_char,
    old_rowid: i64,
    new_rowid: i64,
) {
    // SAFETY: SQLite passes valid NUL-terminated names for the time of the call.
    let (database, table) = unsafe { (CStr::from_ptr(database), CStr::from_ptr(table)) };
    let table = table.to_bytes();
    if database.to_bytes() != b"main" || is_internal(table) {
        return;
    }
    // SAFETY: `context` is the box that `install` passed; it lives until the hook is removed,
    // and SQLite calls back only on the connection's own thread, never re-entrantly.
    let recording = unsafe { &*context.cast::<RefCell<Recording>>() };
    if table.starts_with(b"sqlite_") {
        recording.borrow_mut().wrote_sequences |= table == b"sqlite_sequence";
        return;
    }
    let op = match op {
        ffi::SQLITE_INSERT => EventOp::Insert,
        // SAFETY: inside the callback of `db`.
        ffi::SQLITE_DELETE if unsafe { ffi::sqlite3_preupdate_blobwrite(db) } >= 0 => {
            EventOp::Overwrite
        }
        ffi::SQLITE_DELETE => EventOp::Delete,
        _ => EventOp::Update,
    };
    let old = if op == EventOp::Insert { Vec::new() } else { row(db, ffi::sqlite3_preupdate_old) };
    let new = match op {
        EventOp::Delete | EventOp::Overwrite => Vec::new(),
        EventOp::Insert | EventOp::Update => row(db, ffi::sqlite3_preupdate_new),
    };
    let mut recording = recording.borrow_mut();
    if recording.has_room_for(least_bytes(&old) + least_bytes(&new)) {
        recording.push(table, |table| Event { table, op, old_rowid, new_rowid, old, new });
    } else {
        // SAFETY: `db` is open inside its own callback.
        unsafe { ffi::sqlite3_interrupt(db) };
    }
}

#[cfg(test)]
mod tests {
    use ha_core::Value;

    use super::*;

    fn capture(schema: &str) -> (Rc<Connection>, Capture) {
        let conn = Rc::new(Connection::open_in_memory().unwrap());
        conn.execute_batch(schema).unwrap();
        (Rc::clone(&conn), Capture::install(conn))
    }

    #[test]
    fn replaced_rows_and_unqualified_deletes_are_seen_row_by_row() {
        let (conn, capture) = capture("CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)");
        conn.execute_batch("INSERT INTO t VALUES(1,'x'),(2,'y')").unwrap();
        assert_eq!(capture.take().len(), 2);
        conn.execute_batch("REPLACE INTO t VALUES(1,'y'); DELETE FROM t").unwrap();
        let ops: Vec<_> = capture.take().iter().map(|event| event.op).collect();
        use EventOp::{Delete, Insert};
        assert_eq!(ops, [Delete, Delete, Insert, Delete]);
    }

    #[test]
    fn virtual_generated_columns_have_no_value_and_do_not_end_the_row() {
        let (conn, capture) = capture("CREATE TABLE t(a, v AS (a+1), s AS (a+2) STORED, z)");
        conn.execute_batch("INSERT INTO t(a,z) VALUES(1,'end')").unwrap();
        let new = &capture.take()[0].new;
        assert_eq!(new[1], None);
        assert_eq!(new[3], Some(Value::from("end")));
    }

    #[test]
    fn an_overwritten_value_is_no_delete() {
        let (conn, capture) = capture("CREATE TABLE t(a); INSERT INTO t VALUES(x'0102')");
        capture.discard();
        conn.blob_open("main", "t", "a", 1, false).unwrap().write_at(&[7], 0).unwrap();
        let event = capture.take().remove(0);
        assert_eq!((event.op, event.old_rowid), (EventOp::Overwrite, 1));
        assert_eq!(event.old, [Some(Value::Blob(vec![1, 2]))]);
    }

    #[test]
    fn a_statement_on_sequences_is_told_and_an_insert_that_moves_one_is_not() {
        let (conn, capture) = capture("CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)");
        conn.execute_batch("INSERT INTO t DEFAULT VALUES").unwrap();
        assert!(!capture.wrote_sequences());
        for sql in ["UPDATE sqlite_sequence SET seq = 9", "DELETE FROM sqlite_sequence"] {
            conn.execute_batch("INSERT INTO t DEFAULT VALUES").unwrap();
            conn.execute_batch(sql).unwrap();
            assert!(capture.wrote_sequences(), "{sql}");
            assert!(!capture.wrote_sequences(), "{sql}");
        }
    }

    #[test]
    fn a_statement_that_changes_more_than_allowed_is_interrupted() {
        let (conn, capture) = capture("CREATE TABLE t(a)");
        capture.allow(10_000);
        conn.execute_batch("INSERT INTO t VALUES(1),(2)").unwrap();
        assert!(!capture.is_exceeded());
        let endless = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) \
                       SELECT i FROM n";
        let error = conn.execute_batch(endless).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
        assert!(capture.is_exceeded());
        assert!(capture.take().len() <= 100);
        capture.allow(10_000);
        conn.execute_batch("INSERT INTO t VALUES(3)").unwrap();
        assert_eq!((capture.take().len(), capture.is_exceeded()), (1, false));
    }

    #[test]
    fn temporary_and_internal_tables_are_left_out() {
        let (conn, capture) = capture("CREATE TABLE _ha_x(a); CREATE TEMP TABLE t(a)");
        conn.execute_batch("INSERT INTO _ha_x VALUES(1); INSERT INTO t VALUES(1)").unwrap();
        assert_eq!(capture.take(), []);
    }
}
