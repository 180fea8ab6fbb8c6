#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::rc::Rc;

use ha_core::Value;
use rusqlite::{Connection, ffi};

use crate::guard::is_internal;

/// A row change, as SQLite's preupdate hook reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The table in the main database.
    pub table: Rc<str>,
    /// What happened.
    pub op: EventOp,
    /// The rowid before; meaningless for an insert and for WITHOUT ROWID tables.
    pub old_rowid: i64,
    /// The rowid after; meaningless for a delete and for WITHOUT ROWID tables.
    pub new_rowid: i64,
    /// The row before, by table column; `None` for virtual generated columns. Empty for an
    /// insert.
    pub old: Vec<Option<Value>>,
    /// The row after. Empty for a delete and an overwritten value.
    pub new: Vec<Option<Value>>,
}

/// The kind of a row change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOp {
    /// A new row.
    Insert,
    /// A changed row.
    Update,
    /// A removed row.
    Delete,
    /// Bytes of a value were overwritten in place, as full-text indexes do. The row before is
    /// known, the row after is to be read.
    Overwrite,
}

/// Records the row changes of one connection: those of triggers and cascades, of REPLACE and
/// of unqualified DELETE too. Rows that SQLite takes back (a failed statement, `ROLLBACK TO`)
/// are not taken back here. Our own tables and SQLite's statistics are left out, and
/// `sqlite_sequence`, which moves without events as well.
#[derive(Debug)]
pub struct Capture {
    conn: Rc<Connection>,
    events: Box<RefCell<Recording>>,
}

#[derive(Debug)]
struct Recording {
    events: Vec<Event>,
    table: Option<Rc<str>>,
    wrote_sequences: bool,
    /// Bytes that may still be recorded.
    left: usize,
    is_exceeded: bool,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            table: None,
            wrote_sequences: false,
            left: usize::MAX,
            is_exceeded: false,
        }
    }
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

/// How many bytes the values take at least when they travel.
fn least_bytes(row: &[Option<Value>]) -> usize {
    row.iter()
        .flatten()
        .map(|value| match value {
            Value::Null | Value::Integer(_) | Value::Real(_) => 2,
            Value::Text(text) => text.len(),
            Value::RawText(bytes) | Value::Blob(bytes) => bytes.len() / 3 * 4,
        })
        .sum()
}

/// A change takes so many bytes besides its values.
const LEAST_CHANGE: usize = 100;

impl Recording {
    fn has_room_for(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes + LEAST_CHANGE) {
            Some(left) if !self.is_exceeded => self.left = left,
            _ => self.is_exceeded = true,
        }
        !self.is_exceeded
    }

    fn push(&mut self, table: &[u8], event: impl FnOnce(Rc<str>) -> Event) {
        let name = match &self.table {
            Some(name) if name.as_bytes() == table => Rc::clone(name),
            _ => Rc::from(String::from_utf8_lossy(table)),
        };
        self.table = Some(Rc::clone(&name));
        self.events.push(event(name));
    }
}

type Column = unsafe extern "C" fn(*mut ffi::sqlite3, c_int, *mut *mut ffi::sqlite3_value) -> c_int;

fn row(db: *mut ffi::sqlite3, column: Column) -> Vec<Option<Value>> {
    // SAFETY: called only inside the preupdate callback of `db`.
    let count = unsafe { ffi::sqlite3_preupdate_count(db) };
    (0..count)
        .map(|index| {
            let mut value = std::ptr::null_mut();
            // SAFETY: inside the callback of `db`, with an index below the column count.
            let rc = unsafe { column(db, index, &raw mut value) };
            // A virtual generated column has no stored value (SQLITE_RANGE).
            (rc == ffi::SQLITE_OK && !value.is_null()).then(|| copy(value))
        })
        .collect()
}

fn copy(value: *mut ffi::sqlite3_value) -> Value {
    // SAFETY: `value` is a protected value that SQLite keeps until the callback returns;
    // text and blob pointers are read before any other call on it, with the length SQLite
    // gives for that representation.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => {
                let text = ffi::sqlite3_value_text(value);
                Value::text(bytes(text, ffi::sqlite3_value_bytes(value)))
            }
            ffi::SQLITE_BLOB => {
                let blob = ffi::sqlite3_value_blob(value).cast();
                Value::Blob(bytes(blob, ffi::sqlite3_value_bytes(value)).to_vec())
            }
            _ => Value::Null,
        }
    }
}

/// # Safety
/// `start` must be null or point to `length` bytes that live as long as the result is used.
unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller's promise.
        Ok(length) if !start.is_null() => unsafe { std::slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
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
