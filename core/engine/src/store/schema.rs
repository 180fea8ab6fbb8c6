//! Statements that change the schema: they travel as SQL.

use ha_changes::Change;
use ha_core::{Result, ResultSet};
use ha_sqlite::error;

use super::Store;
use super::execution::Transaction;
use super::plan::SchemaChange;
use super::rows::{Binder, Budget};

impl Store {
    pub(super) fn change_schema(
        &mut self,
        transaction: &mut Transaction,
        sql: &str,
        binder: &mut Binder<'_>,
        budget: &mut Budget,
        change: &SchemaChange,
    ) -> Result<ResultSet> {
        // What virtual tables still hold is written under the names that tables have now.
        self.flush(transaction)?;
        if *change == SchemaChange::Drop {
            self.guard.trusted(|| self.tables.learn(&self.exec)).map_err(error)?;
        }
        let before = self.schema_version()?;
        let result = self.step(sql, binder, budget)?;
        if *change == SchemaChange::CreateVirtual {
            // The statement does the same wherever it is executed.
            self.capture.discard();
        }
        if self.schema_version()? == before {
            return Ok(result);
        }
        // Rows that a schema change removes went before it.
        self.record_rows(transaction)?;
        self.schema_changed()?;
        self.schema_touched = true;
        transaction.moved_tables |= matches!(change, SchemaChange::Drop | SchemaChange::Alter);
        match change {
            SchemaChange::CreateAs(table) => self.ship_created(transaction, table)?,
            _ => transaction.changes.push(Change::Sql(sql.to_owned())),
        }
        Ok(result)
    }

    /// Records what virtual tables keep to themselves until the next savepoint, as the
    /// full-text indexes do.
    pub(super) fn flush(&mut self, transaction: &mut Transaction) -> Result<()> {
        if !self.virtual_tables {
            return Ok(());
        }
        self.control("SAVEPOINT _ha_flush")?;
        self.control("RELEASE _ha_flush")?;
        self.record_rows(transaction)
    }

    /// `CREATE TABLE … AS` fires no events: its schema and its rows are read back.
    pub(super) fn ship_created(&mut self, transaction: &mut Transaction, name: &str) -> Result<()> {
        let schema = self.trusted(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            |statement| statement.query_row([name], |row| row.get::<_, String>(0)),
        )?;
        transaction.changes.push(Change::Sql(schema));
        let rows = self.guard.trusted(|| self.tables.all_rows(&self.exec, name)).map_err(error)?;
        transaction.changes.extend(rows.into_iter().map(Change::Row));
        Ok(())
    }

    pub(super) fn schema_version(&self) -> Result<i64> {
        self.trusted("PRAGMA schema_version", |statement| statement.query_row([], |row| row.get(0)))
    }

    /// What was learnt of a schema that was rolled back is wrong.
    pub(super) fn schema_may_have_changed_back(&mut self) -> Result<()> {
        if self.schema_touched { self.schema_changed() } else { Ok(()) }
    }
}
