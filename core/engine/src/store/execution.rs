//! Executing clients' transactions: each a savepoint of one SQLite transaction, with the
//! changes that travel in the log.

use bytes::Bytes;
use ha_changes::{Change, Keyed, Meta};
use ha_core::{Batch, Description, Error, Result, ResultSet, Statement};
use ha_sqlite::{Interrupt, Savepoint, SavepointOp, StopReason, deferred_foreign_keys, error};

use super::plan::{Plan, describe};
use super::record::{self, Record};
use super::rows::{Binder, Budget, collect};
use super::sequences::Sequence;
use super::{Store, keys};
use crate::machine::Folded;
use crate::planted::{Bug, planted};

/// SQLite's primary result code for an interrupted statement.
const INTERRUPT: i32 = 9;
/// SQLITE_CONSTRAINT_FOREIGNKEY.
const FOREIGN_KEY: i32 = 787;

/// The open SQLite transaction of a group. It must be finished by [`Store::commit`] or
/// [`Store::roll_back`].
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// The transactions that ship something, in order.
    pub(crate) shipped: Vec<Shipped>,
}

/// What of a transaction travels.
#[derive(Debug)]
pub(crate) struct Shipped {
    pub(crate) changes: Vec<Change>,
    /// Its client's key.
    pub(crate) keyed: Option<Keyed>,
}

impl Execution {
    /// The transaction under a key, and its number.
    pub(super) fn keyed(&self, key: &str) -> Option<(u32, &Keyed)> {
        let mut keyed = (1..).zip(&self.shipped);
        keyed.find_map(|(n, shipped)| {
            shipped.keyed.as_ref().filter(|keyed| keyed.key == key).map(|keyed| (n, keyed))
        })
    }
}

/// One client's transaction while it is executed.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(super) changes: Vec<Change>,
    pub(super) savepoints: Vec<(String, usize)>,
    /// A failed statement is taken back alone.
    pub(super) can_go_on: bool,
    /// `sqlite_sequence` after it.
    pub(super) sequences: Vec<Sequence>,
    /// It dropped or altered tables, and with them their sequences.
    pub(super) moved_tables: bool,
}

impl Store {
    /// Begins the SQLite transaction of a group.
    pub(crate) fn begin(&mut self) -> Result<Execution> {
        self.control("BEGIN IMMEDIATE")?;
        self.tables.forget_triggers();
        self.sequences = self.read_sequences()?;
        Ok(Execution::default())
    }

    /// Whether SQLite has taken the group's transaction back by itself: an interrupt or a
    /// full disk hits everybody in it.
    pub(crate) fn is_lost(&self) -> bool {
        self.exec.is_autocommit()
    }

    /// Begins a client's transaction in the group.
    pub(crate) fn begin_transaction(&mut self) -> Result<Transaction> {
        self.control("SAVEPOINT _ha_tx")?;
        self.capture.wrote_sequences();
        self.capture.allow(self.limit.bytes);
        // changes() is reset by a statement that changes nothing.
        self.control("DELETE FROM _ha_keys WHERE 0")?;
        self.counters.reset(&self.exec);
        Ok(Transaction::default())
    }

    /// Runs statements in a client's transaction. After an error the effects of the failed
    /// string are taken back, if the transaction is not lost as a whole.
    pub(crate) fn run(
        &mut self,
        transaction: &mut Transaction,
        batch: &Batch,
        interrupt: &Interrupt,
    ) -> Result<Vec<ResultSet>> {
        self.clock.begin(batch.limits.time, interrupt);
        let mut budget = Budget::new(batch.limits);
        let results = batch
            .statements
            .iter()
            .map(|statement| self.run_string(transaction, statement, &mut budget))
            .collect::<Result<Vec<_>>>()
            .map_err(|failure| self.explain(failure));
        self.clock.end();
        results
    }

    /// Runs statements as [`Self::run`] does, but the transaction can go on after an error:
    /// what the failed statement did is taken back, what those before it did stays.
    pub(crate) fn run_undoable(
        &mut self,
        transaction: &mut Transaction,
        batch: &Batch,
        interrupt: &Interrupt,
    ) -> Result<Vec<ResultSet>> {
        transaction.can_go_on = true;
        let results = self.run(transaction, batch, interrupt);
        transaction.can_go_on = false;
        results
    }

    /// What a statement takes and gives, in the open transaction.
    pub(crate) fn describe(&mut self, sql: &str) -> Result<Description> {
        describe(&self.exec, &self.guard, sql)
    }

    /// Ends a client's transaction. It ships nothing if it changed nothing and has no key, and
    /// is then taken back whole; an error takes it back as well.
    pub(crate) fn end_transaction(
        &mut self,
        execution: &mut Execution,
        mut transaction: Transaction,
        keyed: Option<Keyed>,
    ) -> Result<()> {
        match self.complete(&mut transaction) {
            Ok(()) if transaction.changes.is_empty() && keyed.is_none() => {
                self.abandon_transaction()
            }
            Ok(()) => {
                self.control("RELEASE _ha_tx")?;
                self.sequences = transaction.sequences;
                execution.shipped.push(Shipped { changes: transaction.changes, keyed });
                Ok(())
            }
            Err(failure) => {
                self.abandon_transaction()?;
                Err(failure)
            }
        }
    }

    /// Takes a client's transaction back; no error if it is lost already.
    pub(crate) fn abandon_transaction(&mut self) -> Result<()> {
        if !planted(Bug::AbandonedRowsSent) {
            self.capture.discard();
        }
        if self.is_lost() {
            return Ok(());
        }
        self.control("ROLLBACK TO _ha_tx")?;
        self.control("RELEASE _ha_tx")?;
        self.schema_may_have_changed_back()
    }

    /// Takes the whole group back.
    pub(crate) fn roll_back(&mut self) -> Result<()> {
        if !self.is_lost() {
            self.control("ROLLBACK")?;
        }
        self.capture.discard();
        self.schema_may_have_changed_back()?;
        self.schema_touched = false;
        Ok(())
    }

    /// Writes the group's place in the log into its transaction, while the log is being
    /// asked.
    pub(crate) fn stage(
        &mut self,
        folded: &[Folded],
        record: &Record,
        meta: Option<&Meta>,
        parts: &[Bytes],
    ) -> Result<()> {
        if self.is_lost() {
            // Outside the group's transaction the place would be written without the rows.
            return Err(Error::Corrupt("SQLite took the group's transaction back".to_owned()));
        }
        let write = || {
            record::write_folded(&self.exec, folded)?;
            keys::write(&self.exec, record.position.seq, meta)?;
            record::write(&self.exec, record, None)?;
            record::keep_parts(&self.exec, record.position.seq, parts)
        };
        let kept = self.guard.trusted(write).map_err(error)?;
        if record::prune_is_due(self.kept_bytes, kept) {
            self.kept_bytes = self.guard.trusted(|| record::prune(&self.exec)).map_err(error)?;
        } else {
            self.kept_bytes += i64::try_from(kept).unwrap_or(i64::MAX);
        }
        Ok(())
    }

    /// Commits the group that was staged as `record`.
    pub(crate) fn commit(&mut self, record: Record) -> Result<()> {
        self.control("COMMIT")?;
        self.record = record;
        self.schema_touched = false;
        Ok(())
    }

    fn run_string(
        &mut self,
        transaction: &mut Transaction,
        statement: &Statement,
        budget: &mut Budget,
    ) -> Result<ResultSet> {
        let mut binder = Binder::new(&statement.params);
        let mut result = ResultSet::default();
        for sql in ha_core::sql::split(&statement.sql) {
            result = if transaction.can_go_on {
                self.run_undoable_statement(transaction, sql, &mut binder, budget)?
            } else {
                self.run_statement(transaction, sql, &mut binder, budget)?
            };
        }
        result.last_insert_rowid = self.exec.last_insert_rowid();
        Ok(result)
    }

    fn run_undoable_statement(
        &mut self,
        transaction: &mut Transaction,
        sql: &str,
        binder: &mut Binder<'_>,
        budget: &mut Budget,
    ) -> Result<ResultSet> {
        if let Plan::Savepoint(_) = self.plans.get(&self.exec, &self.guard, sql)? {
            // A savepoint of ours around it would end with it.
            return self.run_statement(transaction, sql, binder, budget);
        }
        self.control("SAVEPOINT _ha_call")?;
        // What virtual tables wrote at the savepoint is of the statements before it.
        self.record_rows(transaction)?;
        let changes = transaction.changes.len();
        let result = self.run_statement(transaction, sql, binder, budget);
        if result.is_err() && planted(Bug::FailedRowsSent) {
            self.control("ROLLBACK TO _ha_call")?;
        } else if result.is_err() {
            self.capture.discard();
            if self.is_lost() {
                return result;
            }
            self.control("ROLLBACK TO _ha_call")?;
            transaction.changes.truncate(changes);
            self.schema_may_have_changed_back()?;
        }
        self.control("RELEASE _ha_call")?;
        result
    }

    fn run_statement(
        &mut self,
        transaction: &mut Transaction,
        sql: &str,
        binder: &mut Binder<'_>,
        budget: &mut Budget,
    ) -> Result<ResultSet> {
        match self.plans.get(&self.exec, &self.guard, sql)? {
            Plan::Rows { writes } => {
                let mut result = self.step(sql, binder, budget)?;
                if writes {
                    result.changes = self.exec.changes();
                }
                self.record_rows(transaction)?;
                Ok(result)
            }
            Plan::Savepoint(savepoint) => {
                let result = self.step(sql, binder, budget)?;
                self.record_rows(transaction)?;
                transaction.mark(&savepoint);
                if savepoint.op == SavepointOp::RollbackTo {
                    self.schema_may_have_changed_back()?;
                }
                Ok(result)
            }
            Plan::Schema(change) => self.change_schema(transaction, sql, binder, budget, &change),
            Plan::Whole => {
                let result = self.step(sql, binder, budget)?;
                self.capture.discard();
                transaction.changes.push(Change::Sql(sql.to_owned()));
                Ok(result)
            }
        }
    }

    pub(super) fn step(
        &self,
        sql: &str,
        binder: &mut Binder<'_>,
        budget: &mut Budget,
    ) -> Result<ResultSet> {
        let mut statement = self.exec.prepare_cached(sql).map_err(error)?;
        binder.bind(&mut statement)?;
        collect(&mut statement, budget)
    }

    pub(super) fn record_rows(&mut self, transaction: &mut Transaction) -> Result<()> {
        let events = self.capture.take();
        transaction.changes.reserve(events.len());
        for event in events {
            let change =
                self.guard.trusted(|| self.tables.change(&self.exec, event)).map_err(error)?;
            transaction.changes.extend(change.map(Change::Row));
        }
        Ok(())
    }

    fn complete(&mut self, transaction: &mut Transaction) -> Result<()> {
        if self.capture.is_exceeded() {
            return Err(self.limit.exceeded.clone());
        }
        if deferred_foreign_keys(&self.exec) {
            return Err(Error::Sql {
                code: FOREIGN_KEY,
                message: "FOREIGN KEY constraint failed".to_owned(),
                offset: None,
            });
        }
        self.flush(transaction)?;
        self.ship_sequences(transaction)
    }

    fn explain(&self, failure: Error) -> Error {
        match failure {
            Error::Sql { code, .. } if code & 0xff == INTERRUPT && self.capture.is_exceeded() => {
                self.limit.exceeded.clone()
            }
            Error::Sql { code, .. } if code & 0xff == INTERRUPT => match self.clock.reason() {
                StopReason::TimeOver(limit) => Error::Timeout(limit),
                StopReason::Requested => Error::Interrupted,
            },
            other => other,
        }
    }
}

impl Transaction {
    fn mark(&mut self, savepoint: &Savepoint) {
        let found = self.savepoints.iter().rposition(|(name, _)| *name == savepoint.name);
        match (savepoint.op, found) {
            (SavepointOp::Open, _) => {
                self.savepoints.push((savepoint.name.clone(), self.changes.len()));
            }
            (SavepointOp::Release, Some(index)) => self.savepoints.truncate(index),
            (SavepointOp::RollbackTo, Some(index)) => {
                self.changes.truncate(self.savepoints[index].1);
                self.savepoints.truncate(index + 1);
            }
            (SavepointOp::Release | SavepointOp::RollbackTo, None) => {}
        }
    }
}
