//! Entries of any kind.

use std::collections::HashSet;
use std::sync::Arc;

use ha_changes::{
    Base, BaseSnapshot, Change, Entry, Kind, Meta, RowChange, RowOp, Table, TableColumn,
    TransactionMark,
};
use ha_core::{AttemptId, Lineage, RunningHash, Seq};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{keyed, value};

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[ -~]{1,8}", "[^\\x00]{1,8}", Just("order".to_owned())]
}

/// A table as it is after decoding: without declared types.
fn table() -> impl Strategy<Value = Arc<Table>> {
    let key = |width| option::of(0..width);
    let columns = (1..6_usize)
        .prop_flat_map(move |width| (vec(name(), width), key(width), key(width), any::<bool>()));
    (name(), columns).prop_map(|(name, (names, first, second, without_rowid))| {
        let mut columns: Vec<_> = unique(names)
            .into_iter()
            .map(|name| TableColumn { name, ..TableColumn::default() })
            .collect();
        for (place, index) in first.into_iter().chain(second).enumerate() {
            if let Some(column) = columns.get_mut(index).filter(|column| column.pk == 0) {
                column.pk = u32::try_from(place + 1).unwrap();
            }
        }
        if columns.iter().all(|column| column.pk != 1) {
            columns.iter_mut().for_each(|column| column.pk = 0);
        }
        let without_rowid = without_rowid && columns.iter().any(|column| column.pk == 1);
        Arc::new(Table { name, columns, without_rowid })
    })
}

/// SQLite compares names of columns without regard to ASCII case.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.to_ascii_lowercase())).collect()
}

fn row_of(table: Arc<Table>) -> impl Strategy<Value = Change> {
    let row = || vec(value(), table.columns.len());
    (0..3, any::<i64>(), any::<i64>(), row(), row()).prop_map(move |(op, a, b, old, new)| {
        let rowid = |rowid| (!table.without_rowid).then_some(rowid);
        let op = match op {
            0 => RowOp::Insert { rowid: rowid(a), new },
            1 => RowOp::Update { old_rowid: rowid(a), new_rowid: rowid(b), old, new },
            _ => RowOp::Delete { rowid: rowid(a), old },
        };
        Change::Row(RowChange { table: Arc::clone(&table), op })
    })
}

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let rows = table().prop_flat_map(|table| vec(row_of(table), 1..4));
    let sql = "(?s).{1,30}".prop_map(|sql| vec![Change::Sql(sql)]);
    vec(prop_oneof![4 => rows, 1 => sql], 0..4).prop_map(|changes| changes.concat())
}

fn any_meta(changes: usize) -> impl Strategy<Value = Meta> {
    let ids = any::<([u8; 8], u64, [u8; 32], u64, u64)>();
    let needs = (option::of("3\\.[0-9]{2}"), vec("[a-z]{1,5}", 0..3), vec("[a-z]{1,5}", 0..3));
    (ids, needs, option::of(any::<[u8; 32]>()), option::of(any::<String>()), 0..4).prop_map(
        move |((lineage, seq, hash, boot, counter), needs, source, key, kind)| {
            let (hash, seq) = (RunningHash(hash), Seq(seq));
            let (sqlite, functions, modules) = needs;
            Meta {
                version: 1,
                id: AttemptId { boot, counter },
                part: (1, 1),
                base: Base { lineage: Lineage(lineage), seq, hash },
                kind: match kind {
                    0 if changes == 0 => Kind::Noop,
                    1 if changes == 0 => {
                        let digest = hash.0;
                        let from = source.map(|hash| Base {
                            lineage: Lineage(lineage),
                            seq,
                            hash: RunningHash(hash),
                        });
                        let bytes = counter;
                        Kind::Base(BaseSnapshot { source, digest, bytes, seq, hash, from })
                    }
                    _ => Kind::Transactions(vec![
                        TransactionMark { changes, id: key.map(keyed) },
                        TransactionMark::default(),
                    ]),
                },
                sqlite,
                functions,
                modules,
            }
        },
    )
}

pub fn any_entry() -> impl Strategy<Value = Entry> {
    let parts = changes().prop_flat_map(|changes| (any_meta(changes.len()), Just(changes)));
    (any::<String>(), any::<i64>(), any::<i64>(), parts).prop_map(
        |(node, process_id, timestamp_ns, (meta, changes))| Entry {
            node,
            process_id,
            timestamp_ns,
            meta: Some(meta),
            changes,
        },
    )
}

/// Equality of entries takes 0.0 for -0.0; their debug form does not.
pub fn exact(entry: &Entry) -> String {
    format!("{entry:?}")
}
