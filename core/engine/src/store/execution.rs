//! Executing clients' transactions: each a savepoint of one SQLite transaction, with the
//! changes that travel in the log.

use bytes::Bytes;
use ha_changes::{Change, Keyed, Meta};
use ha_core::{Batch, Description, Error, Result, ResultSet};
use ha_sqlite::{Interrupt, deferred_foreign_keys, error};

use super::plan::describe;
use super::record::{self, Record};
use super::rows::Budget;
use super::sequences::Sequence;
use super::{Store, keys};
use crate::machine::Folded;
use crate::planted::{Bug, planted};

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
}
