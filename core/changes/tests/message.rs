//! The bytes: that they say everything, that v0.0.7 can read them, and what is refused.

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use common::{delete, entry, insert, meta, update, value};
use ha_changes::{
    Base, BaseSnapshot, Change, Entry, Error, Kind, Meta, RowChange, RowOp, Table, TableColumn,
    TransactionMark, decode, encode,
};
use ha_core::{AttemptId, Lineage, RunningHash, Seq, Value};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde::Deserialize;

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

fn changes() -> impl Strategy<Value = Vec<Change>> {
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
                        Kind::Base(BaseSnapshot { source, digest, bytes: counter, seq, hash })
                    }
                    _ => Kind::Transactions(vec![
                        TransactionMark { changes, id: key },
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

fn any_entry() -> impl Strategy<Value = Entry> {
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
fn exact(entry: &Entry) -> String {
    format!("{entry:?}")
}

proptest! {
    #[test]
    fn an_entry_survives_its_bytes(entry in any_entry()) {
        let bytes = encode(&entry).unwrap();
        prop_assert_eq!(exact(&decode(&bytes).unwrap()), exact(&entry));
    }

    #[test]
    fn v007_reads_the_same_changes(entry in any_entry()) {
        let message: GoMessage = serde_json::from_slice(&encode(&entry).unwrap()).unwrap();
        prop_assert_eq!(&message.node, &entry.node);
        prop_assert_eq!(message.process_id, entry.process_id);
        prop_assert_eq!(message.timestamp_ns, entry.timestamp_ns);
        prop_assert_eq!(message.changes.len(), entry.changes.len());
        for (read, written) in message.changes.iter().zip(&entry.changes) {
            check_v007(read, written);
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn damaged_entries_are_decoded_or_refused(
        entry in any_entry(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = encode(&entry).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
        prop_assert!(matches!(decode(&bytes[..at]), Err(Error::Malformed(_))));
    }
}

/// What v0.0.7 reads: its own fields, each of which may be missing, and no other.
#[derive(Deserialize)]
struct GoMessage {
    node: String,
    process_id: i64,
    changes: Vec<GoChange>,
    timestamp_ns: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct GoChange {
    database: String,
    table: String,
    columns: Vec<String>,
    operation: String,
    old_rowid: i64,
    new_rowid: i64,
    old_values: Vec<serde_json::Value>,
    new_values: Vec<serde_json::Value>,
    sql: String,
    sql_args: Vec<serde_json::Value>,
}

fn check_v007(read: &GoChange, written: &Change) {
    let row = match written {
        Change::Row(row) => row,
        Change::Sql(sql) | Change::SqlWith(sql, _) => {
            assert_eq!((&*read.operation, &*read.sql), ("SQL", &**sql));
            assert!(read.sql_args.is_empty());
            return;
        }
    };
    let width = row.table.columns.len();
    assert_eq!((&*read.database, read.columns.len()), ("main", width));
    assert!(read.table == row.table.name || read.table.starts_with('"'), "{:?}", read.table);
    let lengths = (read.old_values.len(), read.new_values.len());
    let rowids = (read.old_rowid, read.new_rowid);
    let (operation, expected_rowids, expected_lengths) = match &row.op {
        RowOp::Insert { rowid, .. } => ("INSERT", (*rowid, *rowid), (0, width)),
        RowOp::Update { old_rowid, new_rowid, .. } => {
            ("UPDATE", (*old_rowid, *new_rowid), (width, width))
        }
        RowOp::Delete { rowid, .. } => ("DELETE", (*rowid, *rowid), (width, 0)),
    };
    assert_eq!((&*read.operation, lengths), (operation, expected_lengths));
    let or_zero = |(old, new): (Option<i64>, Option<i64>)| (old.unwrap_or(0), new.unwrap_or(0));
    assert_eq!(rowids, or_zero(expected_rowids));
}

fn users() -> Arc<Table> {
    let column = |name: &str, pk| TableColumn { name: name.into(), pk, ..TableColumn::default() };
    let columns = vec![column("id", 1), column("group", 0)];
    Arc::new(Table { name: "users".into(), columns, without_rowid: false })
}

#[test]
fn the_message_looks_like_this() {
    let t = users();
    let bytes = encode(&entry(vec![
        insert(&t, 1, row![1, 1.0]),
        update(&t, (1, 0), row![1, "x"], vec![0.into(), Value::Blob(b"hello".to_vec())]),
        delete(&t, 0, vec![0.into(), f64::INFINITY.into()]),
        Change::Sql("DROP TABLE users".into()),
    ]));
    let table =
        r#""database":"main","table":"users","columns":["id","\"group\""],"pk_columns":["id"],"#;
    let expected = [
        r#"{"node":"n1","process_id":1795398608532647936,"ha":{"version":1,"#,
        r#""id":"00000000feedf00d.7","part":[1,1],"base":{"lineage":"LINEAGE","seq":41,"hash":"HASH"},"#,
        r#""kind":"transactions","transactions":[{"changes":4}]},"changes":["#,
        r#"{TABLE"operation":"INSERT","old_rowid":1,"new_rowid":1,"new_values":[1,1.0]},"#,
        r#"{TABLE"operation":"UPDATE","old_rowid":1,"new_rowid":0,"old_values":[1,"x"],"#,
        r#""new_values":[0,"aGVsbG8="],"new_types":"ib"},"#,
        r#"{TABLE"operation":"DELETE","old_rowid":0,"new_rowid":0,"old_values":[0,"Infinity"],"#,
        r#""old_types":"if"},{"operation":"SQL","sql":"DROP TABLE users","command":"DROP TABLE users"}],"#,
        r#""timestamp_ns":1795398647105478585}"#,
    ];
    let base = meta(Kind::Noop).base;
    let expected = expected
        .concat()
        .replace("TABLE\"", &format!("{table}\""))
        .replace("LINEAGE", &base.lineage.to_string())
        .replace("HASH", &base.hash.to_string());
    assert_eq!(String::from_utf8(bytes.unwrap()).unwrap(), expected);
}

#[test]
fn a_newer_format_is_told_from_a_broken_one() {
    for ha in [r#"{"version":2}"#, r#"{"version":7,"id":[],"kind":{"new":1}}"#] {
        let bytes = format!(r#"{{"ha":{ha},"changes":{{"packed":"…"}}}}"#);
        let result = decode(bytes.as_bytes());
        assert!(matches!(result, Err(Error::NewerFormat { version: 2 | 7 })), "{result:?}");
    }
    let bytes = encode(&entry(vec![])).unwrap();
    let newer = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2");
    assert_eq!(decode(newer.as_bytes()), Err(Error::NewerFormat { version: 2 }));
}

#[test]
fn contradictions_are_refused_on_both_sides() {
    let good = entry(vec![insert(&users(), 1, row![1, "x"])]);
    let text = String::from_utf8(encode(&good).unwrap()).unwrap();
    for (good, bad) in [
        ("{\"changes\":1}", "{\"changes\":2}"),
        ("[1,1]", "[2,1]"),
        ("[1,1]", "[0,1]"),
        ("\"version\":1", "\"version\":0"),
        ("\"version\":1,", ""),
        ("\"kind\":\"transactions\"", "\"kind\":\"other\""),
        ("\"INSERT\"", "\"UPSERT\""),
        ("[1,\"x\"]", "[1]"),
        ("[1,\"x\"]", "[1,{}]"),
        ("[1,\"x\"]", "[1,\"x\"],\"new_types\":\"i\""),
        ("[1,\"x\"]", "[1,\"x\"],\"new_types\":\"ii\""),
        ("[1,\"x\"]", "[1,\"x\"],\"new_types\":\"iz\""),
        ("[1,\"x\"]", "[1,\"x\"],\"new_types\":\"ib\""),
        ("\"database\":\"main\"", "\"database\":\"temp\""),
    ] {
        assert!(text.contains(good), "{good}");
        let result = decode(text.replace(good, bad).as_bytes());
        assert!(matches!(result, Err(Error::Malformed(_))), "{bad}: {result:?}");
    }
    let short = entry(vec![insert(&users(), 1, row![1])]);
    let no_rowid = entry(vec![insert(&users(), None, row![1, 2])]);
    let unmarked = Entry { meta: Some(meta(Kind::Noop)), ..good };
    for entry in [short, no_rowid, unmarked] {
        assert!(matches!(encode(&entry), Err(Error::Inconsistent(_))), "{entry:?}");
    }
}

#[test]
fn what_is_no_message_is_malformed() {
    for bytes in [&b""[..], b"null", b"[]", b"3", b"{\"changes\":3}", b"\xff{}", b"{} x"] {
        assert!(matches!(decode(bytes), Err(Error::Malformed(_))), "{bytes:?}");
    }
}

#[test]
fn fields_that_are_not_known_are_ignored() {
    let entry = entry(vec![insert(&users(), 1, row![1, "x"])]);
    let text = String::from_utf8(encode(&entry).unwrap()).unwrap();
    let more = text.replace("{\"", "{\"later\":[{}],\"");
    assert_eq!(decode(more.as_bytes()), decode(text.as_bytes()));
    assert!(decode(more.as_bytes()).is_ok());
}

#[test]
fn numbers_of_v007_that_outgrow_an_integer_are_reals() {
    let text = r#"{"changes":[{"table":"t","operation":"INSERT",
        "new_values":[100000000000000000000,9223372036854775808,-0,1e+300,9223372036854775807]}]}"#;
    let Change::Row(row) = &decode(text.as_bytes()).unwrap().changes[0] else { panic!() };
    let expected = row![1e20, 9_223_372_036_854_775_808.0, -0.0, 1e300, i64::MAX];
    let RowOp::Insert { rowid: None, new } = &row.op else { panic!("{row:?}") };
    assert_eq!(format!("{new:?}"), format!("{expected:?}"));
}

#[test]
fn rows_of_one_table_share_it() {
    let t = users();
    let rows = (0..3).map(|rowid| insert(&t, rowid, row![rowid, "x"])).collect();
    let read = decode(&encode(&entry(rows)).unwrap()).unwrap();
    let table = |change: &Change| match change {
        Change::Row(row) => Arc::as_ptr(&row.table),
        other => panic!("{other:?}"),
    };
    assert!(read.changes.iter().all(|change| table(change) == table(&read.changes[0])));
}
