use std::borrow::Borrow;
use std::ops::Range;
use std::sync::Arc;

use ha_core::Value;

use crate::encode::Writer;
use crate::encode::ddl::repeatable;
use crate::encode::v007::{RowSql, Rules};
use crate::names::spell;
use crate::{Change, Form, RowChange, RowOp, Table, exact};

/// Changes as JSON objects, with commas between them.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    json: Writer,
    /// Where the first change stands.
    start: usize,
    /// What v0.0.7 needs, if it is to be exact.
    v007: Option<Rules<'a>>,
    /// The table of the last row, and where its fields stand: the next row's are a copy.
    last_table: Option<(Arc<Table>, Range<usize>)>,
}

impl<'a> Encoder<'a> {
    /// Writes on after what `json` holds.
    pub(super) fn new(json: Writer, form: Form<'a>) -> Self {
        let v007 = match form {
            Form::Own => None,
            Form::V007Exact(triggers) => Some(Rules::new(triggers)),
        };
        Self { start: json.bytes.len(), json, v007, last_table: None }
    }

    pub(super) fn push(&mut self, change: &Change) {
        self.json.raw(if self.is_empty() { "{" } else { ",{" });
        match change {
            Change::Row(row) => self.row(row),
            Change::Sql(sql) if self.v007.is_some() => self.sql::<Value>(&repeatable(sql), &[]),
            Change::Sql(sql) => self.sql::<Value>(sql, &[]),
            Change::SqlWith(sql, args) => self.sql(sql, args),
        }
        self.json.raw("}");
    }

    /// Adds a change that is JSON already.
    pub(super) fn push_json(&mut self, json: &str) {
        if !self.is_empty() {
            self.json.raw(",");
        }
        self.json.raw(json);
    }

    /// Takes the last change back, which stands from `at`, a length before it was pushed. No
    /// row may be pushed before [`Self::take`].
    pub(super) fn take_from(&mut self, at: usize) -> String {
        let comma = usize::from(at > self.start);
        // The change may be far larger than what is before it: it stays where it is.
        let before = self.json.bytes[..at].to_vec();
        let mut json = std::mem::replace(&mut self.json.bytes, before);
        json.drain(..at + comma);
        String::from_utf8(json).expect("a change is written from strings")
    }

    /// Gives what was written and starts anew, empty.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.last_table = None;
        self.start = 0;
        std::mem::take(&mut self.json.bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.json.bytes.len() == self.start
    }

    pub(super) fn len(&self) -> usize {
        self.json.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.json.bytes
    }

    fn row(&mut self, row: &RowChange) {
        match self.v007.as_mut().and_then(|rules| rules.sql(row)) {
            Some(sql) => self.row_as_sql(&sql, row),
            None => self.plain_row(row),
        }
    }

    fn plain_row(&mut self, row: &RowChange) {
        self.table(&row.table);
        self.op(&row.op);
    }

    fn row_as_sql(&mut self, sql: &RowSql<'_>, row: &RowChange) {
        self.sql(&sql.text, &sql.args);
        self.name("row");
        self.json.raw("{");
        self.plain_row(row);
        self.json.raw("}");
    }

    /// The SQL under the names of both readers: v0.0.7's, and that of the versions after it.
    fn sql<V: Borrow<Value>>(&mut self, sql: &str, args: &[V]) {
        self.json.raw("\"operation\":\"SQL\"");
        for (sql_name, args_name) in [("sql", "sql_args"), ("command", "args")] {
            self.name(sql_name);
            self.json.string(sql);
            if !args.is_empty() {
                self.name(args_name);
                self.json.list(args, |json, arg| exact::write(json, arg.borrow()));
            }
        }
    }

    fn table(&mut self, table: &Arc<Table>) {
        if let Some((last, range)) = &self.last_table
            && Arc::ptr_eq(last, table)
        {
            self.json.bytes.extend_from_within(range.clone());
            return;
        }
        let start = self.json.bytes.len();
        self.json.raw("\"database\":\"main\",\"table\":");
        self.json.string(&spell(&table.name));
        self.json.raw(",\"columns\":");
        self.json.list(&table.columns, |out, column| out.string(&spell(&column.name)));
        let key = table.key();
        if !key.is_empty() {
            self.json.raw(",\"pk_columns\":");
            self.json.list(key, |out, index| out.string(&spell(&table.columns[index].name)));
        }
        self.last_table = Some((Arc::clone(table), start..self.json.bytes.len()));
    }

    /// Both rowids are always sent, as v0.0.7 does.
    fn op(&mut self, op: &RowOp) {
        match op {
            RowOp::Insert { rowid, new } => {
                self.operation("INSERT", *rowid, *rowid);
                self.values("new_values", "new_types", new);
            }
            RowOp::Update { old_rowid, new_rowid, old, new } => {
                self.operation("UPDATE", *old_rowid, *new_rowid);
                self.values("old_values", "old_types", old);
                self.values("new_values", "new_types", new);
            }
            RowOp::Delete { rowid, old } => {
                self.operation("DELETE", *rowid, *rowid);
                self.values("old_values", "old_types", old);
            }
        }
    }

    fn operation(&mut self, name: &str, old_rowid: Option<i64>, new_rowid: Option<i64>) {
        self.name("operation");
        self.json.string(name);
        for (name, rowid) in [("old_rowid", old_rowid), ("new_rowid", new_rowid)] {
            if let Some(rowid) = rowid {
                self.name(name);
                self.json.integer(rowid);
            }
        }
    }

    fn values(&mut self, name: &str, types_name: &str, values: &[Value]) {
        let spelled = self.v007.is_some();
        self.name(name);
        self.json.list(values, |json, value| match value {
            Value::Integer(big) if spelled && !exact::is_double(*big) => exact::spell(json, *big),
            _ => exact::write(json, value),
        });
        if !values.iter().all(|value| exact::is_plain(value, spelled)) {
            self.name(types_name);
            self.json.raw("\"");
            self.json.bytes.extend(values.iter().map(exact::letter));
            self.json.raw("\"");
        }
    }

    /// A field's name, not the first of its object.
    fn name(&mut self, name: &str) {
        self.json.raw(",\"");
        self.json.raw(name);
        self.json.raw("\":");
    }
}
