//! Entries to be cut into parts.

use std::sync::Arc;

use ha_changes::{Entry, Table, encode_parts};
use ha_core::{AttemptId, Value};

use super::{Sqlite, entry, insert};
use crate::row;

/// An entry of a few hundred bytes for each of its rows.
pub fn rows(count: i64) -> Entry {
    let table = Sqlite::new("CREATE TABLE t(id INTEGER PRIMARY KEY, a)").schema("t");
    let table = decoded(&table);
    entry((1..=count).map(|id| insert(&table, id, row![id, "some text"])).collect())
}

/// A table without declared types, as it is after decoding.
pub fn decoded(table: &Table) -> Arc<Table> {
    let mut table = table.clone();
    table.columns.iter_mut().for_each(|column| column.decl_type.clear());
    table.into()
}

pub fn big(value: Value) -> Entry {
    let table = Sqlite::new("CREATE TABLE t(a, b)").schema("t");
    entry(vec![
        insert(&table, 1, row![1, 2]),
        insert(&table, 2, vec![value, 3.into()]),
        insert(&table, 3, row![5, 6]),
    ])
}

/// Parts of two entries that differ in nothing but their id.
pub fn two_runs() -> [Vec<Vec<u8>>; 2] {
    [7, 8].map(|counter| {
        let mut entry = rows(20);
        entry.meta.as_mut().unwrap().id = AttemptId { boot: 1, counter };
        encode_parts(&entry, 1150).unwrap()
    })
}
