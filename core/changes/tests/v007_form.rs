//! The form for v0.0.7: its bytes, and how they are read.

mod common;

use common::cluster::Cluster;
use common::entry;
use common::go::GoNode;
use common::origin::Origin;
use ha_changes::{Change, Error, Form, decode, encode_for, encode_parts_for};

/// The message: SQL for v0.0.7, with the row that nodes of `ha` read beside it.
#[test]
fn the_message_looks_like_this() {
    let mut origin = Origin::new();
    origin.execute("CREATE TABLE t(b BLOB, r, s TEXT)", &[]);
    origin.execute("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", &[]);
    let triggers = origin.triggers();
    let changes = origin.execute("INSERT INTO t VALUES (x'68', 1.5, 'it''s')", &[]);
    let bytes = encode_for(&entry(changes.clone()), Form::V007Exact(&triggers)).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let sql = [
        r#""DROP TRIGGER IF EXISTS main.\"x\"; "#,
        r#"INSERT INTO main.\"t\"(\"b\",\"r\",\"s\",rowid) VALUES(x'68',?,?,1) "#,
        r#"ON CONFLICT(rowid) DO UPDATE SET \"b\"=excluded.\"b\",\"r\"=excluded.\"r\",\"s\"=excluded.\"s\"; "#,
        r#"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END""#,
    ]
    .concat();
    let expected = [
        r#""changes":[{"operation":"SQL","sql":"#,
        &sql,
        r#","sql_args":[1.5,"it's"],"command":"#,
        &sql,
        r#","args":[1.5,"it's"],"#,
        r#""row":{"database":"main","table":"t","columns":["b","r","s"],"operation":"INSERT","#,
        r#""old_rowid":1,"new_rowid":1,"new_values":["aA==",1.5,"it's"],"new_types":"brt"}}],"#,
    ];
    assert!(text.contains(&expected.concat()), "{text}");
    let (Change::Row(read), Change::Row(written)) =
        (&decode(&bytes).unwrap().changes[0], &changes[0])
    else {
        panic!("{text}")
    };
    assert_eq!(read.op, written.op);
}

#[test]
fn the_row_beside_sql_is_one_of_the_main_database() {
    let mut origin = Origin::new();
    origin.execute("CREATE TABLE t(b BLOB)", &[]);
    let changes = origin.execute("INSERT INTO t VALUES (x'00')", &[]);
    let bytes = encode_for(&entry(changes), Form::V007Exact(&())).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(decode(text.as_bytes()).is_ok());
    for (good, bad) in [
        ("\"database\":\"main\"", "\"database\":\"temp\""),
        ("\"INSERT\"", "\"SQL\""),
        ("\"new_values\":[\"AA==\"]", "\"new_values\":[]"),
    ] {
        assert!(text.contains(good), "{good}");
        let result = decode(text.replace(good, bad).as_bytes());
        assert!(matches!(result, Err(Error::Malformed(_))), "{bad}: {result:?}");
    }
}

#[test]
fn fields_and_operations_of_ours_say_nothing_in_a_message_of_v007() {
    let read = |change: &str| decode(format!(r#"{{"changes":[{change}]}}"#).as_bytes());
    let row = r#"{"database":"main","table":"t","columns":["a"],"operation":"INSERT"}"#;
    let sql = read(&format!(r#"{{"operation":"SQL","sql":"SELECT 1","row":{row}}}"#)).unwrap();
    assert_eq!(sql.changes, [Change::Sql("SELECT 1".into())]);
    let piece = read(r#"{"operation":"CONTINUE","json":"{}","more":true}"#).unwrap();
    assert_eq!(piece.changes, []);
}

#[test]
fn each_part_is_exact_by_itself() {
    let mut cluster = Cluster::new();
    cluster.execute("CREATE TABLE t(b BLOB)", &[]);
    cluster.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, b TEXT)", &[]);
    let body = "INSERT INTO log VALUES (random() / 2048, hex(new.b))";
    cluster.execute(&format!("CREATE TRIGGER r AFTER INSERT ON t BEGIN {body}; END"), &[]);
    let triggers = cluster.origin.triggers();
    let rows = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
        INSERT INTO t SELECT CAST(i AS BLOB) FROM n";
    let changes = cluster.origin.execute(rows, &[]);
    let parts = encode_parts_for(&entry(changes), Form::V007Exact(&triggers), 2000).unwrap();
    assert!(parts.len() > 3);
    cluster.follow("parts", &parts);
}

#[test]
fn integers_beyond_doubles_are_spelled_where_that_is_exact() {
    let mut cluster = Cluster::new();
    cluster.execute("CREATE TABLE t(i INTEGER)", &[]);
    let changes = cluster.origin.execute("INSERT INTO t VALUES (9007199254740993)", &[]);
    let bytes = encode_for(&entry(changes.clone()), Form::V007Exact(&())).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(r#""new_values":["9007199254740993"],"new_types":"i""#), "{text}");
    cluster.send("INSERT", changes, Form::V007Exact(&()));
}

/// v0.0.7 acknowledges what it has applied, so that an entry may come again.
#[test]
fn schema_changes_may_be_delivered_again() {
    let mut origin = Origin::new();
    let mut go = GoNode::new("");
    for sql in [
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)",
        "CREATE UNIQUE INDEX i ON t(b)",
        "CREATE VIEW v AS SELECT b FROM t",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "DROP TRIGGER g",
        "DROP INDEX i",
    ] {
        let changes = origin.execute(sql, &[]);
        let bytes = encode_for(&entry(changes), Form::V007Exact(&())).unwrap();
        for delivery in 1..=2 {
            go.apply(&bytes).unwrap_or_else(|error| panic!("{sql}, delivery {delivery}: {error}"));
        }
    }
}
