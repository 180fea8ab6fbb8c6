//! Executing one statement of a client's transaction, and recording what travels of it.

use ha_changes::Change;
use ha_core::{Error, Result, ResultSet, Statement};
use ha_sqlite::{Savepoint, SavepointOp, StopReason, error};

use super::Store;
use super::execution::Transaction;
use super::plan::Plan;
use super::rows::{Binder, Budget, collect};
use crate::planted::{Bug, planted};

/// SQLite's primary result code for an interrupted statement.
const INTERRUPT: i32 = 9;

impl Store {
    pub(super) fn run_string(
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

    pub(super) fn explain(&self, failure: Error) -> Error {
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
