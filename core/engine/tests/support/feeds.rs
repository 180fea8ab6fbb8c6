//! Following a node's changes, and a database that is made of nothing else.

use futures::StreamExt;
use ha_core::{
    ChangeEvent, Engine, Error, EventTable, Result, Row, RowEvent, RowOp, Token, Transaction,
    TransactionStream, Value,
};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use std::sync::Arc;

use super::{PATIENCE, Running};

/// What the node has after `from`.
pub(crate) async fn follow(node: &Running, from: Option<Token>) -> TransactionStream {
    node.node.changes(from).await.unwrap()
}

/// Everything from the beginning of its log.
pub(crate) async fn from_the_beginning(node: &Running) -> TransactionStream {
    let here = node.node.status().position;
    follow(node, Some(Token { seq: ha_core::Seq::ZERO, n: 0, ..here })).await
}

pub(crate) async fn next(feed: &mut TransactionStream) -> Result<Arc<Transaction>> {
    let next = tokio::time::timeout(PATIENCE, feed.next()).await;
    next.expect("another transaction").expect("the feed goes on")
}

pub(crate) async fn take(feed: &mut TransactionStream, count: usize) -> Vec<Arc<Transaction>> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(feed).await.unwrap());
    }
    taken
}

/// What ends the feed.
pub(crate) async fn end(feed: &mut TransactionStream) -> Error {
    loop {
        if let Err(error) = next(feed).await {
            let after = tokio::time::timeout(PATIENCE, feed.next()).await;
            assert!(matches!(after, Ok(None)), "an error ends it");
            return error;
        }
    }
}

/// The values that the transactions have inserted, one column each.
pub(crate) fn inserted(transactions: &[Arc<Transaction>]) -> Vec<Value> {
    let events = transactions.iter().flat_map(|transaction| &transaction.changes);
    events
        .filter_map(|event| match event {
            ChangeEvent::Row(row) => row.after().and_then(|row| row.values.last().cloned()),
            ChangeEvent::Sql { .. } => None,
        })
        .collect()
}

/// A database that executes the events of a feed, as somebody would who keeps a copy elsewhere.
pub(crate) struct Replica(Connection);

impl Replica {
    pub(crate) fn new() -> Self {
        let conn = Connection::open_in_memory().unwrap();
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false).unwrap();
        Self(conn)
    }

    pub(crate) fn apply(&self, transaction: &Transaction) {
        for change in &transaction.changes {
            match change {
                ChangeEvent::Sql { sql, params } => {
                    assert!(params.is_empty(), "{sql}");
                    self.0.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
                }
                ChangeEvent::Row(row) => self.row(row),
            }
        }
    }

    fn row(&self, RowEvent { table, op }: &RowEvent) {
        let name = quoted(&table.name);
        let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
        let changed = match op {
            RowOp::Insert { new } => {
                let columns: Vec<&str> =
                    columns.iter().map(String::as_str).chain(rowid(table, new)).collect();
                let sql = format!(
                    "INSERT INTO {name}({}) VALUES({})",
                    columns.join(","),
                    vec!["?"; columns.len()].join(",")
                );
                let id = rowid(table, new).and(new.rowid).map(Value::Integer);
                self.execute(&sql, new.values.iter().chain(&id))
            }
            RowOp::Update { old, new } => {
                let moved = rowid(table, new).filter(|_| old.rowid != new.rowid);
                let set = columns.iter().map(String::as_str).chain(moved);
                let set: Vec<String> = set.map(|column| format!("{column} = ?")).collect();
                let (find, key) = place(table, old);
                let sql = format!("UPDATE {name} SET {} WHERE {find}", set.join(","));
                let id = moved.and(new.rowid).map(Value::Integer);
                self.execute(&sql, new.values.iter().chain(&id).chain(&key))
            }
            RowOp::Delete { old } => {
                let (find, key) = place(table, old);
                self.execute(&format!("DELETE FROM {name} WHERE {find}"), &key)
            }
        };
        assert_eq!(changed, 1, "{table:?} {op:?}");
    }

    fn execute<'v>(&self, sql: &str, params: impl IntoIterator<Item = &'v Value>) -> usize {
        let params = params_from_iter(params.into_iter().map(Bound));
        self.0.execute(sql, params).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// As [`Running::dump`].
    pub(crate) fn dump(&self) -> Vec<String> {
        let schema = self.rows(
            "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' \
             ORDER BY name",
        );
        let names = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                     AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY name";
        let mut dump: Vec<String> = schema.iter().map(|row| format!("{row:?}")).collect();
        for row in self.rows(names) {
            let SqlValue::Text(name) = &row[0] else { panic!("{row:?}") };
            let rows = self.rows(&format!("SELECT * FROM {}", quoted(name)));
            dump.extend(rows.iter().map(|row| format!("{name} {row:?}")));
        }
        dump
    }

    fn rows(&self, sql: &str) -> Vec<Vec<SqlValue>> {
        let mut select = self.0.prepare(sql).unwrap();
        let columns = select.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|column| row.get_ref(column).map(exact)).collect()
        };
        select.query_map([], row).unwrap().map(Result::unwrap).collect()
    }
}

/// A node's database as a replica shows its own.
pub(crate) fn dump_of(node: &Running) -> Vec<String> {
    let conn = Connection::open(node.dir.path().join("ha.db")).unwrap();
    let dump = Replica(conn).dump();
    dump.into_iter().filter(|line| !line.contains("_ha_")).collect()
}

/// Text whose bytes are not UTF-8 is told apart from blobs by its first letter.
fn exact(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(value) => SqlValue::Integer(value),
        ValueRef::Real(value) => SqlValue::Real(value),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => SqlValue::Text(text.to_owned()),
            Err(_) => SqlValue::Text(format!("not UTF-8: {bytes:?}")),
        },
    }
}

struct Bound<'v>(&'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::RawText(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A name that means the rowid, if the table has one and leaves it one.
fn rowid<'n>(table: &EventTable, row: &Row) -> Option<&'n str> {
    let free = |name: &&str| !table.columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(free).filter(|_| row.rowid.is_some())
}

/// What finds a row, and the parameters of that.
fn place(table: &EventTable, row: &Row) -> (String, Vec<Value>) {
    if let (Some(name), Some(rowid)) = (rowid(table, row), row.rowid) {
        return (format!("{name} = ?"), vec![Value::Integer(rowid)]);
    }
    let parts = table.key.iter().map(|&column| format!("{} IS ?", quoted(&table.columns[column])));
    let key = table.key.iter().map(|&column| row.values[column].clone()).collect();
    (parts.collect::<Vec<_>>().join(" AND "), key)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
