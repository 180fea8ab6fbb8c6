//! What v0.0.7 makes of messages in the form that is for it, beside what nodes of `ha` make of
//! the same bytes.

mod common;

use common::cluster::Cluster;
use common::entry;
use common::origin::Origin;
use ha_changes::{Change, Form, encode, encode_for};

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
        "INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (9, 't', 5)",
        "UPDATE sqlite_sequence SET name = 'u'",
        "DELETE FROM sqlite_sequence",
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
            if entry.changes.iter().any(|change| matches!(change, Change::Sql(_))) {
                continue;
            }
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
