//! The connections that read.

mod reader;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ha_core::{Batch, Error, Result};
use ha_sqlite::{Clock, Guard, OpenOptions, Role, error};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::host;
pub(crate) use reader::{Read, Reader};

/// How long a read waits for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// The connections that read. They neither wait for the writer nor hold it up.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    options: OpenOptions,
    /// So many connections are kept open.
    kept: usize,
    idle: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
}

/// One connection, taken from the pool until it is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    reader: Option<Reader>,
    pool: Arc<Readers>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, options: OpenOptions, count: usize) -> Self {
        let kept = count.max(1);
        let permits = Arc::new(Semaphore::new(kept));
        Self { path, options, kept, idle: Mutex::default(), permits }
    }

    /// A connection for one read, as soon as one is free.
    ///
    /// # Errors
    /// [`Error::NotReady`] if none is for too long.
    pub(crate) async fn lend(self: &Arc<Self>) -> Result<Lent> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let Ok(permit) = tokio::time::timeout(PATIENCE, permit).await else {
            return Err(Error::NotReady(
                "all reading connections are busy; raise --concurrent-queries".to_owned(),
            ));
        };
        Ok(self.take(Some(permit.map_err(|_| Error::Closed)?)))
    }

    /// Looks at one state of the database.
    pub(crate) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        run: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut lent = self.lend().await?;
        host::blocking(move || {
            let reader = lent.reader()?;
            reader.begin()?;
            let seen = run(reader);
            reader.end()?;
            seen
        })
        .await?
    }

    /// A connection for as long as a transaction takes. It does not count against those of
    /// single reads: its client may think for long, and front-ends bound how many there are.
    pub(crate) fn lend_for_long(self: &Arc<Self>) -> Lent {
        self.take(None)
    }

    fn take(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Lent {
        let reader = self.idle.lock().pop();
        Lent { reader, pool: Arc::clone(self), _permit: permit }
    }

    fn open(&self) -> Result<Reader> {
        let mut conn = ha_sqlite::open(&self.path, Role::Read, &self.options).map_err(error)?;
        let guard = Guard::install(&mut conn).map_err(error)?;
        let clock = Clock::install(&mut conn).map_err(error)?;
        Ok(Reader::new(conn, guard, clock))
    }
}

impl Lent {
    /// The connection; it is opened now if the pool had none. Blocks.
    pub(crate) fn reader(&mut self) -> Result<&mut Reader> {
        if self.reader.is_none() {
            self.reader = Some(self.pool.open()?);
        }
        self.reader.as_mut().ok_or(Error::Closed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        let ended = reader.end();
        let mut idle = self.pool.idle.lock();
        if ended.is_ok() && idle.len() < self.pool.kept {
            idle.push(reader);
        }
    }
}

/// Whether a statement can only be a write, told by its first word; saves a look at it by a
/// reader.
pub(crate) fn surely_writes(batch: &Batch) -> bool {
    batch.statements.iter().any(|statement| {
        let first = ha_core::sql::first_keyword(&statement.sql);
        matches!(
            first.as_str(),
            "INSERT"
                | "UPDATE"
                | "DELETE"
                | "REPLACE"
                | "CREATE"
                | "DROP"
                | "ALTER"
                | "SAVEPOINT"
                | "RELEASE"
                | "ANALYZE"
                | "REINDEX"
        )
    })
}
