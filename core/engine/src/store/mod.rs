//! The writer thread's view of the database: one connection that executes clients' SQL and
//! records what it changes, and one that applies entries of the log.

mod applier;
mod execution;
mod keys;
mod plan;
mod record;
mod rows;
mod schema;
mod sequences;
mod staging;
mod statement;
mod stretch;
mod tables;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use ha_changes::Triggers;
use ha_core::{Error, Result};
use ha_sqlite::{Capture, Clock, Counters, Guard, OpenOptions, Role, error};
use rusqlite::Connection;

use plan::Plans;
use sequences::Sequence;
use staging::Staging;
pub(crate) use tables::{Tables, select as select_rows};

pub(crate) use applier::{Verdict, transactions};
pub(crate) use execution::{Execution, Shipped, Transaction};
pub(crate) use keys::{Answered, Request, carry as carry_keys, remembered};
pub(crate) use plan::{check, describe, no_transaction_control};
pub(crate) use record::{
    Record, change_log, create, entries, entry, is_created, is_empty, is_skipped, mark_partial,
    partial_since, read as read_record, write as write_record,
};
pub(crate) use rows::{Binder, Budget, collect};
pub(crate) use staging::Staged;
pub(crate) use stretch::{Room, oldest_kept, skipped_in, stretch};

/// The writer thread's connections. Not `Send`: it is opened on the thread that uses it.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    capture: Capture,
    exec: Rc<Connection>,
    guard: Guard,
    clock: Clock,
    apply: Connection,
    plans: Plans,
    tables: Tables,
    applied_tables: Tables,
    sequences: Vec<Sequence>,
    counters: Counters,
    virtual_tables: bool,
    has_sequences: bool,
    /// The open transaction has changed the schema.
    schema_touched: bool,
    kept_bytes: i64,
    record: Record,
    staging: Option<Staging>,
    limit: TransactionLimit,
}

/// How large a transaction may be.
#[derive(Debug, Clone)]
pub(crate) struct TransactionLimit {
    /// Bytes of its changes in the log.
    pub(crate) bytes: usize,
    /// What the client is told.
    pub(crate) exceeded: Error,
}

impl TransactionLimit {
    /// For a store that nobody writes to but by applying.
    pub(crate) fn none() -> Self {
        Self { bytes: usize::MAX, exceeded: Error::Closed }
    }
}

impl Store {
    /// Opens the database, which must have our tables.
    pub(crate) fn open(
        path: &Path,
        options: &OpenOptions,
        record: Record,
        limit: TransactionLimit,
    ) -> Result<Self> {
        let mut exec = ha_sqlite::open(path, Role::Execute, options).map_err(error)?;
        let guard = Guard::install(&mut exec).map_err(error)?;
        let clock = Clock::install(&mut exec).map_err(error)?;
        let counters = Counters::install(&exec).map_err(error)?;
        let apply = ha_sqlite::open(path, Role::Apply, options).map_err(error)?;
        let kept_bytes = record::prune(&apply).map_err(error)?;
        let exec = Rc::new(exec);
        let mut store = Self {
            path: path.to_owned(),
            capture: Capture::install(Rc::clone(&exec)),
            exec,
            guard,
            clock,
            apply,
            plans: Plans::default(),
            tables: Tables::default(),
            applied_tables: Tables::default(),
            sequences: Vec::new(),
            counters,
            virtual_tables: false,
            has_sequences: false,
            schema_touched: false,
            kept_bytes,
            record,
            staging: None,
            limit,
        };
        store.schema_changed()?;
        Ok(store)
    }

    /// The triggers on the tables of the executed rows.
    pub(crate) fn triggers(&self) -> &dyn Triggers {
        &self.tables
    }

    /// Where the database stands.
    pub(crate) fn record(&self) -> Record {
        self.record
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets what was known of the schema.
    fn schema_changed(&mut self) -> Result<()> {
        self.plans.clear();
        self.tables.clear();
        self.applied_tables.clear();
        self.virtual_tables = self.trusted(
            "SELECT 1 FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'",
            |statement| statement.exists([]),
        )?;
        self.has_sequences = self
            .trusted("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'", |statement| {
                statement.exists([])
            })?;
        Ok(())
    }

    /// Our own SQL on the executing connection.
    fn trusted<T>(
        &self,
        sql: &str,
        run: impl FnOnce(&mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.guard
            .trusted(|| self.exec.prepare_cached(sql).and_then(|mut statement| run(&mut statement)))
            .map_err(error)
    }

    fn control(&self, sql: &str) -> Result<()> {
        self.trusted(sql, |statement| statement.raw_execute().map(drop))
    }
}

/// The error of a damaged database, with what to do: CORRUPT and NOTADB
/// (<https://www.sqlite.org/rescode.html>). Others are left as they are.
pub(crate) fn with_advice(error: Error, path: &Path) -> Error {
    match error {
        Error::Sql { code, message, .. } if matches!(code & 0xff, 11 | 26) => {
            let path = path.display();
            Error::Corrupt(format!(
                "the database {path} is damaged ({message}). Stop the node, move the file and {path}-wal away \
                 and start it again: it gets the database from the log and its snapshots"
            ))
        }
        other => other,
    }
}

/// Whether an error says nothing about the data, and may pass: BUSY, LOCKED, NOMEM, INTERRUPT,
/// IOERR and FULL (<https://www.sqlite.org/rescode.html>).
pub(crate) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Interrupted | Error::Timeout(_) => true,
        Error::Sql { code, .. } => matches!(code & 0xff, 5 | 6 | 7 | 9 | 10 | 13),
        _ => false,
    }
}
