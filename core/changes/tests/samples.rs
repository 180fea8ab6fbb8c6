//! Messages that v0.0.7 has sent (`tests/samples`), applied to a real database.

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;

use common::Sqlite;
use ha_changes::{Applied, ApplyError, decode};
use ha_core::Value;

const USERS: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);";
const ABC: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
    INSERT INTO users VALUES (1, 'HA User'), (3, 'b!'), (77, 'x'), (0, 'zero');";
const AGED: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, age INT DEFAULT 7);
    INSERT INTO users VALUES (3, 'b!', 7);";
const TEXT_KEY: &str = "CREATE TABLE tpk(k TEXT PRIMARY KEY, v TEXT);";
const TEXT_KEY_1: &str = "CREATE TABLE tpk(k TEXT PRIMARY KEY, v TEXT);
    INSERT INTO tpk VALUES ('k1', 'v1');";
const TEXT_KEY_2: &str = "CREATE TABLE tpk(k TEXT PRIMARY KEY, v TEXT);
    INSERT INTO tpk(rowid, k, v) VALUES (2, 'k1', 'v2');";
const RENAMED: &str = "CREATE TABLE tpk(k TEXT PRIMARY KEY, vv TEXT);";
const EMAILS: &str = "CREATE TABLE uq(id INTEGER PRIMARY KEY, e TEXT UNIQUE);";
const EMAIL_1: &str = "CREATE TABLE uq(id INTEGER PRIMARY KEY, e TEXT UNIQUE);
    INSERT INTO uq VALUES (1, 'e1');";
const NO_KEY: &str = "CREATE TABLE nopk(a TEXT, b INT); INSERT INTO nopk VALUES ('z', 9);";
const NO_KEY_Q: &str = "CREATE TABLE nopk(a TEXT, b INT); INSERT INTO nopk VALUES ('q', 1);";
const KEYED: &str = "CREATE TABLE wr(k TEXT PRIMARY KEY, v INT) WITHOUT ROWID;";
const KEYED_AB: &str = "CREATE TABLE wr(k TEXT PRIMARY KEY, v INT) WITHOUT ROWID;
    INSERT INTO wr VALUES ('a', 1), ('b', 2);";
const TYPES: &str = "CREATE TABLE ty(id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB,
    bl blob, v VARCHAR(10), x, dt DATETIME, bo BOOLEAN);";
const TRIGGERS: &str = "CREATE TABLE src(id INTEGER PRIMARY KEY, v TEXT);
    CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, m TEXT);
    CREATE TABLE cnt(n INT); INSERT INTO cnt VALUES (0);
    CREATE TRIGGER tr AFTER INSERT ON src BEGIN INSERT INTO log(m) VALUES('again'); END;";
const CTAS: &str = "CREATE TABLE ctas(nm TEXT); INSERT INTO ctas VALUES ('x');";
const MULTI: &str = "CREATE TABLE ms(a INT); INSERT INTO ms VALUES (1);";
const FTS: &str = "CREATE VIRTUAL TABLE ft USING fts4(body);";

/// A sample, the database it meets, and what is true after it and was not before.
const EFFECTS: &[(&str, &str, &str)] = &[
    ("alter_insert_in_tx", "", "(SELECT group_concat(a || coalesce(b, '')) FROM x) = '1,2two'"),
    ("alter_then_insert", AGED, "(SELECT name || age FROM users WHERE id = 4) = 'after5'"),
    ("alter_then_update", AGED, "(SELECT age FROM users WHERE id = 3) = 99"),
    ("ddl_alter_add", ABC, "(SELECT age FROM users WHERE id = 1) = 7"),
    ("ddl_create_table", "", "(SELECT count(*) FROM users) = 0"),
    ("ddl_ctas", ABC, "(SELECT count(*) FROM ctas) = 4"),
    ("ddl_drop_view", "CREATE VIEW vw AS SELECT 1;", "(SELECT count(*) FROM sqlite_schema) = 0"),
    ("ddl_fk", "", "(SELECT count(*) FROM par, ch) = 0"),
    ("ddl_gen", "", "(SELECT count(c + d) FROM gen) = 0"),
    ("ddl_index", USERS, "(SELECT count(*) FROM sqlite_schema WHERE name = 'ix') = 1"),
    ("ddl_kw", "", "(SELECT count(\"my col\") FROM \"order\") = 0"),
    ("ddl_nopk", "", "(SELECT count(a || b) FROM nopk) = 0"),
    ("ddl_rename_col", TEXT_KEY_1, "(SELECT vv FROM tpk) = 'v1'"),
    ("ddl_textpk", "", "(SELECT count(k || v) FROM tpk) = 0"),
    ("ddl_trigger", TRIGGERS_WITHOUT, "(SELECT count(*) FROM sqlite_schema WHERE name = 'tr') = 1"),
    ("ddl_trigger_audit", SOURCE, "(SELECT n FROM cnt) = 0"),
    ("ddl_trigger_tables", "", "(SELECT count(*) FROM src, log) = 0"),
    ("ddl_types", "", "(SELECT count(dt || bo) FROM ty) = 0"),
    ("ddl_uq", "", "(SELECT count(e) FROM uq) = 0"),
    ("ddl_view", ABC, "(SELECT count(name) FROM vw) = 4"),
    ("ddl_wr", "", "(SELECT wr FROM pragma_table_list('wr')) = 1"),
    ("delete", ABC, "(SELECT count(*) FROM users WHERE id = 77) = 0"),
    ("drop_nonempty", CTAS, "(SELECT count(*) FROM sqlite_schema) = 0"),
    ("drop_table", MULTI, "(SELECT count(*) FROM sqlite_schema) = 0"),
    ("fk_drop_parent", FAMILY, "(SELECT count(*) FROM c) = 0"),
    ("fts4_create", "", "(SELECT count(*) FROM ft) = 0"),
    ("fts4_create_insert", "", "(SELECT count(*) FROM four_segdir, four) = 1"),
    ("fts4_insert", FTS, "(SELECT body FROM ft WHERE ft MATCH 'world') = 'hello world'"),
    ("insert", USERS, "(SELECT name FROM users WHERE id = 1) = 'HA User'"),
    ("kw_insert", ORDER, "(SELECT \"group\" || \"my col\" FROM \"order\") = '1x'"),
    (
        "multi_row_tx",
        ABC,
        "(SELECT group_concat(name) FROM users WHERE id < 9 AND id) = 'HA User!,b!'",
    ),
    ("multi_stmt_ddl_dml", "", "(SELECT group_concat(rowid || a) FROM ms) = '11'"),
    ("nopk_insert", NO_KEY, "(SELECT a || b FROM nopk WHERE rowid = 1) = 'q1'"),
    ("nopk_update", NO_KEY_Q, "(SELECT b FROM nopk WHERE rowid = 1) = 2"),
    ("rename_then_insert", RENAMED, "(SELECT vv FROM tpk WHERE k = 'k2') = 'after-rename'"),
    ("rowid0", USERS, "(SELECT group_concat(id || name) FROM users) = '-5neg,0zero'"),
    ("rowid0_delete", ABC, "(SELECT count(*) FROM users WHERE id = 0) = 0"),
    ("savepoint_rollback", USERS, "(SELECT name FROM users WHERE id = 900) = 'sp'"),
    (
        "sequence_update",
        SEQUENCES,
        "(SELECT group_concat(name || seq) FROM sqlite_sequence) = 'av10,au1'",
    ),
    (
        "stored_generated",
        "CREATE TABLE gs(a TEXT, s AS (a || '!') STORED, z TEXT, b BLOB)",
        "(SELECT a || s || z || hex(b) FROM gs) = 'xx!z00FF'",
    ),
    (
        "table_copied",
        "CREATE TABLE t(a TEXT, b INTEGER); INSERT INTO t VALUES('1', 1)",
        "(SELECT b || a || c FROM t) = '11c'",
    ),
    (
        "table_copied_insert",
        "CREATE TABLE t(b INTEGER, a TEXT, c TEXT)",
        "(SELECT b || a || c FROM t) = '2twoc'",
    ),
    ("textpk_insert", TEXT_KEY, "(SELECT v FROM tpk WHERE k = 'k1') = 'v1'"),
    ("textpk_replace", TEXT_KEY_1, "(SELECT v || rowid FROM tpk WHERE k = 'k1') = 'v22'"),
    ("textpk_upsert", TEXT_KEY_2, "(SELECT v FROM tpk WHERE k = 'k1') = 'v3'"),
    ("trigger_counter", TRIGGERS, "(SELECT m || n FROM log, cnt) = 'ins three1'"),
    ("trigger_insert", TRIGGERS, "(SELECT group_concat(id || m) FROM log) = '1ins one'"),
    ("trigger_insert2", TRIGGERS, "(SELECT group_concat(id || m) FROM log) = '2ins two'"),
    ("truncate_delete", NO_KEY_Q, "(SELECT count(*) FROM nopk) = 0"),
    ("truncate_in_mix", NO_KEY, "(SELECT count(*) FROM nopk) = 0"),
    ("types_blob", TYPES, "(SELECT b = x'00ff41' AND bl = b AND typeof(x) = 'text' FROM ty)"),
    ("types_html_utf8", TYPES, "(SELECT s FROM ty WHERE id = 15) = '<é&✓>'"),
    (
        "types_int_real",
        TYPES,
        "(SELECT group_concat(i || typeof(r)) FROM ty) = \
        '9007199254740993real,9223372036854775807real,-9223372036854775808real'",
    ),
    ("types_null", TYPES, "(SELECT count(*) FROM ty WHERE id = 12 AND coalesce(i, x, bo) IS NULL)"),
    (
        "types_real_integral",
        TYPES,
        "(SELECT typeof(r) || typeof(x) || bo FROM ty) = 'realinteger1'",
    ),
    ("types_text_in_blob", TYPES, "(SELECT b FROM ty) = x'68656c6c6f'"),
    ("update", ABC, "(SELECT name FROM users WHERE id = 1) = 'x'"),
    ("update_pk", ABC_1X, "(SELECT group_concat(id) FROM users) = '77'"),
    ("uq_insert", EMAILS, "(SELECT group_concat(id || e) FROM uq) = '1e1,2e2'"),
    ("uq_replace_conflict", EMAIL_1, "(SELECT group_concat(id || e) FROM uq) = '3e1'"),
    ("wr_delete", KEYED_AB, "(SELECT group_concat(k || v) FROM wr) = 'a1'"),
    ("wr_insert", KEYED, "(SELECT group_concat(k || v) FROM wr) = 'a1,b2'"),
    ("wr_update", KEYED_AB, "(SELECT v FROM wr WHERE k = 'a') = 9"),
];

const FAMILY: &str = "CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES(1);
    CREATE TABLE c(p INTEGER REFERENCES p(id) ON DELETE CASCADE); INSERT INTO c VALUES(1)";
/// In another order than where the sample was made.
const SEQUENCES: &str = "CREATE TABLE au(id INTEGER PRIMARY KEY AUTOINCREMENT);
    CREATE TABLE av(id INTEGER PRIMARY KEY AUTOINCREMENT);
    INSERT INTO av VALUES(1); INSERT INTO au VALUES(1)";
const TRIGGERS_WITHOUT: &str = "CREATE TABLE src(id INTEGER PRIMARY KEY, v TEXT);
    CREATE TABLE log(id INTEGER PRIMARY KEY, m TEXT);";
const SOURCE: &str = "CREATE TABLE src(id INTEGER PRIMARY KEY, v TEXT);";
const ORDER: &str = "CREATE TABLE \"order\"(\"group\" INT, \"my col\" TEXT);";
const ABC_1X: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO users VALUES (1, 'x');";

/// Samples that change nothing here: statistics, temporary tables, a row set to itself.
const WITHOUT_EFFECT: &[(&str, &str, Applied)] = &[
    ("analyze", "", Applied { rows: 0, statements: 0, ignored: 12 }),
    ("temp_table", "", Applied { rows: 0, statements: 0, ignored: 1 }),
    ("update_noop", ABC_1X, Applied { rows: 1, statements: 0, ignored: 0 }),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name).with_extension("json")).unwrap()
}

fn holds(db: &Sqlite, condition: &str) -> bool {
    let select = format!("SELECT coalesce({condition}, 0)");
    db.0.query_row(&select, [], |row| row.get(0)).unwrap_or(false)
}

#[test]
fn every_sample_does_here_what_it_did_where_it_was_made() {
    for (name, schema, effect) in EFFECTS {
        let mut db = Sqlite::new(schema);
        assert!(!holds(&db, effect), "{name}: {effect} was true before");
        db.apply_bytes(&sample(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(holds(&db, effect), "{name}: {effect} is not true");
    }
}

#[test]
fn what_concerns_the_sender_alone_is_ignored() {
    for (name, schema, applied) in WITHOUT_EFFECT {
        let mut db = Sqlite::new(schema);
        let tables = "SELECT count(*) FROM pragma_table_list";
        let before = db.one(tables);
        assert_eq!(db.apply_bytes(&sample(name)), Ok(*applied), "{name}");
        assert_eq!(db.one(tables), before, "{name}");
    }
}

#[test]
fn no_sample_is_left_out() {
    let tested = EFFECTS.iter().map(|(name, ..)| *name);
    let tested = tested.chain(WITHOUT_EFFECT.iter().map(|(name, ..)| *name));
    let tested: BTreeSet<String> = tested.map(|name| format!("{name}.json")).collect();
    let files = std::fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(tested, files);
}

#[test]
fn row_messages_can_be_applied_again() {
    for name in ["insert", "rowid0", "wr_insert", "uq_insert", "types_int_real"] {
        let (_, schema, effect) = EFFECTS.iter().find(|effect| effect.0 == name).unwrap();
        let mut db = Sqlite::new(schema);
        db.apply_bytes(&sample(name)).unwrap();
        db.apply_bytes(&sample(name)).unwrap();
        assert!(holds(&db, effect), "{name}");
    }
}

#[test]
fn a_row_that_is_not_there_is_nothing_to_update_or_delete() {
    let mut db = Sqlite::new(USERS);
    for name in ["update", "delete"] {
        let nothing = Applied { rows: 0, statements: 0, ignored: 1 };
        assert_eq!(db.apply_bytes(&sample(name)), Ok(nothing), "{name}");
    }
}

#[test]
fn names_that_are_out_of_date_match_by_place() {
    let mut db = Sqlite::new("CREATE TABLE users(id INTEGER PRIMARY KEY, nick TEXT)");
    db.apply_bytes(&sample("insert")).unwrap();
    assert_eq!(db.rows("users"), [(1, row![1, "HA User"])]);
}

#[test]
fn the_temporary_table_of_a_sender_never_hides_ours() {
    let mut db = Sqlite::new("");
    db.apply_bytes(&go(r#"{"operation":"SQL","sql":"CREATE TEMP TABLE t(a)"}"#)).unwrap();
    db.apply_bytes(&go(r#"{"operation":"SQL","sql":"CREATE TABLE t(a)"}"#)).unwrap();
    assert_eq!(db.one("SELECT count(*) FROM sqlite_schema"), Value::from(1));
}

/// The nodes of an R*Tree are blobs in a column without a type.
#[test]
fn an_r_tree_is_not_damaged_by_what_cannot_be_sent() {
    let mut db = Sqlite::new("CREATE TABLE t(a)");
    let create = r#"{"operation":"SQL","sql":"CREATE VIRTUAL TABLE Tree USING rtree(id, a, b)","sql_args":[null]}"#;
    let insert = r#"{"database":"main","table":"Tree_rowid","columns":["rowid","nodeno"],"operation":"INSERT","old_rowid":1,"new_rowid":1,"new_values":[1,1]}"#;
    let node = r#"{"database":"main","table":"Tree_node","columns":["nodeno","data"],"operation":"INSERT","old_rowid":1,"new_rowid":1,"new_values":[1,"\u0000\u0001\ufffd"]}"#;
    let row = r#"{"database":"main","table":"t","columns":["a"],"operation":"INSERT","old_rowid":1,"new_rowid":1,"new_values":[1]}"#;
    db.apply_bytes(&go(&format!("{create},{node}"))).unwrap();
    let applied = db.apply_bytes(&go(&format!("{insert},{node},{row}")));
    assert_eq!(applied, Ok(Applied { rows: 1, statements: 0, ignored: 2 }));
    assert_eq!(db.one("SELECT count(*) FROM Tree"), Value::from(0));
    assert_eq!(db.one("PRAGMA integrity_check"), Value::from("ok"));
}

/// v0.0.7 sends the columns in their order, but their names as they once were.
#[test]
fn values_are_matched_by_place_if_the_names_have_changed_places() {
    let mut db = Sqlite::new("CREATE TABLE t(b TEXT, a TEXT)");
    let row = r#"{"database":"main","table":"t","columns":["a","b"],"operation":"INSERT","new_rowid":1,"new_values":["is b","is a"]}"#;
    db.apply_bytes(&go(row)).unwrap();
    assert_eq!(db.one("SELECT b FROM t"), Value::from("is b"));
}

#[test]
fn sql_takes_its_arguments_as_they_come() {
    let mut db = Sqlite::new("CREATE TABLE t(a, b)");
    for args in ["[1,\"x\"]", "[[1,\"x\"]]", "[1,\"x\",null]"] {
        let sql = format!(
            r#"{{"operation":"SQL","sql":"INSERT INTO t VALUES (?,?)","sql_args":{args}}}"#
        );
        db.apply_bytes(&go(&sql)).unwrap();
    }
    let row = row![1, "x"];
    assert_eq!(db.rows("t"), [(1, row.clone()), (2, row.clone()), (3, row)]);
}

#[test]
fn failures_that_every_node_has_skip_the_whole_message() {
    let insert = r#"{"database":"main","table":"t","columns":["a"],"operation":"INSERT","new_rowid":1,"new_values":["x"]}"#;
    for (second, code) in [
        (r#"{"operation":"SQL","sql":"CREATE TABLE t(a)"}"#, 1),
        (r#"{"operation":"SQL","sql":"BEGIN"}"#, 1),
        (r#"{"table":"none","columns":["a"],"operation":"INSERT","new_values":[1]}"#, 1),
        (r#"{"table":"t","columns":["a"],"operation":"INSERT","new_values":[1,2]}"#, 1),
        (r#"{"table":"t","columns":["a"],"operation":"INSERT","new_values":["x"]}"#, 2067),
        (r#"{"operation":"SQL","sql":"INSERT INTO i VALUES ('x')"}"#, 20),
    ] {
        let mut db =
            Sqlite::new("CREATE TABLE t(a UNIQUE); CREATE TABLE i(id INTEGER PRIMARY KEY)");
        let result = db.apply_bytes(&go(&format!("{insert},{second}")));
        let Err(ApplyError::Skip { code: actual, .. }) = result else { panic!("{result:?}") };
        assert_eq!(actual, code, "{second}");
        assert_eq!(db.rows("t"), []);
    }
}

#[test]
fn what_this_build_lacks_stops_the_node() {
    for sql in [
        "CREATE VIRTUAL TABLE v USING of_another_build",
        "INSERT INTO t VALUES (of_another_build())",
        "CREATE INDEX i ON t(a COLLATE of_another_build)",
        "CREATE VIRTUAL TABLE v USING fts5(a, tokenize = of_another_build)",
        "CREATE VIRTUAL TABLE v USING fts4(a, tokenize=of_another_build)",
    ] {
        let mut db = Sqlite::new("CREATE TABLE t(a)");
        let result = db.apply_bytes(&go(&format!(r#"{{"operation":"SQL","sql":"{sql}"}}"#)));
        assert!(matches!(result, Err(ApplyError::Stop { .. })), "{sql}: {result:?}");
    }
}

#[test]
fn operations_and_databases_that_are_not_ours_are_left_out() {
    let entry = decode(&go(
        r#"{"operation":"LATER"},{},{"database":"aux","table":"t","operation":"DELETE"}"#,
    ));
    assert_eq!(entry.unwrap().changes, []);
}

/// A message of v0.0.7 with these changes.
fn go(changes: &str) -> Vec<u8> {
    format!(r#"{{"node":"s1","process_id":1,"changes":[{changes}],"timestamp_ns":2}}"#).into_bytes()
}
