#![allow(unsafe_code)]

use std::path::PathBuf;

use rusqlite::{Connection, LoadExtensionGuard, ffi};

/// Whether deferred foreign keys are violated in the open transaction: its COMMIT would fail.
/// Releasing a savepoint does not check them (`SQLITE_DBSTATUS_DEFERRED_FKS`).
#[must_use]
pub fn deferred_foreign_keys(conn: &Connection) -> bool {
    let (mut current, mut high) = (0, 0);
    // SAFETY: the handle is open as long as `conn` is borrowed, and both out-pointers point
    // to live integers.
    let rc = unsafe {
        ffi::sqlite3_db_status(
            conn.handle(),
            ffi::SQLITE_DBSTATUS_DEFERRED_FKS,
            &raw mut current,
            &raw mut high,
            0,
        )
    };
    rc != ffi::SQLITE_OK || current != 0
}

/// Loads extensions that the operator named. SQL cannot load any, before or after.
pub(crate) fn load_extensions(conn: &Connection, files: &[PathBuf]) -> rusqlite::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    // SAFETY: no SQL of a client runs on this connection before the guard is dropped.
    let _enabled = unsafe { LoadExtensionGuard::new(conn) }?;
    for file in files {
        // SAFETY: the operator trusts the library with the whole process, see `OpenOptions`.
        unsafe { conn.load_extension(file, None::<&str>) }?;
    }
    Ok(())
}
