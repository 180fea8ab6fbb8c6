//! Which rows v0.0.7 would not apply exactly, and the SQL that does what they say.
//!
//! v0.0.7 reads numbers as doubles, strings as TEXT, and binds them to
//! `INSERT INTO main.t (c, …, rowid) VALUES (?1, …) ON CONFLICT (rowid) DO UPDATE SET c = ?1, …`,
//! `UPDATE main.t SET c = ?, … WHERE rowid = ?` and `DELETE FROM main.t WHERE rowid = ?`. What
//! it makes of a value then depends on the column's affinity
//! (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use ha_core::Value;

use crate::statements::{Shape, text};
use crate::{RowChange, RowOp, Table, Triggers, quote_identifier, sequence};

/// What v0.0.7 needs to know of the tables.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    triggers: &'a dyn Triggers,
    /// By the table's address, which stays its own as long as its `Arc` is held here.
    tables: HashMap<usize, (Arc<Table>, Rule)>,
}

/// SQL that changes a row, its parameters in order.
pub(super) struct RowSql<'v> {
    pub(super) text: String,
    pub(super) args: Vec<Cow<'v, Value>>,
}

/// What concerns all rows of a table.
#[derive(Debug)]
struct Rule {
    always_sql: bool,
    /// Before the row's statement, its semicolon included.
    drop_triggers: String,
    /// After it, beginning with the semicolon.
    create_triggers: String,
}

impl<'a> Rules<'a> {
    pub(super) fn new(triggers: &'a dyn Triggers) -> Self {
        Self { triggers, tables: HashMap::new() }
    }

    /// The row as SQL; `None` if v0.0.7 applies it exactly as it is.
    pub(super) fn sql<'v>(&mut self, row: &'v RowChange) -> Option<RowSql<'v>> {
        let address = Arc::as_ptr(&row.table).addr();
        let triggers = self.triggers;
        let (_, rule) = self
            .tables
            .entry(address)
            .or_insert_with(|| (Arc::clone(&row.table), Rule::of(&row.table, triggers)));
        if !rule.always_sql && is_exact(row) {
            return None;
        }
        let sql = row_sql(row);
        let text = format!("{}{}{}", rule.drop_triggers, sql.text, rule.create_triggers);
        Some(RowSql { text, ..sql })
    }
}

impl Rule {
    fn of(table: &Table, triggers: &dyn Triggers) -> Self {
        let triggers = triggers.on(table);
        let (mut drop_triggers, mut create_triggers) = (String::new(), String::new());
        for trigger in &triggers {
            let name = quote_identifier(&trigger.name);
            // Writing to a String cannot fail.
            let _ = write!(drop_triggers, "DROP TRIGGER IF EXISTS main.{name}; ");
            let _ = write!(create_triggers, "; {}", trigger.sql);
        }
        let by_key = table.without_rowid || table.column("rowid").is_some();
        let always_sql = by_key || sequence::is_sequence(table) || !triggers.is_empty();
        Self { always_sql, drop_triggers, create_triggers }
    }
}

/// Whether v0.0.7's own statements make of a row what it is.
fn is_exact(row: &RowChange) -> bool {
    match &row.op {
        RowOp::Insert { new, .. } => binds_exactly(&row.table, new),
        // v0.0.7 leaves the rowid alone.
        RowOp::Update { old_rowid, new_rowid, new, .. } => {
            old_rowid == new_rowid && binds_exactly(&row.table, new)
        }
        RowOp::Delete { .. } => true,
    }
}

fn binds_exactly(table: &Table, values: &[Value]) -> bool {
    table.columns.iter().zip(values).all(|(column, value)| match value {
        Value::Null | Value::Text(_) => true,
        Value::Integer(_) => makes_integers(&column.decl_type),
        Value::Real(real) => !real.is_infinite(),
        Value::RawText(_) | Value::Blob(_) => false,
    })
}

/// Whether a column makes an INTEGER of a whole double, and of text that spells one: its
/// affinity is INTEGER or NUMERIC. `ANY` has none in a STRICT table.
fn makes_integers(decl_type: &str) -> bool {
    let decl_type = decl_type.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| decl_type.contains(word));
    has(&["INT"])
        || !(has(&["CHAR", "CLOB", "TEXT", "BLOB", "REAL", "FLOA", "DOUB"])
            || matches!(&*decl_type, "" | "ANY"))
}

fn row_sql(row: &RowChange) -> RowSql<'_> {
    if let Some(statements) = sequence::statements(row) {
        return RowSql { text: statements.join("; "), args: Vec::new() };
    }
    let (shape, params) = statement(&row.table, &row.op);
    let (mut params, mut args) = (params.into_iter(), Vec::new());
    let mut param = || {
        let value = params.next().expect("a parameter for each of the statement's");
        literal(&value).unwrap_or_else(|| {
            args.push(value);
            "?".to_owned()
        })
    };
    let text = text(&row.table, &shape, &mut param);
    RowSql { text, args }
}

/// A statement that may run again, and its parameters.
fn statement<'v>(table: &Table, op: &'v RowOp) -> (Shape, Vec<Cow<'v, Value>>) {
    let all = || (0..table.columns.len()).collect();
    let cells = |values: &'v [Value]| values.iter().map(Cow::Borrowed);
    let rowid = |rowid: &Option<i64>| {
        rowid
            .filter(|_| table.rowid_name().is_some())
            .map(|rowid| Cow::Owned(Value::Integer(rowid)))
    };
    let key = |old_rowid: &Option<i64>, old: &'v [Value]| match rowid(old_rowid) {
        Some(rowid) => vec![rowid],
        None => table.key().into_iter().map(|index| Cow::Borrowed(&old[index])).collect(),
    };
    match op {
        RowOp::Insert { rowid: new_rowid, new } => {
            (Shape::Upsert(all()), cells(new).chain(rowid(new_rowid)).collect())
        }
        RowOp::Update { old_rowid, new_rowid, old, new } => {
            let moved = rowid(new_rowid).filter(|_| old_rowid != new_rowid);
            let shape = Shape::Update { set: all(), moved: moved.is_some() };
            (shape, cells(new).chain(moved).chain(key(old_rowid, old)).collect())
        }
        RowOp::Delete { rowid, old } => (Shape::Delete, key(rowid, old)),
    }
}

/// What must stand in the text, since parameters arrive as doubles or TEXT.
fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("NULL".to_owned()),
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Real(real) if real.is_nan() => Some("NULL".to_owned()),
        Value::Real(real) if real.is_infinite() => {
            Some(if *real > 0.0 { "9e999" } else { "-9e999" }.to_owned())
        }
        Value::Real(_) | Value::Text(_) => None,
        Value::RawText(bytes) => Some(format!("CAST(x'{}' AS TEXT)", hex::encode(bytes))),
        Value::Blob(bytes) => Some(format!("x'{}'", hex::encode(bytes))),
    }
}
