use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ha_core::{Batch, Description, Error, Reply, Result, ResultSet, Statement, Token};
use ha_sqlite::{Clock, Guard, Interrupt, OpenOptions, Role, StopReason, error};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::host;
use crate::store::{self, Binder, Budget, Record};

/// How long a read waits for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many statements a connection remembers as readable.
const REMEMBERED: usize = 4_096;

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

/// A reading connection.
#[derive(Debug)]
pub(crate) struct Reader {
    conn: Connection,
    guard: Guard,
    clock: Clock,
    readable: HashMap<String, bool>,
}

/// What came of trying to read.
#[derive(Debug)]
pub(crate) enum Read {
    /// It was a read.
    Done(Reply),
    /// The statements write; nothing was done.
    Writes,
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
        Ok(Reader { conn, guard, clock, readable: HashMap::new() })
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

impl Reader {
    /// Runs the batch in a snapshot of its own, if it only reads.
    pub(crate) fn read(&mut self, batch: &Batch, interrupt: &Interrupt) -> Result<Read> {
        self.begin()?;
        let read = self.read_on(batch, interrupt);
        self.end()?;
        read
    }

    /// Opens a snapshot; it is the newest state at the first read in it.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.guard
            .trusted(|| self.conn.prepare_cached("BEGIN")?.raw_execute())
            .map(drop)
            .map_err(error)
    }

    /// Closes the snapshot.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.guard
            .trusted(|| self.conn.prepare_cached("ROLLBACK")?.raw_execute())
            .map(drop)
            .map_err(error)
    }

    /// Runs the batch in the open snapshot, if it only reads.
    pub(crate) fn read_on(&mut self, batch: &Batch, interrupt: &Interrupt) -> Result<Read> {
        let position = self.position()?;
        self.clock.begin(batch.limits.time, interrupt);
        let mut budget = Budget::new(batch.limits);
        let mut results = Vec::with_capacity(batch.statements.len());
        let mut outcome = Ok(Read::Writes);
        for statement in &batch.statements {
            match self.read_string(statement, &mut budget) {
                Ok(Some(result)) => results.push(result),
                Ok(None) => break,
                Err(failure) => {
                    outcome = Err(self.explain(failure));
                    break;
                }
            }
        }
        self.clock.end();
        if outcome.is_ok() && results.len() == batch.statements.len() {
            return Ok(Read::Done(Reply { results, position }));
        }
        outcome
    }

    /// The tables that the batch reads in the open snapshot, in lower case; `None` if it reads
    /// something else than rows of tables.
    pub(crate) fn tables(&self, batch: &Batch) -> Option<Vec<String>> {
        let mut tables = BTreeSet::new();
        for sql in batch.statements.iter().flat_map(|one| ha_core::sql::split(&one.sql)) {
            let (_, seen) = store::check(&self.conn, &self.guard, sql).ok()?;
            if seen.asks_pragma {
                return None;
            }
            tables.extend(seen.reads);
        }
        tables.iter().all(|table| self.is_plain(table)).then(|| tables.into_iter().collect())
    }

    /// Whether all changes of the table are changes of its rows.
    fn is_plain(&self, table: &str) -> bool {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 \
                   AND lower(name) = ?1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        self.trusted(|conn| conn.prepare_cached(sql)?.exists([table])).unwrap_or(false)
            && !ha_sqlite::is_internal(table.as_bytes())
    }

    /// What a statement takes and gives.
    pub(crate) fn describe(&mut self, sql: &str) -> Result<Description> {
        store::describe(&self.conn, &self.guard, sql)
    }

    /// The state of the open snapshot.
    pub(crate) fn position(&self) -> Result<Token> {
        let record = self.record()?;
        Ok(Token {
            lineage: record.position.lineage,
            seq: record.position.seq,
            n: record.transactions,
        })
    }

    /// The same with the running hash.
    pub(crate) fn record(&self) -> Result<Record> {
        let record = self.guard.trusted(|| store::read_record(&self.conn))?;
        record.ok_or_else(|| Error::Corrupt("the file has no position".to_owned()))
    }

    /// Our own reads.
    pub(crate) fn trusted<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.guard.trusted(|| run(&self.conn)).map_err(error)
    }

    fn read_string(
        &mut self,
        statement: &Statement,
        budget: &mut Budget,
    ) -> Result<Option<ResultSet>> {
        let mut binder = Binder::new(&statement.params);
        let mut result = ResultSet::default();
        for sql in ha_core::sql::split(&statement.sql) {
            if !self.is_readable(sql)? {
                return Ok(None);
            }
            let mut prepared = self.conn.prepare_cached(sql).map_err(error)?;
            binder.bind(&mut prepared)?;
            result = store::collect(&mut prepared, budget)?;
        }
        Ok(Some(result))
    }

    fn is_readable(&mut self, sql: &str) -> Result<bool> {
        if let Some(readable) = self.readable.get(sql) {
            return Ok(*readable);
        }
        let (prepared, seen) = store::check(&self.conn, &self.guard, sql)?;
        if seen.transaction && !prepared.explains {
            return Err(store::no_transaction_control());
        }
        let readable = prepared.explains
            || prepared.read_only
                && !(seen.savepoint.is_some()
                    || seen.sets_pragma
                    || seen.maintenance
                    || seen.schema);
        if self.readable.len() >= REMEMBERED {
            self.readable.clear();
        }
        self.readable.insert(sql.to_owned(), readable);
        Ok(readable)
    }

    fn explain(&self, failure: Error) -> Error {
        match failure {
            Error::Sql { code, .. } if code & 0xff == 9 => match self.clock.reason() {
                StopReason::TimeOver(limit) => Error::Timeout(limit),
                StopReason::Requested => Error::Interrupted,
            },
            other => other,
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

#[cfg(test)]
mod tests {
    use ha_sqlite::Durability;

    use super::*;

    #[test]
    fn the_tables_of_a_read_are_told_unless_it_reads_something_else() {
        let dir = tempfile::TempDir::new().unwrap();
        let options = OpenOptions {
            foreign_keys: true,
            durability: Durability::Off,
            cache_size: None,
            extensions: Vec::new(),
        };
        let path = dir.path().join("db");
        let schema = "CREATE TABLE T(a); CREATE TABLE u(a); CREATE VIRTUAL TABLE f USING fts5(a)";
        let writer = ha_sqlite::open(&path, Role::Execute, &options).unwrap();
        writer.execute_batch(schema).unwrap();
        let reader = Readers::new(path, options, 1).open().unwrap();
        let tables = |sql: &str| {
            reader.tables(&Batch { statements: vec![Statement::new(sql)], ..Batch::default() })
        };
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(tables("SELECT 1"), names(&[]));
        assert_eq!(tables("SELECT count(*) FROM t"), names(&["t"]));
        assert_eq!(tables("SELECT 1; SELECT (SELECT a FROM U) FROM t"), names(&["t", "u"]));
        for sql in [
            "SELECT * FROM f",
            "PRAGMA user_version",
            "SELECT * FROM sqlite_schema",
            "SELECT * FROM t, json_each('[]')",
            "SELECT * FROM pragma_table_list",
        ] {
            assert_eq!(tables(sql), None, "{sql}");
        }
    }
}
