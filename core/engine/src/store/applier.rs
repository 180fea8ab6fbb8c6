//! Applying entries of the log.

use std::path::Path;
use std::sync::Arc;

use ha_changes::{Applied, ApplyError, Database, DatabaseError, Entry, Kind, Meta, Table};
use ha_core::{Error, Lineage, Result, Value};
use ha_sqlite::{Moment, SqlValue, error};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params_from_iter};

use super::record::{self, Record};
use super::tables::{self, Tables};
use super::{Store, keys};
use crate::machine::{Folded, Position};
use crate::planted::{Bug, planted};

/// What became of an entry that was to be applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its changes are in.
    Applied,
    /// It was skipped as a whole, for this reason, as on every node.
    Skipped(String),
}

impl Store {
    /// Applies an entry and moves to `record`, both in one SQLite transaction.
    pub(crate) fn apply(
        &mut self,
        entry: &Entry,
        record: Record,
        payload: &[u8],
    ) -> Result<Verdict> {
        self.in_apply(|store| {
            let mut target =
                Target { conn: &store.apply, tables: &mut store.applied_tables, schema: false };
            let outcome = apply(&mut target, entry);
            let schema = target.schema;
            match outcome {
                Ok(_) => {
                    if planted(Bug::PositionApart) {
                        store.apply.execute_batch("COMMIT; BEGIN IMMEDIATE").map_err(error)?;
                    }
                    let meta = entry.meta.as_ref();
                    keys::write(&store.apply, record.position.seq, meta).map_err(error)?;
                    store.move_to(record, Some(payload))?;
                    Ok((Verdict::Applied, schema))
                }
                Err(ApplyError::Skip { code, message }) => {
                    Err(Failure::Skip(format!("{message} (SQLite code {code})")))
                }
                Err(other) => Err(Failure::Stop(stop(other))),
            }
        })
        .or_else(|failure| match failure {
            Failure::Skip(reason) => self.skip(record, payload, Some(reason)),
            Failure::Stop(error) => Err(error),
        })
    }

    /// Moves to `record` without a change of state, and notes why, if there is a reason.
    pub(crate) fn skip(
        &mut self,
        record: Record,
        payload: &[u8],
        reason: Option<String>,
    ) -> Result<Verdict> {
        self.in_apply(|store| {
            if let Some(reason) = &reason {
                record::note_skipped(&store.apply, record.position.seq, reason).map_err(error)?;
            }
            store.move_to(record, Some(payload))?;
            Ok((Verdict::Applied, false))
        })
        .map_err(Failure::into_error)?;
        Ok(reason.map_or(Verdict::Applied, Verdict::Skipped))
    }

    /// Moves to `record` past entries that change no state.
    pub(crate) fn record_folded(&mut self, folded: &[Folded], record: Record) -> Result<()> {
        self.in_apply(|store| {
            record::write_folded(&store.apply, folded).map_err(error)?;
            store.move_to(record, None)?;
            Ok((Verdict::Applied, false))
        })
        .map(drop)
        .map_err(Failure::into_error)
    }

    /// Makes the database what the file `snapshot` is, standing at `record`, all at once. The
    /// file is written to. An empty one stands for an empty database.
    pub(crate) fn restore(
        &mut self,
        snapshot: &Path,
        record: Record,
        payload: Option<&[u8]>,
    ) -> Result<()> {
        let source = Connection::open(snapshot).map_err(error)?;
        self.page_size().and_then(|size| set_page_size(&source, size)).map_err(error)?;
        record::create(&source).map_err(error)?;
        // Its own position was read; damage may have made it a row that is not replaced.
        source.execute_batch("DELETE FROM _ha_position").map_err(error)?;
        record::write(&source, &record, payload).map_err(error)?;
        let copied = Backup::new(&source, &mut self.apply).and_then(|backup| backup.step(-1));
        let failed = |why: String| {
            let path = self.path.display();
            Error::Corrupt(format!("the snapshot cannot be restored into {path}: {why}"))
        };
        match copied.map_err(|failure| failed(failure.to_string()))? {
            StepResult::Done => {}
            other => return Err(failed(format!("{other:?}"))),
        }
        self.record = record;
        self.kept_bytes = record::prune(&self.apply).map_err(error)?;
        self.schema_changed()
    }

    /// Moves to `record` in another log, which goes on from this very state.
    pub(crate) fn adopt(&mut self, record: Record, payload: &[u8]) -> Result<()> {
        self.in_apply(|store| {
            let (from, to) = (store.record.position.seq, record.position.seq);
            record::change_log(&store.apply, from, to).map_err(error)?;
            store.move_to(record, Some(payload))?;
            Ok((Verdict::Applied, false))
        })
        .map(drop)
        .map_err(Failure::into_error)
    }

    /// Stands where it stood, in a log that is the same and has another lineage.
    pub(crate) fn rename(&mut self, lineage: Lineage) -> Result<Position> {
        let Record { position, transactions } = self.record;
        let position = Position { lineage, ..position };
        self.in_apply(|store| {
            store.move_to(Record { position, transactions }, None)?;
            Ok((Verdict::Applied, false))
        })
        .map_err(Failure::into_error)?;
        Ok(position)
    }

    /// Stands at an earlier place again, after which nothing has changed the state.
    pub(crate) fn step_back(&mut self, before: Position) -> Result<()> {
        self.in_apply(|store| {
            let transactions = record::step_back(&store.apply, before.seq).map_err(error)?;
            store.move_to(Record { position: before, transactions }, None)?;
            Ok((Verdict::Applied, false))
        })
        .map_err(Failure::into_error)?;
        self.kept_bytes = record::prune(&self.apply).map_err(error)?;
        Ok(())
    }

    fn page_size(&self) -> rusqlite::Result<u32> {
        self.apply.pragma_query_value(None, "page_size", |row| row.get(0))
    }

    fn move_to(&mut self, record: Record, payload: Option<&[u8]>) -> Result<()> {
        record::write(&self.apply, &record, payload).map_err(error)?;
        let written = payload.map_or(0, <[u8]>::len);
        if record::prune_is_due(self.kept_bytes, written) {
            self.kept_bytes = record::prune(&self.apply).map_err(error)?;
        } else {
            self.kept_bytes += i64::try_from(written).unwrap_or(i64::MAX);
        }
        self.record = record;
        Ok(())
    }

    fn in_apply(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<(Verdict, bool), Failure>,
    ) -> Result<Verdict, Failure> {
        let before = self.record;
        let control = |store: &Self, sql: &str| store.apply.execute_batch(sql).map_err(error);
        control(self, "BEGIN IMMEDIATE")?;
        let outcome = run(self).and_then(|done| {
            control(self, "COMMIT")?;
            Ok(done)
        });
        match outcome {
            Ok((verdict, schema)) => {
                if schema {
                    self.schema_changed()?;
                }
                Ok(verdict)
            }
            Err(failure) => {
                self.record = before;
                self.applied_tables.clear();
                if !self.apply.is_autocommit() {
                    control(self, "ROLLBACK")?;
                }
                Err(failure)
            }
        }
    }
}

/// SQL of v0.0.7 may ask for the time and for chance: both come from the entry, so that all nodes
/// get the same.
fn apply(target: &mut Target<'_>, entry: &Entry) -> Result<Applied, ApplyError> {
    if entry.meta.is_some() {
        return ha_changes::apply(target, entry);
    }
    let unix_ms = entry.timestamp_ns / 1_000_000;
    let moment = Moment { unix_ms, seed: entry.timestamp_ns.cast_unsigned() };
    moment.during(|| ha_changes::apply(target, entry))
}

/// Without effect on a database that has pages.
fn set_page_size(conn: &Connection, size: u32) -> rusqlite::Result<()> {
    conn.pragma_update(None, "page_size", size)
}

/// An entry that cannot be applied. The code tells whether that may pass, as a full disk does.
pub(super) fn stop(error: ApplyError) -> Error {
    match error {
        ApplyError::Stop { code, message } => Error::Sql { code, message, offset: None },
        other => Error::Corrupt(other.to_string()),
    }
}

/// How many client transactions an entry holds.
pub(crate) fn transactions(meta: Option<&Meta>) -> u32 {
    match meta.map(|meta| &meta.kind) {
        Some(Kind::Transactions(marks)) => u32::try_from(marks.len()).unwrap_or(u32::MAX),
        Some(Kind::Noop | Kind::Base(_) | Kind::Audit(_) | Kind::Turn(_)) => 0,
        None => 1,
    }
}

enum Failure {
    Skip(String),
    Stop(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Skip(reason) => Error::Corrupt(reason),
            Self::Stop(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Stop(error)
    }
}

/// The applying connection, for `ha-changes`.
pub(super) struct Target<'a> {
    pub(super) conn: &'a Connection,
    pub(super) tables: &'a mut Tables,
    /// The schema has changed.
    pub(super) schema: bool,
}

impl Database for Target<'_> {
    fn execute(&mut self, sql: &str, params: &[&Value]) -> Result<usize, DatabaseError> {
        self.conn
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.execute(params_from_iter(params.iter().map(|value| SqlValue(value))))
            })
            .or_else(|failure| match failure {
                // A statement that returns rows did its work.
                rusqlite::Error::ExecuteReturnedResults => Ok(0),
                other => Err(database_error(other)),
            })
    }

    fn table(&mut self, name: &str) -> Result<Option<Arc<Table>>, DatabaseError> {
        self.tables.get(self.conn, name).map_err(database_error)
    }

    fn generated(&mut self, table: &str) -> Result<Vec<usize>, DatabaseError> {
        tables::generated(self.conn, table).map_err(database_error)
    }

    fn is_rtree(&mut self, name: &str) -> Result<bool, DatabaseError> {
        tables::is_rtree(self.conn, name).map_err(database_error)
    }

    fn schema_changed(&mut self) {
        self.schema = true;
        self.tables.clear();
    }
}

fn database_error(failure: rusqlite::Error) -> DatabaseError {
    match error(failure) {
        Error::Sql { code, message, .. } => DatabaseError { code, message },
        other => DatabaseError { code: 1, message: other.to_string() },
    }
}
