//! What entries of ours do to a real database, after they went over the wire.

mod common;

use common::{Sqlite, delete, insert, update, value};
use ha_changes::{Applied, ApplyError, Change, Error, sequence_sql};
use ha_core::Value;
use proptest::prelude::*;

const EMAILS: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, e TEXT UNIQUE)";

#[test]
fn rows_are_inserted_updated_and_deleted() {
    let mut db = Sqlite::new("CREATE TABLE t(a, b)");
    let t = db.schema("t");
    let applied = db.apply(vec![
        insert(&t, 5, row![1, "x"]),
        insert(&t, 0, row![2, "zero"]),
        insert(&t, -7, row![3, "negative"]),
        update(&t, (5, 5), row![1, "x"], row![1, "y"]),
        delete(&t, 0, row![2, "zero"]),
    ]);
    assert_eq!(applied, Ok(Applied { rows: 5, statements: 0, ignored: 0 }));
    assert_eq!(db.rows("t"), [(-7, row![3, "negative"]), (5, row![1, "y"])]);
}

#[test]
fn a_rowid_changes_with_and_without_an_alias() {
    let mut db = Sqlite::new(
        "CREATE TABLE plain(a); INSERT INTO plain(rowid, a) VALUES (1, 'x');
         CREATE TABLE alias(id INTEGER PRIMARY KEY, a); INSERT INTO alias VALUES (1, 'x')",
    );
    let (plain, alias) = (db.schema("plain"), db.schema("alias"));
    db.apply(vec![
        update(&plain, (1, i64::MAX), row!["x"], row!["x"]),
        update(&alias, (1, i64::MIN), row![1, "x"], row![i64::MIN, "x"]),
    ])
    .unwrap();
    assert_eq!(db.rows("plain"), [(i64::MAX, row!["x"])]);
    assert_eq!(db.rows("alias"), [(i64::MIN, row![i64::MIN, "x"])]);
}

#[test]
fn without_rowid_is_keyed_by_all_columns_of_the_key_in_its_order() {
    let mut db = Sqlite::new(
        "CREATE TABLE t(v, k TEXT, n INT, PRIMARY KEY(n, k)) WITHOUT ROWID;
         INSERT INTO t VALUES ('a', 'k', 1), ('b', 'k', 2), ('c', 'l', 2)",
    );
    let t = db.schema("t");
    db.apply(vec![
        update(&t, None, row!["b", "k", 2], row!["B", "k", 2]),
        update(&t, None, row!["c", "l", 2], row!["c", "m", 3]),
        delete(&t, None, row!["a", "k", 1]),
        insert(&t, None, row!["d", "k", 1]),
    ])
    .unwrap();
    let expected = [row!["B", "k", 2], row!["c", "m", 3], row!["d", "k", 1]];
    assert_eq!(db.rows("t").into_iter().map(|(_, row)| row).collect::<Vec<_>>(), expected);
}

#[test]
fn unique_values_are_swapped_over_a_third() {
    let mut db = Sqlite::new(&format!("{EMAILS}; INSERT INTO t VALUES (1, 'a'), (2, 'b')"));
    let t = db.schema("t");
    db.apply(vec![
        update(&t, (1, 1), row![1, "a"], row![1, "tmp"]),
        update(&t, (2, 2), row![2, "b"], row![2, "a"]),
        update(&t, (1, 1), row![1, "tmp"], row![1, "b"]),
    ])
    .unwrap();
    assert_eq!(db.rows("t"), [(1, row![1, "b"]), (2, row![2, "a"])]);
}

#[test]
fn victims_of_replace_go_before_the_row_that_replaces_them() {
    let mut db = Sqlite::new(&format!("{EMAILS}; INSERT INTO t VALUES (1, 'a'), (2, 'b')"));
    let t = db.schema("t");
    db.apply(vec![
        delete(&t, 1, row![1, "a"]),
        delete(&t, 2, row![2, "b"]),
        insert(&t, 2, row![2, "a"]),
    ])
    .unwrap();
    assert_eq!(db.rows("t"), [(2, row![2, "a"])]);
}

#[test]
fn names_of_any_kind_are_quoted() {
    let mut db = Sqlite::new("CREATE TABLE \"or\"\"der; --\"(\"group\", \"my col\", \"é\"\"\")");
    let t = db.schema("or\"der; --");
    db.apply(vec![
        insert(&t, 1, row![1, 2, 3]),
        update(&t, (1, 1), row![1, 2, 3], row![1, "two", "three"]),
    ])
    .unwrap();
    assert_eq!(db.rows("or\"der; --"), [(1, row![1, "two", "three"])]);
}

#[test]
fn generated_columns_make_themselves() {
    let mut db = Sqlite::new("CREATE TABLE t(a INT, b AS (a * 2) STORED, c AS (a * 3), d)");
    let t = db.schema("t");
    assert_eq!(t.columns.len(), 2);
    db.apply(vec![insert(&t, 1, row![1, "x"]), update(&t, (1, 1), row![1, "x"], row![5, "x"])])
        .unwrap();
    assert_eq!(db.one("SELECT a || ',' || b || ',' || c || ',' || d FROM t"), "5,10,15,x".into());
}

#[test]
fn a_rowid_that_columns_shadow_is_found_under_its_other_names() {
    let mut db = Sqlite::new(
        "CREATE TABLE t(RowId, oid);
         CREATE TABLE alias(rowid, _rowid_, oid, id INTEGER PRIMARY KEY);
         CREATE TABLE lost(rowid, _rowid_, oid)",
    );
    let (t, alias, lost) = (db.schema("t"), db.schema("alias"), db.schema("lost"));
    db.apply(vec![
        insert(&t, 9, row![1, 2]),
        update(&t, (9, 8), row![1, 2], row![8, 9]),
        insert(&alias, 4, row![1, 2, 3, 4]),
        update(&alias, (4, 6), row![1, 2, 3, 4], row![1, 2, 0, 6]),
    ])
    .unwrap();
    assert_eq!(db.rows("t"), [(8, row![8, 9])]);
    assert_eq!(db.one("SELECT id FROM alias WHERE oid = 0"), 6.into());
    let refused = ha_changes::encode(&common::entry(vec![insert(&lost, 1, row![1, 2, 3])]));
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
}

#[test]
fn values_keep_their_type_whatever_the_column_is_declared_as() {
    let mut db = Sqlite::new("CREATE TABLE t(any, t TEXT, b BLOB, r REAL, i INTEGER)");
    let t = db.schema("t");
    let inf = f64::INFINITY;
    let blob = |bytes: &[u8]| Value::Blob(bytes.to_vec());
    let rows = [
        vec![Value::Null, blob(b"\0\xff"), "text".into(), (-inf).into(), i64::MIN.into()],
        vec![(-0.0).into(), Value::RawText(vec![0xff, 0]), blob(b""), inf.into(), i64::MAX.into()],
        vec![1.0.into(), "a\0b\u{1}\"\\".into(), "".into(), 5e-324.into(), blob(b"12")],
        vec![inf.into(), "".into(), Value::RawText(vec![0x80]), 1e300.into(), 0.1.into()],
    ];
    let changes = (1..).zip(&rows).map(|(rowid, row)| insert(&t, rowid, row.clone()));
    db.apply(changes.collect()).unwrap();
    let stored: Vec<_> = db.rows("t").into_iter().map(|(_, row)| row).collect();
    assert_eq!(stored, rows);
    let Value::Real(zero) = stored[1][0] else { panic!("{stored:?}") };
    assert!(zero.is_sign_negative());
}

#[test]
fn zero_becomes_minus_zero() {
    let mut db = Sqlite::new("CREATE TABLE t(a, b); INSERT INTO t VALUES (0.0, 1)");
    let t = db.schema("t");
    db.apply(vec![update(&t, (1, 1), row![0.0, 1], row![-0.0, 2])]).unwrap();
    let Value::Real(zero) = db.one("SELECT a FROM t") else { panic!() };
    assert!(zero.is_sign_negative());
}

#[test]
fn sql_runs_in_order_with_the_rows_around_it() {
    let mut db = Sqlite::new("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    let before = db.schema("t");
    let mut after = (*before).clone();
    after.columns.push(ha_changes::TableColumn { name: "b".into(), ..Default::default() });
    let applied = db.apply(vec![
        insert(&before, 2, row![2]),
        Change::Sql("ALTER TABLE t ADD COLUMN b DEFAULT 7".into()),
        insert(&after.into(), 3, row![3, 8]),
        Change::Sql("CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END".into()),
    ]);
    assert_eq!(applied, Ok(Applied { rows: 2, statements: 2, ignored: 0 }));
    assert_eq!(db.rows("t"), [(1, row![1, 7]), (2, row![2, 7]), (3, row![3, 8])]);
    assert_eq!(db.one("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"), 1.into());
}

#[test]
fn a_sequence_is_carried_as_sql() {
    let mut db = Sqlite::new("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT)");
    db.apply(sequence_sql("t", Some(41)).into_iter().map(Change::Sql).collect()).unwrap();
    db.0.execute("INSERT INTO t DEFAULT VALUES", []).unwrap();
    assert_eq!(db.one("SELECT id FROM t"), 42.into());
}

#[test]
fn a_row_that_is_not_there_or_in_the_way_is_a_divergence() {
    let mut db = Sqlite::new(&format!("{EMAILS}; INSERT INTO t VALUES (1, 'a')"));
    let t = db.schema("t");
    for change in [
        update(&t, (2, 2), row![2, "b"], row![2, "c"]),
        update(&t, (2, 2), row![2, "b"], row![2, "b"]),
        delete(&t, 2, row![2, "b"]),
        insert(&t, 1, row![1, "b"]),
        insert(&t, 2, row![2, "a"]),
    ] {
        let result = db.apply(vec![change]);
        assert!(
            matches!(&result, Err(ApplyError::Diverged { table, .. }) if table == "t"),
            "{result:?}"
        );
    }
    assert_eq!(db.rows("t"), [(1, row![1, "a"])]);
}

#[test]
fn an_entry_of_ours_is_never_skipped() {
    let mut db = Sqlite::new("CREATE TABLE t(a)");
    let gone = db.schema("t");
    db.0.execute_batch("DROP TABLE t").unwrap();
    for change in [
        insert(&gone, 1, row![1]),
        Change::Sql("CREATE TABLE".into()),
        Change::Sql("SELECT of_another_build()".into()),
        Change::Sql("SELECT 1; COMMIT".into()),
    ] {
        let result = db.apply(vec![change]);
        assert!(matches!(result, Err(ApplyError::Stop { code: 1, .. })), "{result:?}");
    }
}

#[test]
fn a_temporary_table_of_the_same_name_is_not_meant() {
    let mut db = Sqlite::new("CREATE TABLE t(a); CREATE TEMP TABLE t(a)");
    let t = db.schema("t");
    db.apply(vec![insert(&t, 1, row![1])]).unwrap();
    assert_eq!(db.rows("t"), [(1, row![1])]);
}

proptest! {
    #[test]
    fn a_key_of_any_value_finds_its_row(
        key in value(), other in value(), old in value(), new in value()
    ) {
        prop_assume!(key != Value::Null && other != Value::Null && key != other);
        prop_assume!(!is_same_number(&key, &other));
        let mut db = Sqlite::new("CREATE TABLE t(v, k, n INT, PRIMARY KEY(n, k)) WITHOUT ROWID");
        let t = db.schema("t");
        let row = |value: &Value, key: &Value| vec![value.clone(), key.clone(), 1.into()];
        let changes = vec![
            insert(&t, None, row(&old, &key)),
            insert(&t, None, row(&old, &other)),
            update(&t, None, row(&old, &key), row(&new, &key)),
            delete(&t, None, row(&old, &other)),
            update(&t, None, row(&new, &key), row(&new, &other)),
        ];
        prop_assert!(db.apply(changes).is_ok());
        prop_assert_eq!(db.rows("t"), [(0, row(&new, &other))]);
    }
}

/// 1 and 1.0 are different values, but the same key.
fn is_same_number(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Integer(integer), Value::Real(real))
        | (Value::Real(real), Value::Integer(integer)) => *integer as f64 == *real,
        _ => false,
    }
}
