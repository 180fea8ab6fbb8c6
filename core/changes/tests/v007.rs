//! What v0.0.7 makes of messages in the form that is for it, beside what nodes of `ha` make of
//! the same bytes.

mod common;

use common::go::GoNode;
use common::origin::{Origin, table_names};
use common::{Sqlite, entry, value};
use ha_changes::{Change, Form, Trigger, decode, encode, encode_for};
use ha_core::Value;
use proptest::collection::vec;
use proptest::prelude::*;

/// A database that is written to, a node of `ha`, and a node of v0.0.7.
struct Cluster {
    origin: Origin,
    ours: Sqlite,
    go: GoNode,
}

impl Cluster {
    fn new() -> Self {
        Self { origin: Origin::new(), ours: Sqlite::new(""), go: GoNode::new("") }
    }

    /// Executes the statement, sends what it did, and compares the three databases.
    fn execute(&mut self, sql: &str, params: &[&Value]) {
        let triggers = self.origin.triggers();
        let changes = self.origin.execute(sql, params);
        self.send(sql, changes, Form::V007Exact(&triggers));
    }

    fn send(&mut self, what: &str, changes: Vec<Change>, form: Form<'_>) {
        let is_ddl = changes.iter().any(|change| matches!(change, Change::Sql(_)));
        let bytes = encode_for(&entry(changes), form).unwrap();
        self.ours.apply_bytes(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        // v0.0.7 may get a message more than once.
        for _ in 0..if is_ddl { 1 } else { 2 } {
            self.go.apply(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            let expected = contents(&mut self.origin.0);
            assert_eq!(contents(&mut self.go.0), expected, "v0.0.7 after {what}");
            assert_eq!(contents(&mut self.ours), expected, "ha after {what}");
        }
        assert_eq!(self.go_schema(), schema(&self.origin.0), "after {what}");
    }

    fn go_schema(&self) -> String {
        schema(&self.go.0)
    }

    /// Whether v0.0.7 has the same after it got the plain form of the message, twice.
    fn plain_form_is_exact(&mut self, sql: &str) -> bool {
        let changes = self.origin.execute(sql, &[]);
        let bytes = encode(&entry(changes)).unwrap();
        let applied = self.go.apply(&bytes).and_then(|()| self.go.apply(&bytes));
        applied.is_ok() && contents(&mut self.go.0) == contents(&mut self.origin.0)
    }
}

/// All rows, with types: 0.0 and -0.0 differ. The rowids of `sqlite_sequence` say nothing.
fn contents(db: &mut Sqlite) -> Vec<String> {
    let names = table_names(db).into_iter();
    let rows = names.map(|name| {
        let mut rows = db.rows(&name);
        if name == "sqlite_sequence" {
            rows.iter_mut().for_each(|(rowid, _)| *rowid = 0);
            rows.sort_by_key(|(_, row)| format!("{row:?}"));
        }
        format!("{name}: {rows:?}")
    });
    rows.collect()
}

fn schema(db: &Sqlite) -> String {
    let sql = "SELECT group_concat(type || name || coalesce(sql, ''), ';' ORDER BY name)
        FROM sqlite_schema";
    format!("{:?}", db.one(sql))
}

const TYPES: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, i BIGINT, n NUMERIC, d DECIMAL(10,2),
    b BLOB, r REAL, s VARCHAR(9), x, a ANY, dt DATETIME, bo BOOLEAN)";

/// Statements, each sent as a message, the last of which v0.0.7 cannot apply exactly as rows.
const INEXACT_AS_ROWS: &[&[&str]] = &[
    &[TYPES, "INSERT INTO t(i) VALUES (9007199254740993)"],
    &[
        TYPES,
        "INSERT INTO t(i, n, d, dt, bo) SELECT m, m, m, m, m FROM (SELECT -9007199254740993 m)",
    ],
    &[TYPES, "INSERT INTO t(i, n, s) VALUES (9223372036854775807, -9223372036854775808, 1)"],
    &[TYPES, "INSERT INTO t(id) VALUES (9223372036854775807)"],
    &[TYPES, "INSERT INTO t(x) VALUES (1)"],
    &[TYPES, "INSERT INTO t(b) VALUES (1)"],
    &["CREATE TABLE t(a ANY, b ANY) STRICT", "INSERT INTO t VALUES (1, '1')"],
    &["CREATE TABLE t(a FLOAT, b)", "INSERT INTO t VALUES (9e999, -9e999)"],
    &[TYPES, "INSERT INTO t(r, b) VALUES (-9e999, 1.5)"],
    &[TYPES, "INSERT INTO t(b) VALUES (x'00ff41')"],
    &[TYPES, "INSERT INTO t(s) VALUES (x'')", "UPDATE t SET s = x'27', id = 1"],
    &[TYPES, "INSERT INTO t(i) VALUES (x'31')"],
    &[TYPES, "INSERT INTO t(s) VALUES (CAST(x'ff00' AS TEXT))"],
    &["CREATE TABLE t(k PRIMARY KEY, v) WITHOUT ROWID", "INSERT INTO t VALUES ('a', 1.5)"],
    &[
        "CREATE TABLE t(v, k BLOB, n INT, PRIMARY KEY(n, k)) WITHOUT ROWID",
        "INSERT INTO t VALUES ('a', x'00', 1), ('b', 'x', 2), (1, 2, 3)",
        "UPDATE t SET v = v || '''', k = CAST(k AS TEXT) WHERE n = 1",
    ],
    &[
        "CREATE TABLE t(k TEXT PRIMARY KEY) WITHOUT ROWID",
        "INSERT INTO t VALUES ('a?'), ('''b')",
        "DELETE FROM t WHERE k < 'a'",
    ],
    &["CREATE TABLE t(rowid, b)", "INSERT INTO t VALUES ('a', 'b')"],
    &["CREATE TABLE t(rowid, b)", "INSERT INTO t VALUES (5, 'b')", "UPDATE t SET b = 'c'"],
    &["CREATE TABLE t(RowId, b)", "INSERT INTO t VALUES (5, 'b')", "DELETE FROM t"],
    &[
        "CREATE TABLE \"a?b\"(\"?\", \"o'x\"\"\" PRIMARY KEY, _rowid_, rowid, \"select\")",
        "INSERT INTO \"a?b\" VALUES ('?', x'3f', 'a', 2, '?')",
    ],
    &[
        "CREATE TABLE t(rowid, _rowid_, oid, id INTEGER PRIMARY KEY)",
        "INSERT INTO t VALUES (1, 2, x'03', 4)",
    ],
    &["CREATE TABLE t(id INTEGER PRIMARY KEY DESC, b)", "INSERT INTO t VALUES (7, x'00')"],
    &[
        "CREATE TABLE t(a, g AS (a * 2) STORED, h AS (a * 3), b BLOB)",
        "INSERT INTO t(a, b) VALUES (1, x'00')",
    ],
    &[
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO t VALUES (5)",
        "UPDATE sqlite_sequence SET seq = 41",
    ],
    &[
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (9, 't', 9007199254740993)",
    ],
    &[
        "CREATE TABLE src(a TEXT)",
        "CREATE TABLE cnt(n INT)",
        "CREATE TABLE hist(m TEXT)",
        "INSERT INTO cnt VALUES (0)",
        "CREATE TRIGGER one AFTER INSERT ON src BEGIN UPDATE cnt SET n = n + 1; END",
        "CREATE TRIGGER \"t\"\"wo\" AFTER UPDATE ON cnt BEGIN INSERT INTO hist VALUES (';' || new.n); END",
        "INSERT INTO src VALUES ('a'), ('b')",
    ],
    &[
        "CREATE TABLE t(a TEXT)",
        "CREATE TABLE log(id INTEGER PRIMARY KEY, a TEXT)",
        "INSERT INTO t VALUES ('a'), ('b')",
        "CREATE TRIGGER r AFTER DELETE ON t BEGIN INSERT INTO log VALUES (random() / 2048, old.a); END",
        "DELETE FROM t",
    ],
    &["CREATE VIRTUAL TABLE f USING fts5(body)", "INSERT INTO f VALUES ('hello world')"],
    &["CREATE VIRTUAL TABLE f USING fts4(body)", "INSERT INTO f VALUES ('hello world')"],
    &["CREATE VIRTUAL TABLE r USING rtree(id, a, b)", "INSERT INTO r VALUES (1, 2, 3)"],
];

/// Statements, each sent as a message, all of which v0.0.7 applies exactly as rows.
const EXACT_AS_ROWS: &[&[&str]] = &[
    &[TYPES, "INSERT INTO t(i, n, d, r) VALUES (9007199254740992, -9007199254740992, 1.5, 3)"],
    &[TYPES, "INSERT INTO t(r, b, x) VALUES (0.1, 5e-324, -0.0), (1e300, 3.0, 1e23)"],
    &[TYPES, "INSERT INTO t(s, b, x, i) VALUES ('<é&\u{2028}' || char(0), 'text', '5', 'five')"],
    &[TYPES, "INSERT INTO t VALUES (0, 1, 2, 3, '', 5, '', '', '', '', true)", "DELETE FROM t"],
    &[TYPES, "INSERT INTO t(id) VALUES (-5), (3)", "UPDATE t SET i = id, s = id, dt = NULL"],
    &[
        "CREATE TABLE \"order\"(\"group\" TEXT, \"my col\" INT)",
        "INSERT INTO \"order\" VALUES (1, 2)",
    ],
    &[
        "CREATE TABLE t(a INT, g AS (a * 2) STORED, h AS (a * 3), b TEXT)",
        "INSERT INTO t(a, b) VALUES (1, 'x')",
        "UPDATE t SET a = 2",
    ],
    &[
        "CREATE TABLE t(a TEXT)",
        "INSERT INTO t VALUES ('x')",
        "ALTER TABLE t ADD COLUMN b INT DEFAULT 7",
        "INSERT INTO t VALUES ('y', 8)",
        "UPDATE t SET b = 9 WHERE a = 'x'",
    ],
    &[
        "CREATE TABLE t(k TEXT PRIMARY KEY, e TEXT UNIQUE)",
        "INSERT INTO t VALUES ('a', 'b'), ('b', 'c')",
        "REPLACE INTO t VALUES ('a', 'c')",
        "INSERT INTO t VALUES ('a', 'd') ON CONFLICT DO UPDATE SET e = 'u'",
        "DELETE FROM t",
    ],
    &["CREATE TABLE t(i INT, r REAL, s TEXT) STRICT", "INSERT INTO t VALUES (1, 2, 3)"],
];

#[test]
fn v007_has_the_same_rows_as_ha_after_each_message() {
    for case in INEXACT_AS_ROWS.iter().chain(EXACT_AS_ROWS) {
        let mut cluster = Cluster::new();
        for sql in *case {
            cluster.execute(sql, &[]);
        }
    }
}

#[test]
fn these_rows_need_sql() {
    for case in INEXACT_AS_ROWS {
        let mut cluster = Cluster::new();
        let (last, before) = case.split_last().unwrap();
        before.iter().for_each(|sql| cluster.execute(sql, &[]));
        assert!(!cluster.plain_form_is_exact(last), "{case:?}");
    }
}

#[test]
fn what_v007_applies_exactly_is_sent_as_rows() {
    for case in EXACT_AS_ROWS {
        let mut origin = Origin::new();
        for sql in *case {
            let entry = entry(origin.execute(sql, &[]));
            assert_eq!(encode_for(&entry, Form::V007Exact(&())), encode(&entry), "{sql}");
        }
    }
}

#[test]
fn a_moved_row_is_moved_in_v007() {
    for schema in
        ["a TEXT", "a TEXT, id INTEGER PRIMARY KEY", "a TEXT, id INTEGER PRIMARY KEY DESC"]
    {
        let mut cluster = Cluster::new();
        cluster.execute(&format!("CREATE TABLE t({schema})"), &[]);
        cluster.execute("INSERT INTO t(rowid, a) VALUES (1, 'x'), (2, 'y')", &[]);
        let moved =
            cluster.origin.move_row("t", 1, "UPDATE t SET rowid = 77, a = 'z' WHERE rowid = 1");
        cluster.send(schema, moved, Form::V007Exact(&()));
    }
}

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
    let expected = [
        r#""changes":[{"operation":"SQL","sql":"DROP TRIGGER IF EXISTS main.\"x\"; "#,
        r#"INSERT INTO main.\"t\"(\"b\",\"r\",\"s\",rowid) VALUES(x'68',?,?,1) "#,
        r#"ON CONFLICT(rowid) DO UPDATE SET \"b\"=excluded.\"b\",\"r\"=excluded.\"r\",\"s\"=excluded.\"s\"; "#,
        r#"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END","sql_args":[1.5,"it's"],"#,
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
fn integers_beyond_doubles_are_spelled_where_that_is_exact() {
    let mut cluster = Cluster::new();
    cluster.execute("CREATE TABLE t(i INTEGER)", &[]);
    let changes = cluster.origin.execute("INSERT INTO t VALUES (9007199254740993)", &[]);
    let bytes = encode_for(&entry(changes.clone()), Form::V007Exact(&())).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(r#""new_values":["9007199254740993"],"new_types":"i""#), "{text}");
    cluster.send("INSERT", changes, Form::V007Exact(&()));
}

#[test]
fn only_the_triggers_of_the_table_are_lifted() {
    #[derive(Debug)]
    struct OfOthers;
    impl ha_changes::Triggers for OfOthers {
        fn on(&self, table: &ha_changes::Table) -> Vec<Trigger> {
            assert_eq!(table.name, "t");
            Vec::new()
        }
    }
    let mut origin = Origin::new();
    origin.execute("CREATE TABLE t(a TEXT)", &[]);
    let entry = entry(origin.execute("INSERT INTO t VALUES ('a')", &[]));
    assert_eq!(encode_for(&entry, Form::V007Exact(&OfOthers)), encode(&entry));
}

#[derive(Debug, Clone)]
enum Step {
    Put(i64, Vec<Value>),
    Set(i64, usize, Value),
    Remove(i64),
}

const WIDTH: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let rowid = prop_oneof![5 => -2..6_i64, 1 => Just(i64::MAX), 1 => Just((1 << 53) + 1)];
    (rowid, vec(value(), WIDTH), 0..WIDTH, value(), 0..4).prop_map(
        |(rowid, row, at, value, kind)| match kind {
            0 | 1 => Step::Put(rowid, row),
            2 => Step::Set(rowid, at, value),
            _ => Step::Remove(rowid),
        },
    )
}

fn decl_type() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "INT",
        "INTEGER",
        "BLOB",
        "blob",
        "TEXT",
        "VARCHAR(9)",
        "REAL",
        "DOUBLE",
        "NUMERIC",
        "DECIMAL(5,2)",
        "BOOLEAN",
        "DATETIME",
        "ANY",
        "FLOATING POINT",
        "CHARINT",
        "STRING",
    ])
}

/// A table keyed by `k`, which is the rowid, beside it, or instead of it.
fn schema_of(types: &[&str], kind: usize) -> String {
    let columns: Vec<String> =
        types.iter().enumerate().map(|(at, decl)| format!("c{at} {decl}")).collect();
    let (key, options) =
        [("INTEGER PRIMARY KEY", ""), ("INT UNIQUE", ""), ("PRIMARY KEY", "WITHOUT ROWID")][kind];
    format!("CREATE TABLE t({}, k {key}) {options}", columns.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn v007_follows_any_writes(
        types in vec(decl_type(), WIDTH), kind in 0..3_usize, triggers in any::<bool>(),
        steps in vec(step(), 1..12),
    ) {
        let mut cluster = Cluster::new();
        cluster.execute(&schema_of(&types, kind), &[]);
        cluster.execute("CREATE TABLE log(m)", &[]);
        if triggers {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let body = "INSERT INTO log VALUES (1 + (SELECT count(*) FROM log))";
                cluster.execute(&format!("CREATE TRIGGER {event}_t AFTER {event} ON t BEGIN {body}; END"), &[]);
            }
        }
        for step in steps {
            run(&mut cluster, step);
        }
    }
}

fn run(cluster: &mut Cluster, step: Step) {
    match step {
        Step::Put(key, row) => {
            let key = Value::Integer(key);
            let params: Vec<&Value> = row.iter().chain([&key]).collect();
            cluster.execute("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?, ?)", &params);
        }
        Step::Set(key, at, value) => {
            let sql = format!("UPDATE t SET c{at} = ? WHERE k = ?");
            cluster.execute(&sql, &[&value, &Value::Integer(key)]);
        }
        Step::Remove(key) => cluster.execute("DELETE FROM t WHERE k = ?", &[&Value::Integer(key)]),
    }
}
