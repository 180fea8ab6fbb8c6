//! Database files as they are on the disk.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::store::{self, Record};

/// The bytes of a database file and of its WAL.
#[derive(Clone)]
pub(super) struct Image {
    database: Vec<u8>,
    wal: Vec<u8>,
}

impl Image {
    /// A database without a WAL.
    pub(super) fn of(database: Vec<u8>) -> Self {
        Self { database, wal: Vec::new() }
    }

    /// The files as they are.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = |path: PathBuf| std::fs::read(path).unwrap_or_default();
        Self { database: bytes(path.to_owned()), wal: bytes(beside(path, "-wal")) }
    }

    /// The database in one file, as it is when its last connection was closed.
    pub(super) fn whole(&self, path: &Path) -> Vec<u8> {
        self.write(path);
        let conn = Connection::open(path).expect("it can be opened");
        conn.pragma_query(None, "schema_version", |_| Ok(())).expect("it is readable");
        drop(conn);
        let whole = Self::read(path);
        assert!(whole.wal.is_empty(), "it was in use");
        remove(path);
        whole.database
    }

    /// The database in one file, and where it stands.
    pub(super) fn pack(&self, path: &Path) -> (Vec<u8>, Record) {
        self.write(path);
        let conn = Connection::open(path).expect("it can be opened");
        conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .expect("nobody else has it");
        let record = store::read_record(&conn).expect("it is readable").expect("it has one");
        drop(conn);
        let packed = Self::read(path).database;
        remove(path);
        (packed, record)
    }

    /// Leaves so many bytes of the WAL, of as many as there are.
    pub(super) fn tear(&mut self, left: impl FnOnce(u64) -> u64) {
        let left = left(self.wal.len() as u64);
        self.wal.truncate(usize::try_from(left).expect("it is not longer"));
    }

    /// Makes the files these.
    pub(super) fn write(&self, path: &Path) {
        remove(path);
        std::fs::write(path, &self.database).expect("there is room");
        if !self.wal.is_empty() {
            std::fs::write(beside(path, "-wal"), &self.wal).expect("there is room");
        }
    }
}

/// Removes a database.
pub(super) fn remove(path: &Path) {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let _ = std::fs::remove_file(file);
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
