//! The database file, to be read beside the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ha_core::{Result, Seq};
use ha_sqlite::error;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{host, store};

/// The database file of a node, to be read before there is a writer and beside it. Clones share one connection:
/// to open one takes as long as a hundred reads, since SQLite reads the schema anew. It changes
/// neither the file nor what is beside it, not even when it is closed.
#[derive(Debug, Clone)]
pub(crate) struct KeptFile {
    path: PathBuf,
    conn: Arc<Mutex<Option<Connection>>>,
}

impl KeptFile {
    /// The file at `path`; it is opened when something is asked.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), conn: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// From which entry on the database has the log, if it has not all of it.
    pub(crate) async fn partial_since(&self) -> Result<Option<Seq>> {
        self.ask(|conn| store::partial_since(conn).map_err(error)).await
    }

    /// Reads something, away from async code, one after the other.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = self.clone();
        host::blocking(move || file.read(read)).await?
    }

    /// As [`Self::ask`], on this thread.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut shared = self.conn.lock();
        let conn = match shared.take() {
            Some(conn) => conn,
            None => open(&self.path).map_err(error)?,
        };
        // One that has failed is not asked again.
        let answer = read(&conn)?;
        *shared = Some(conn);
        Ok(answer)
    }

    /// Closes the file; whoever asks again opens it again.
    pub(crate) fn close(&self) {
        let conn = self.conn.lock().take();
        drop(conn);
    }
}

/// A node's own file is in WAL mode, whose index even readers may have to make.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}
