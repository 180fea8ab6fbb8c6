//! Comparing the states of all nodes.
//!
//! Somebody appends a *mark*. Every node that passes it hashes its state there, in the
//! background and on a snapshot of its own, and appends a *report*. Each compares the reports
//! with its own, and so learns whether its database still is the fold of the log.

mod feed;
mod hash;
mod ledger;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use ha_core::{Result, Seq};
use ha_sqlite::error;
use rusqlite::{Connection, OpenFlags};

use crate::store::read_record;

pub(crate) use hash::{StateHash, state};
pub(crate) use ledger::{Judged, Ledger, Verdict};

/// The hash of a database file's state, and of each of its tables by name, as nodes compare
/// them. Equal files have equal hashes, whatever each went through. Takes as long as reading
/// the file.
///
/// # Errors
/// When the file cannot be read or is no database.
pub fn fingerprint(path: &Path) -> Result<Vec<(String, [u8; 32])>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(error)?;
    conn.execute_batch("BEGIN").map_err(error)?;
    let at = read_record(&conn)?.map_or(Seq::ZERO, |record| record.position.seq);
    let hash = state(&conn, at, &AtomicBool::new(false)).map_err(error)?;
    Ok(hash.tables)
}
