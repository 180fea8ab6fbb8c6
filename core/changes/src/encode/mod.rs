mod json;
mod meta;

use std::ops::Range;
use std::sync::Arc;

use ha_core::Value;

use crate::names::spell;
use crate::{Change, Entry, Error, RowOp, Table, exact};
pub(crate) use json::Writer;

/// The bytes of an entry: the JSON object of v0.0.7 with its fields in its order, and our own
/// in `ha`, before the changes. Values arrive exactly, whatever v0.0.7 makes of them. A NaN,
/// which SQLite stores as NULL, is written as NULL.
///
/// # Errors
/// [`Error::Inconsistent`] if rows do not fit their table, or marks their changes;
/// [`Error::Unsupported`] for a table whose columns hide its rowid.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, Error> {
    if let Some(meta) = &entry.meta {
        meta.check(entry.changes.len()).map_err(Error::Inconsistent)?;
        entry.changes.iter().try_for_each(check)?;
    }
    let mut out = Encoder::default();
    out.entry(entry);
    Ok(out.json.bytes)
}

#[derive(Default)]
struct Encoder<'a> {
    json: Writer,
    /// The table of the last row, and where its fields stand: the next row's are a copy.
    last_table: Option<(&'a Arc<Table>, Range<usize>)>,
}

impl<'a> Encoder<'a> {
    fn entry(&mut self, entry: &'a Entry) {
        self.json.raw("{\"node\":");
        self.json.string(&entry.node);
        self.json.raw(",\"process_id\":");
        self.json.integer(entry.process_id);
        if let Some(meta) = &entry.meta {
            self.json.raw(",\"ha\":");
            meta::write(&mut self.json, meta);
        }
        self.json.raw(",\"changes\":[");
        for (index, change) in entry.changes.iter().enumerate() {
            self.json.raw(if index > 0 { ",{" } else { "{" });
            self.change(change);
            self.json.raw("}");
        }
        self.json.raw("],\"timestamp_ns\":");
        self.json.integer(entry.timestamp_ns);
        self.json.raw("}");
    }

    fn change(&mut self, change: &'a Change) {
        match change {
            Change::Row(row) => {
                self.table(&row.table);
                self.op(&row.op);
            }
            Change::Sql(sql) => self.sql(sql, &[]),
            Change::SqlWith(sql, args) => self.sql(sql, args),
        }
    }

    /// The SQL under the names of both readers: v0.0.7's, and that of the versions after it.
    fn sql(&mut self, sql: &str, args: &[Value]) {
        self.json.raw("\"operation\":\"SQL\"");
        for (sql_name, args_name) in [("sql", "sql_args"), ("command", "args")] {
            self.name(sql_name);
            self.json.string(sql);
            if !args.is_empty() {
                self.name(args_name);
                self.json.list(args, exact::write);
            }
        }
    }

    fn table(&mut self, table: &'a Arc<Table>) {
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
        self.last_table = Some((table, start..self.json.bytes.len()));
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
        self.name(name);
        self.json.list(values, exact::write);
        if !values.iter().all(exact::is_plain) {
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

fn check(change: &Change) -> Result<(), Error> {
    let Change::Row(row) = change else { return Ok(()) };
    let table = &row.table;
    // Decoded tables do not say whether a primary key is the rowid.
    if table.rowid_name().is_none() && !table.without_rowid && table.rowid_alias().is_none() {
        return Err(Error::Unsupported(format!(
            "table {:?} has columns rowid, _rowid_ and oid, and no INTEGER PRIMARY KEY",
            table.name
        )));
    }
    if !row.is_consistent() {
        return Err(Error::Inconsistent(format!("a row of {:?} does not fit it", table.name)));
    }
    Ok(())
}
