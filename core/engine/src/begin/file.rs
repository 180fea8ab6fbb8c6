//! What a database file is, before the node touches it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use ha_core::{Error, Result, Seq, Token};
use ha_sqlite::error;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use crate::heal::KeptFile;
use crate::store::{self, Record};

/// What a database file is, before the node touches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is no file, or it holds nothing.
    Nothing,
    /// It has a position in a log.
    Position(Token),
    /// It has content and no position; the SHA-256 of the file as it is.
    Foreign([u8; 32]),
}

/// Locks a database file against other nodes on this machine, for as long as the file lives;
/// makes it if it does not exist.
///
/// # Errors
/// When another node has it.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let context = || format!("open the database file {}", path.display());
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|failure| Error::io(context(), &failure))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::config(
            path.display().to_string(),
            "another process uses this database file; stop it, or choose another file",
        )),
        Err(TryLockError::Error(failure)) => Err(Error::io(context(), &failure)),
    }
}

/// What a database file is. It is not changed, and not opened if it does not exist.
///
/// # Errors
/// When the file cannot be read, is no database, or was written by a newer version.
pub fn inspect(path: &Path) -> Result<Found> {
    Ok(match look(&KeptFile::at(path))? {
        Looked::Nothing => Found::Nothing,
        Looked::Position(Record { position, transactions }) => {
            Found::Position(Token { lineage: position.lineage, seq: position.seq, n: transactions })
        }
        Looked::Foreign(digest) => Found::Foreign(digest),
    })
}

/// What an open database is; a foreign one without its digest.
pub(crate) fn found(conn: &Connection) -> Result<Found> {
    let empty = store::is_empty(conn).map_err(error)?;
    Ok(match store::read_record(conn)? {
        Some(Record { position, transactions }) if position.seq > Seq::ZERO || empty => {
            Found::Position(Token { lineage: position.lineage, seq: position.seq, n: transactions })
        }
        _ if empty => Found::Nothing,
        _ => Found::Foreign([0; 32]),
    })
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Looked {
    Nothing,
    Position(Record),
    Foreign([u8; 32]),
}

pub(super) fn look(file: &KeptFile) -> Result<Looked> {
    let path = file.path();
    let context = || format!("read the database file {}", path.display());
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => {}
        Ok(_) => return Ok(Looked::Nothing),
        Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Looked::Nothing);
        }
        Err(failure) => return Err(Error::io(context(), &failure)),
    }
    if let Some(record) = peek(file)? {
        return Ok(Looked::Position(record));
    }
    let digest = digest(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(error)?;
    let unusable = |failure| Error::Corrupt(format!("{}: {}", path.display(), error(failure)));
    if let Some(record) = store::read_record(&conn)
        .map_err(|failure| Error::Corrupt(format!("{}: {failure}", path.display())))?
    {
        // Content that was never written through a log is nobody's fold.
        if record.position.seq > Seq::ZERO || store::is_empty(&conn).map_err(unusable)? {
            return Ok(Looked::Position(record));
        }
    }
    let empty = store::is_empty(&conn).map_err(unusable)?;
    Ok(if empty { Looked::Nothing } else { Looked::Foreign(digest) })
}

/// The position that the file records, if it is beyond the beginning of its log. Neither the file
/// nor what is beside it is changed: what has none is told by its bytes.
fn peek(file: &KeptFile) -> Result<Option<Record>> {
    let path = file.path();
    if beside(path, "-journal").exists() {
        return Ok(None);
    }
    let unusable = |failure| Error::Corrupt(format!("{}: {failure}", path.display()));
    let record = file.read(|conn| store::read_record(conn).map_err(unusable))?;
    let record = record.filter(|record| record.position.seq > Seq::ZERO);
    if record.is_none() {
        file.close();
    }
    Ok(record)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

/// The SHA-256 of the file as it is; of what a crash left beside it too, which is a part of
/// the database.
pub(super) fn digest(path: &Path) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    add_file(&mut hash, path)?;
    for suffix in ["-wal", "-journal"] {
        let beside = beside(path, suffix);
        if beside.exists() {
            add_file(&mut hash, &beside)?;
        }
    }
    Ok(hash.finalize().into())
}

pub(super) fn add_file(hash: &mut Sha256, path: &Path) -> Result<()> {
    let context = || format!("read the database file {}", path.display());
    let mut file = std::fs::File::open(path).map_err(|failure| Error::io(context(), &failure))?;
    std::io::copy(&mut file, hash).map_err(|failure| Error::io(context(), &failure))?;
    Ok(())
}
