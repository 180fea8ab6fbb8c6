//! The bytes: that they say everything, that v0.0.7 can read them, and what is refused.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::entries::{any_entry, exact};
use common::go::GoMessage;
use common::{delete, entry, insert, meta, update};
use ha_changes::{Change, Entry, Error, Kind, RowOp, Table, TableColumn, decode, encode};
use ha_core::Value;
use proptest::collection::vec;
use proptest::prelude::*;

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

#[test]
fn who_does_not_know_turns_reads_an_entry_that_changes_nothing() {
    let time = Duration::from_millis(1_234);
    let asks = Entry { meta: Some(meta(Kind::Turn(time))), ..entry(vec![]) };
    let bytes = encode(&asks).unwrap();
    assert_eq!(decode(&bytes).unwrap(), asks);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(r#""kind":"noop","turn":1234"#), "{text}");
}

fn check_v007(read: &common::go::GoChange, written: &Change) {
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
