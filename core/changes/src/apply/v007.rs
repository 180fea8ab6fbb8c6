//! Entries of v0.0.7: by rowid, over whatever is there.

use ha_core::Value;
use ha_core::sql::words;

use crate::apply::cells::Cells;
use crate::apply::{Applied, ApplyError, code, failure, statements};
use crate::sequence;
use crate::statements::{Shape, Statements};
use crate::{Change, Database, DatabaseError, RowChange, RowOp, Table};

pub(super) fn apply(db: &mut dyn Database, changes: &[Change]) -> Result<Applied, ApplyError> {
    let (texts, applied) = Default::default();
    let mut applier = Applier { db, texts, after_sql: false, applied };
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
    /// SQL of this message has run.
    after_sql: bool,
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
        // Full-text tables write their indexes at the next savepoint or at the end. The rows that
        // the sender's wrote come next, and go over them.
        for flush in ["SAVEPOINT flush", "RELEASE flush"] {
            self.db.execute(flush, &[])?;
        }
        self.after_sql = true;
        self.db.schema_changed();
        Ok(())
    }

    fn row(&mut self, row: &RowChange) -> Result<(), DatabaseError> {
        let name = row.table.name.to_ascii_lowercase();
        if name.starts_with("sqlite_stat") || self.is_of_rtree(&name)? {
            self.applied.ignored += 1;
            return Ok(());
        }
        if let Some(statements) = sequence::statements(row) {
            let changed = statements.iter().map(|sql| self.db.execute(sql, &[]));
            let changed = changed.sum::<Result<usize, _>>()?;
            self.count(changed);
            return Ok(());
        }
        let name = &row.table.name;
        let Some(table) = self.db.table(name)? else {
            return self.has_no_place(format!("no such table: {name}"));
        };
        let Some((shape, params)) = statement(self.db, &table, row)? else {
            return self.has_no_place(format!("a row that does not fit table {name}"));
        };
        let params: Vec<&Value> = params.iter().collect();
        let changed = self.db.execute(self.texts.text(&table, shape), &params)?;
        self.count(changed);
        Ok(())
    }

    /// SQL of several statements comes before the rows that it changed, and did so here as well. It
    /// may have dropped or altered their tables since: so does who copies a table to change it.
    fn has_no_place(&mut self, why: String) -> Result<(), DatabaseError> {
        if !self.after_sql {
            return Err(failure(why));
        }
        self.applied.ignored += 1;
        Ok(())
    }

    fn count(&mut self, changed: usize) {
        match changed {
            0 => self.applied.ignored += 1,
            _ => self.applied.rows += 1,
        }
    }

    /// Whether a table is behind an R*Tree. Its nodes are blobs in a column without a type, which
    /// v0.0.7 cannot send: what arrives would make the whole database look damaged.
    fn is_of_rtree(&mut self, name: &str) -> Result<bool, DatabaseError> {
        let mut tree =
            ["_node", "_rowid", "_parent"].iter().filter_map(|end| name.strip_suffix(end));
        tree.next().map_or(Ok(false), |tree| self.db.is_rtree(tree))
    }
}

/// What a row change becomes for the table as it is here; `None` if its values do not fit.
fn statement(
    db: &mut dyn Database,
    table: &Table,
    row: &RowChange,
) -> Result<Option<(Shape, Vec<Value>)>, DatabaseError> {
    let mut cells = |values: &[Value]| Cells::of(db, table, &row.table, values);
    Ok(match &row.op {
        RowOp::Insert { rowid, new } => cells(new)?.map(|new| {
            let rowid = Value::Integer(rowid.unwrap_or(0));
            let rowid = table.rowid_name().map(|_| rowid);
            (Shape::Upsert(new.columns), new.values.into_iter().chain(rowid).collect())
        }),
        RowOp::Update { old_rowid, new_rowid, old, new } => {
            let Some(new) = cells(new)? else { return Ok(None) };
            // A rowid that is missing may be 0 or, from others, unchanged.
            let new_rowid = new_rowid.filter(|_| table.rowid_name().is_some());
            let shape = Shape::Update { set: new.columns, moved: new_rowid.is_some() };
            let params = new.values.into_iter().chain(new_rowid.map(Value::Integer));
            let key = key(table, *old_rowid, || cells(old))?;
            key.map(|key| (shape, params.chain(key).collect()))
        }
        RowOp::Delete { rowid, old } => {
            key(table, *rowid, || cells(old))?.map(|key| (Shape::Delete, key))
        }
    })
}

/// The parameters that find a row: its rowid, where none was sent 0, or its primary key.
fn key(
    table: &Table,
    rowid: Option<i64>,
    old: impl FnOnce() -> Result<Option<Cells>, DatabaseError>,
) -> Result<Option<Vec<Value>>, DatabaseError> {
    if table.rowid_name().is_some() {
        return Ok(Some(vec![Value::Integer(rowid.unwrap_or(0))]));
    }
    let Some(old) = old()? else { return Ok(None) };
    let value = |index| {
        let place = old.columns.iter().position(|&column| column == index);
        place.map(|place| old.values[place].clone())
    };
    Ok(table.key().into_iter().map(value).collect())
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
