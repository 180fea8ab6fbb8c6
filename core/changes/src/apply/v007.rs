//! Entries of v0.0.7: by rowid, over whatever is there.

use std::sync::Arc;

use ha_core::Value;
use ha_core::sql::words;

use crate::apply::{Applied, ApplyError, code, statements};
use crate::statements::{Shape, Statements};
use crate::{Change, Database, DatabaseError, RowChange, RowOp, Table, exact};

pub(super) fn apply(db: &mut dyn Database, changes: &[Change]) -> Result<Applied, ApplyError> {
    let mut applier = Applier { db, texts: Statements::default(), applied: Applied::default() };
    for change in changes {
        let result = match change {
            Change::Row(row) => applier.row(row),
            Change::Sql(sql) => applier.sql(sql, &[]),
            Change::SqlWith(sql, args) => applier.sql(sql, args),
        };
        result.map_err(skip_or_stop)?;
    }
    Ok(applier.applied)
}

struct Applier<'d> {
    db: &'d mut dyn Database,
    texts: Statements,
    applied: Applied,
}

impl Applier<'_> {
    fn sql(&mut self, sql: &str, args: &[Value]) -> Result<(), DatabaseError> {
        let args: Vec<&Value> = args.iter().collect();
        for statement in statements(sql)? {
            if is_local(statement) {
                self.applied.ignored += 1;
            } else {
                self.db.execute(statement, &args)?;
                self.applied.statements += 1;
            }
        }
        self.db.schema_changed();
        Ok(())
    }

    fn row(&mut self, row: &RowChange) -> Result<(), DatabaseError> {
        if row.table.name.to_ascii_lowercase().starts_with("sqlite_stat") {
            self.applied.ignored += 1;
            return Ok(());
        }
        let name = &row.table.name;
        let Some(table) = self.db.table(name)? else {
            return Err(failure(format!("no such table: {name}")));
        };
        let (shape, params) = statement(&table, row)?;
        let params: Vec<&Value> = params.iter().collect();
        match self.db.execute(self.texts.text(&table, shape), &params)? {
            0 => self.applied.ignored += 1,
            _ => self.applied.rows += 1,
        }
        Ok(())
    }
}

/// What a row change becomes for the table as it is here.
fn statement(table: &Arc<Table>, row: &RowChange) -> Result<(Shape, Vec<Value>), DatabaseError> {
    let cells = |values: &[Value]| cells(table, &row.table, values);
    match &row.op {
        RowOp::Insert { rowid, new } => {
            let new = cells(new)?;
            let rowid = Value::Integer(rowid.unwrap_or(0));
            let rowid = table.rowid_name().map(|_| rowid);
            let params = new.values.into_iter().chain(rowid).collect();
            Ok((Shape::Upsert(new.columns), params))
        }
        RowOp::Update { old_rowid, new_rowid, old, new } => {
            let new = cells(new)?;
            // A rowid that is missing may be 0 or, from others, unchanged.
            let new_rowid = new_rowid.filter(|_| table.rowid_name().is_some());
            let shape = Shape::Update { set: new.columns, moved: new_rowid.is_some() };
            let params = new.values.into_iter().chain(new_rowid.map(Value::Integer));
            Ok((shape, params.chain(key(table, *old_rowid, || cells(old))?).collect()))
        }
        RowOp::Delete { rowid, old } => Ok((Shape::Delete, key(table, *rowid, || cells(old))?)),
    }
}

/// Values beside the columns they belong to here.
struct Cells {
    columns: Vec<usize>,
    values: Vec<Value>,
}

/// Matches values to columns: by name, or by place if the sender's names are out of date,
/// which v0.0.7 keeps as they were when the table was first written to.
fn cells(table: &Table, sent: &Table, values: &[Value]) -> Result<Cells, DatabaseError> {
    let named: Option<Vec<usize>> =
        sent.columns.iter().map(|column| table.column(&column.name)).collect();
    let by_place = || (0..table.columns.len()).collect();
    let columns = named
        .filter(|columns| columns.len() == values.len())
        .or_else(|| (values.len() == table.columns.len()).then(by_place))
        .ok_or_else(|| failure(format!("{} values for table {}", values.len(), table.name)))?;
    let value = |(&index, value): (&usize, &Value)| {
        exact::resolve_v007(value, &table.columns[index].decl_type)
    };
    let values = columns.iter().zip(values).map(value).collect();
    Ok(Cells { columns, values })
}

/// The parameters that find a row: its rowid, where none was sent 0, or its primary key.
fn key(
    table: &Table,
    rowid: Option<i64>,
    old: impl FnOnce() -> Result<Cells, DatabaseError>,
) -> Result<Vec<Value>, DatabaseError> {
    if table.rowid_name().is_some() {
        return Ok(vec![Value::Integer(rowid.unwrap_or(0))]);
    }
    let old = old()?;
    let value = |index| {
        let place = old.columns.iter().position(|&column| column == index);
        place.map(|place| old.values[place].clone())
    };
    let key: Option<Vec<Value>> = table.key().into_iter().map(value).collect();
    key.ok_or_else(|| failure(format!("no primary key for table {}", table.name)))
}

/// What concerns the sender's connection alone.
fn is_local(statement: &str) -> bool {
    let mut words = words(statement);
    match (words.next().as_deref(), words.next().as_deref()) {
        (Some("CREATE"), Some("TEMP" | "TEMPORARY")) => true,
        (Some("PRAGMA"), name) => !matches!(name, Some("USER_VERSION" | "APPLICATION_ID")),
        _ => false,
    }
}

fn failure(message: String) -> DatabaseError {
    DatabaseError { code: code::ERROR, message }
}

fn skip_or_stop(error: DatabaseError) -> ApplyError {
    if is_deterministic(&error) {
        ApplyError::Skip { code: error.code, message: error.message }
    } else {
        ApplyError::stop(error)
    }
}

/// Whether every node fails the same way: the statement and the rows decide, not the node.
fn is_deterministic(error: &DatabaseError) -> bool {
    let decided_by_data =
        [code::ERROR, code::TOOBIG, code::CONSTRAINT, code::MISMATCH, code::AUTH, code::RANGE];
    let plain_error = code::primary(error.code) != code::ERROR || error.code == code::ERROR;
    let missing = MISSING.iter().any(|text| error.message.contains(text));
    decided_by_data.contains(&code::primary(error.code)) && plain_error && !missing
}

/// What another build or another set of extensions has. Extended codes of `SQLITE_ERROR`
/// (a missing collation, a retry) are left to the node as well.
const MISSING: [&str; 5] = [
    "no such function",
    "no such module",
    "no such collation",
    "no such tokenizer",
    "unknown tokenizer",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_node_refuses_is_skipped() {
        let skipped = |code, message: &str| {
            is_deterministic(&DatabaseError { code, message: message.to_owned() })
        };
        for code in [1, 18, 19, 20, 23, 25, 2067, 1555, 787] {
            assert!(skipped(code, "near \"x\": syntax error"), "{code}");
        }
        // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, and the extended
        // codes of ERROR and IOERR.
        for code in [5, 6, 7, 8, 9, 10, 11, 13, 21, 257, 513, 769, 266, 778] {
            assert!(!skipped(code, "something"), "{code}");
        }
        for missing in MISSING {
            assert!(!skipped(1, &format!("{missing}: x")), "{missing}");
        }
    }
}
