//! Looking at a snapshot's database before anything is made of it.

use std::path::Path;

use ha_core::{Error, Result, SnapshotMeta};
use ha_sqlite::{Role, error};
use rusqlite::Connection;
use tempfile::NamedTempFile;

use super::Room;
use crate::heal::Kept;
use crate::store::{self, Record};

/// The position that a snapshot's database records, which must be the one it is described
/// with. Blocks.
///
/// # Errors
/// [`Error::Corrupt`].
pub(crate) fn check(file: &Path, meta: &SnapshotMeta, room: &Room) -> Result<Record> {
    sound(file, room)?;
    let conn = open(file, room)?;
    let record = store::read_record(&conn)?
        .ok_or_else(|| Error::Corrupt("the snapshot has no position in the log".to_owned()))?;
    let at = record.position;
    if (at.lineage, at.seq, at.hash) != (meta.lineage, meta.seq, meta.hash) {
        return Err(Error::Corrupt(format!(
            "the snapshot is of {}-{} and is described as of {}-{}",
            at.lineage, at.seq, meta.lineage, meta.seq
        )));
    }
    Ok(record)
}

/// The newest entries that a snapshot has applied. Blocks.
pub(super) fn kept(file: &Path, record: &Record, room: &Room) -> Result<Kept> {
    Kept::of(&open(file, room)?, record.position).map_err(damaged)
}

/// Whether SQLite finds the file sound. Checks of clients' constraints are theirs.
pub(super) fn sound(file: &Path, room: &Room) -> Result<()> {
    let conn = open(file, room)?;
    conn.pragma_update(None, "ignore_check_constraints", true).map_err(error)?;
    let found: String =
        conn.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(damaged)?;
    if found == "ok" { Ok(()) } else { Err(Error::Corrupt(format!("the snapshot: {found}"))) }
}

/// The file with pages of the size that the node's database has: SQLite restores no other.
/// Blocks.
pub(super) fn fitted(file: NamedTempFile, room: &Room) -> Result<NamedTempFile> {
    let wanted = page_size(&open(&room.database, room)?)?;
    let conn = open(file.path(), room)?;
    if page_size(&conn)? == wanted {
        return Ok(file);
    }
    let fitting = room.file()?;
    conn.execute_batch(&format!("PRAGMA page_size = {wanted}"))
        .and_then(|()| conn.execute("VACUUM INTO ?1", [fitting.path().to_string_lossy()]))
        .map_err(damaged)?;
    Ok(fitting)
}

fn page_size(conn: &Connection) -> Result<u32> {
    conn.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(damaged)
}

fn open(file: &Path, room: &Room) -> Result<Connection> {
    ha_sqlite::open(file, Role::Read, &room.open).map_err(damaged)
}

fn damaged(failure: rusqlite::Error) -> Error {
    match error(failure) {
        passing if store::is_passing(&passing) => passing,
        other => Error::Corrupt(format!("the snapshot: {other}")),
    }
}
