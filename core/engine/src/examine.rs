use std::fs::{File, TryLockError};
use std::path::Path;

use ha_core::{Error, Result, Seq, Skipped};
use ha_sqlite::error;
use rusqlite::{Connection, OpenFlags};

use crate::begin::{Found, found};
use crate::health::skipped;

/// SQLITE_CORRUPT (<https://www.sqlite.org/rescode.html#corrupt>).
const CORRUPT: i32 = 11;

/// What a database file is and holds, told without changing it.
#[derive(Debug, Clone)]
pub struct Examined {
    /// A running process has locked it.
    pub in_use: bool,
    /// Its bytes; what stands in the write-ahead log beside it is not counted.
    pub bytes: u64,
    /// What it is, unless it is too damaged to tell. A foreign file's digest is not computed.
    pub found: Option<Found>,
    /// What SQLite says of its integrity; empty if it finds nothing wrong.
    pub damage: Vec<String>,
    /// How many entries of the log it keeps, the first of them and the last.
    pub kept: Option<(u64, Seq, Seq)>,
    /// How many entries were skipped, and the newest of them.
    pub skipped: (u64, Vec<Skipped>),
}

/// Examines a database file; `None` if there is none. `thorough` compares indexes with their
/// tables as well, which takes longer.
///
/// # Errors
/// When the file cannot be read, is no database, or was written by a newer version.
pub fn examine(path: &Path, thorough: bool) -> Result<Option<Examined>> {
    let context = || format!("read {}", path.display());
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err(Error::invalid(format!("{} is not a file", path.display()))),
        Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(failure) => return Err(Error::io(context(), &failure)),
    };
    // Before SQLite has locks on the file, which closing it would give up.
    let in_use = is_locked(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(error)?;
    let damage = damage(&conn, thorough)?;
    let found = match found(&conn) {
        Ok(found) => Some(found),
        Err(_) if !damage.is_empty() => None,
        Err(failure) => return Err(failure),
    };
    let has_position = matches!(found, Some(Found::Position(_)));
    // What is damaged may hide these.
    let kept = has_position.then(|| kept(&conn).ok().flatten()).flatten();
    let skipped = has_position.then(|| skipped(&conn).ok()).flatten().unwrap_or_default();
    Ok(Some(Examined { in_use, bytes, found, damage, kept, skipped }))
}

fn is_locked(path: &Path) -> Result<bool> {
    let context = || format!("open {}", path.display());
    let file = File::open(path).map_err(|failure| Error::io(context(), &failure))?;
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(failure)) => Err(Error::io(context(), &failure)),
    }
}

fn damage(conn: &Connection, thorough: bool) -> Result<Vec<String>> {
    let check = if thorough { "PRAGMA integrity_check(10)" } else { "PRAGMA quick_check(10)" };
    let lines = conn.prepare(check).and_then(|mut check| {
        check.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
    });
    match lines.map_err(error) {
        Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
        Err(Error::Sql { code, message, .. }) if code & 0xff == CORRUPT => Ok(vec![message]),
        Err(failure) => Err(failure),
    }
}

fn kept(conn: &Connection) -> rusqlite::Result<Option<(u64, Seq, Seq)>> {
    conn.query_row("SELECT count(*), min(seq), max(seq) FROM _ha_entries", [], |row| {
        let seq =
            |at| row.get::<_, Option<i64>>(at).map(|seq| seq.map(|seq| Seq(seq.unsigned_abs())));
        let count: i64 = row.get(0)?;
        Ok(seq(1)?.zip(seq(2)?).map(|(first, last)| (count.unsigned_abs(), first, last)))
    })
}

#[cfg(test)]
mod tests {
    use ha_core::{Lineage, RunningHash, Token};

    use super::*;
    use crate::machine::Position;
    use crate::store::{self, Record};

    fn database(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        (dir, path)
    }

    #[test]
    fn files_are_told_apart() {
        let (dir, path) = database("CREATE TABLE t(a)");
        assert!(examine(&dir.path().join("none"), false).unwrap().is_none());
        assert!(examine(dir.path(), false).is_err());
        let examined = examine(&path, true).unwrap().unwrap();
        assert!(matches!(examined.found, Some(Found::Foreign(_))));
        assert!(examined.damage.is_empty() && !examined.in_use && examined.bytes > 0);
        std::fs::write(
            dir.path().join("text"),
            "no database, but long enough to be one".repeat(99),
        )
        .unwrap();
        assert!(examine(&dir.path().join("text"), false).is_err());
        std::fs::write(dir.path().join("empty"), "").unwrap();
        let empty = examine(&dir.path().join("empty"), false).unwrap().unwrap();
        assert_eq!(empty.found, Some(Found::Nothing));
    }

    #[test]
    fn a_position_and_what_was_skipped_are_told_and_a_lock_is_seen() {
        let (_dir, path) = database("CREATE TABLE t(a)");
        let conn = Connection::open(&path).unwrap();
        let lineage = Lineage([7; 8]);
        let position = Position { lineage, seq: Seq(9), hash: RunningHash::default() };
        store::create(&conn).unwrap();
        store::write_record(&conn, &Record { position, transactions: 2 }, Some(b"x")).unwrap();
        conn.execute("INSERT INTO _ha_skipped VALUES(5, 'void')", []).unwrap();
        let lock = File::open(&path).unwrap();
        lock.lock().unwrap();
        let examined = examine(&path, false).unwrap().unwrap();
        assert_eq!(examined.found, Some(Found::Position(Token { lineage, seq: Seq(9), n: 2 })));
        assert_eq!(examined.kept, Some((1, Seq(9), Seq(9))));
        assert_eq!(examined.skipped, (1, vec![Skipped { seq: Seq(5), reason: "void".to_owned() }]));
        assert!(examined.in_use);
    }

    #[test]
    fn damage_is_found() {
        let (_dir, path) = database("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(20000))");
        let mut bytes = std::fs::read(&path).unwrap();
        let size = bytes.len();
        bytes[4_096..size].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        assert!(!examine(&path, false).unwrap().unwrap().damage.is_empty());
    }
}
