//! Entries, as those who follow see them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ha_changes::{Change, Entry, Kind, Meta, RowChange, RowOp as Op, Table};
use ha_core::{ChangeEvent, EventTable, Row, RowEvent, RowOp, Token, Transaction, Value};

/// The transactions of an entry whose last part stands at `last`, in order.
pub(super) fn transactions(entry: Entry, last: Token) -> impl Iterator<Item = Transaction> {
    let sizes = sizes(&entry);
    let (node, at) = (named(entry.node), moment(entry.timestamp_ns));
    let mut changes = entry.changes.into_iter();
    let mut tables = Tables::default();
    (1..).zip(sizes).map(move |(n, size)| Transaction {
        position: Token { n, ..last },
        node: node.clone(),
        at,
        changes: changes.by_ref().take(size).map(|change| tables.event(change)).collect(),
    })
}

/// How many changes each transaction has.
fn sizes(entry: &Entry) -> Vec<usize> {
    match entry.meta.as_ref().map(|Meta { kind, .. }| kind) {
        Some(Kind::Transactions(marks)) => marks.iter().map(|mark| mark.changes).collect(),
        Some(Kind::Noop | Kind::Base(_) | Kind::Audit(_) | Kind::Turn(_)) => Vec::new(),
        None => vec![entry.changes.len()],
    }
}

fn named(node: String) -> Option<String> {
    (!node.is_empty()).then_some(node)
}

fn moment(timestamp_ns: i64) -> Option<SystemTime> {
    let since = u64::try_from(timestamp_ns).ok().filter(|nanos| *nanos > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_nanos(since))
}

/// The tables of an entry, each told once.
#[derive(Default)]
struct Tables(HashMap<Arc<Table>, Arc<EventTable>>);

impl Tables {
    fn event(&mut self, change: Change) -> ChangeEvent {
        match change {
            Change::Row(row) => ChangeEvent::Row(self.row(row)),
            Change::Sql(sql) => ChangeEvent::Sql { sql, params: Vec::new() },
            Change::SqlWith(sql, params) => ChangeEvent::Sql { sql, params },
        }
    }

    fn row(&mut self, change: RowChange) -> RowEvent {
        let table = self.0.entry(change.table).or_insert_with_key(|table| Arc::new(told(table)));
        RowEvent { table: Arc::clone(table), op: operation(change.op) }
    }
}

fn told(table: &Table) -> EventTable {
    EventTable {
        name: table.name.clone(),
        columns: table.columns.iter().map(|column| column.name.clone()).collect(),
        key: table.key(),
    }
}

fn operation(op: Op) -> RowOp {
    let row = |rowid: Option<i64>, values: Vec<Value>| Row { rowid, values };
    match op {
        Op::Insert { rowid, new } => RowOp::Insert { new: row(rowid, new) },
        Op::Delete { rowid, old } => RowOp::Delete { old: row(rowid, old) },
        Op::Update { old_rowid, new_rowid, old, new } => {
            RowOp::Update { old: row(old_rowid, old), new: row(new_rowid, new) }
        }
    }
}
