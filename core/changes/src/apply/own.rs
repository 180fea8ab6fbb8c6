//! Entries of ours: strict, since they were made on exactly this state.

use std::sync::Arc;

use ha_core::Value;

use crate::apply::{Applied, ApplyError, code, statements};
use crate::statements::{Shape, Statements};
use crate::{Change, Database, DatabaseError, RowChange, RowOp, Table};

pub(super) fn apply(db: &mut dyn Database, changes: &[Change]) -> Result<Applied, ApplyError> {
    let mut applier = Applier { db, texts: Statements::default(), applied: Applied::default() };
    for change in changes {
        match change {
            Change::Row(row) => applier.row(row)?,
            Change::Sql(sql) => applier.sql(sql, &[])?,
            Change::SqlWith(sql, args) => applier.sql(sql, args)?,
        }
    }
    Ok(applier.applied)
}

struct Applier<'d> {
    db: &'d mut dyn Database,
    texts: Statements,
    applied: Applied,
}

impl Applier<'_> {
    fn sql(&mut self, sql: &str, args: &[Value]) -> Result<(), ApplyError> {
        let args: Vec<&Value> = args.iter().collect();
        for statement in statements(sql).map_err(ApplyError::stop)? {
            self.db.execute(statement, &args).map_err(ApplyError::stop)?;
            self.applied.statements += 1;
        }
        self.db.schema_changed();
        Ok(())
    }

    /// A change of a row must change exactly one, and a constraint that held where the entry
    /// was made holds here, or the states differ.
    fn row(&mut self, row: &RowChange) -> Result<(), ApplyError> {
        match self.run(&row.table, &row.op) {
            Ok(1) => {
                self.applied.rows += 1;
                Ok(())
            }
            Ok(rows) => Err(diverged(row, &format!("changed {rows} rows"))),
            Err(error) if code::primary(error.code) == code::CONSTRAINT => {
                Err(diverged(row, &error.message))
            }
            Err(error) => Err(ApplyError::stop(error)),
        }
    }

    fn run(&mut self, table: &Arc<Table>, op: &RowOp) -> Result<usize, DatabaseError> {
        match op {
            RowOp::Insert { rowid, new } => {
                let rowid = rowid_value(table, *rowid);
                self.execute(table, Shape::Insert, new.iter().chain(&rowid))
            }
            RowOp::Update { old_rowid, new_rowid, old, new } => {
                let moved = old_rowid != new_rowid;
                let set = changed(old, new, moved);
                let new_rowid = rowid_value(table, *new_rowid).filter(|_| moved);
                let old_rowid = rowid_value(table, *old_rowid);
                let params: Vec<&Value> = set.iter().map(|&index| &new[index]).collect();
                let params = params.into_iter().chain(&new_rowid);
                let shape = Shape::Update { set, moved: new_rowid.is_some() };
                self.execute(table, shape, params.chain(key(table, &old_rowid, old)))
            }
            RowOp::Delete { rowid, old } => {
                let rowid = rowid_value(table, *rowid);
                self.execute(table, Shape::Delete, key(table, &rowid, old))
            }
        }
    }

    fn execute<'v>(
        &mut self,
        table: &Arc<Table>,
        shape: Shape,
        params: impl IntoIterator<Item = &'v Value>,
    ) -> Result<usize, DatabaseError> {
        let params: Vec<&Value> = params.into_iter().collect();
        self.db.execute(self.texts.text(table, shape), &params)
    }
}

fn diverged(row: &RowChange, what: &str) -> ApplyError {
    let table = &row.table;
    let (operation, rowid, values) = match &row.op {
        RowOp::Insert { rowid, new } => ("INSERT", rowid, new),
        RowOp::Update { old_rowid, old, .. } => ("UPDATE", old_rowid, old),
        RowOp::Delete { rowid, old } => ("DELETE", rowid, old),
    };
    let key = match rowid {
        Some(rowid) => format!("rowid {rowid}"),
        None => format!("key {:?}", key(table, &None, values)),
    };
    let table = table.name.clone();
    ApplyError::Diverged { table, what: format!("{operation} of {key}: {what}") }
}

/// The rowid as a parameter, if the statements of the table use it.
fn rowid_value(table: &Table, rowid: Option<i64>) -> Option<Value> {
    rowid.filter(|_| table.rowid_name().is_some()).map(Value::Integer)
}

/// The parameters that find a row.
fn key<'v>(table: &Table, rowid: &'v Option<Value>, row: &'v [Value]) -> Vec<&'v Value> {
    match rowid {
        Some(rowid) => vec![rowid],
        None => table.key().into_iter().map(|index| &row[index]).collect(),
    }
}

/// The columns to set: setting only what changed leaves the indexes of the others alone. A
/// row that did not change at all is set as a whole, to see that it is there.
fn changed(old: &[Value], new: &[Value], moved: bool) -> Vec<usize> {
    let changed: Vec<usize> =
        (0..new.len()).filter(|&index| !is_same(&old[index], &new[index])).collect();
    if changed.is_empty() && !moved { (0..new.len()).collect() } else { changed }
}

/// Bit for bit: 0.0 and -0.0 are equal, but not the same.
fn is_same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Real(old), Value::Real(new)) => old.to_bits() == new.to_bits(),
        _ => old == new,
    }
}
