//! What the capture sees as rows.

use ha_core::Value;
use ha_memory::MemoryLog;

use crate::support::start;
use crate::{Case, arrive};

const ROWS: &[Case] = &[
    (
        "insert, update and delete",
        &[
            "CREATE TABLE t(a, b); INSERT INTO t VALUES(1,2),(3,4),(5,6)",
            "UPDATE t SET b = 9 WHERE a = 1; DELETE FROM t WHERE a = 3",
        ],
    ),
    (
        "a rowid that changes",
        &[
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1,2),(2,3)",
            "UPDATE t SET a = a + 10; UPDATE t SET rowid = -7 WHERE a = 11",
            "CREATE TABLE u(v); INSERT INTO u VALUES('x'); UPDATE u SET rowid = 77",
        ],
    ),
    (
        "tables without a rowid, and a changed key",
        &[
            "CREATE TABLE w(k TEXT, n INT, v, PRIMARY KEY(n, k)) WITHOUT ROWID",
            "INSERT INTO w VALUES('a',1,'v'),('b',2,NULL),('c',3,x'00')",
            "UPDATE w SET n = 7 WHERE k = 'a'; DELETE FROM w WHERE k = 'b'",
            "INSERT INTO w VALUES('c',3,'u') ON CONFLICT DO UPDATE SET v = excluded.v",
        ],
    ),
    (
        "replaced rows",
        &[
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE, c); INSERT INTO t VALUES(1,'x',0),(2,'y',0),(3,'z',0)",
            "REPLACE INTO t VALUES(1,'y','two victims')",
            "UPDATE OR REPLACE t SET b = 'y' WHERE a = 3",
        ],
    ),
    (
        "deletes without a condition",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2); DELETE FROM t",
            "INSERT INTO t VALUES(3); DELETE FROM t; INSERT INTO t VALUES(4)",
        ],
    ),
    (
        "cascades, and keys set to nothing or a default",
        &[
            "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)",
            "CREATE TABLE n(p REFERENCES p ON DELETE SET NULL); CREATE TABLE d(p DEFAULT 9 REFERENCES p ON DELETE SET DEFAULT)",
            "INSERT INTO p VALUES(1),(2),(9); INSERT INTO c VALUES(1),(2); INSERT INTO n VALUES(1); INSERT INTO d VALUES(1)",
            "UPDATE p SET id = 3 WHERE id = 2; DELETE FROM p WHERE id = 1",
        ],
    ),
    (
        "triggers that call triggers, and on views",
        &[
            "CREATE TABLE src(k); CREATE TABLE cnt(n); INSERT INTO cnt VALUES(0); CREATE TABLE hist(n)",
            "CREATE TRIGGER one AFTER INSERT ON src BEGIN UPDATE cnt SET n = n + 1; END; \
             CREATE TRIGGER two AFTER UPDATE ON cnt BEGIN INSERT INTO hist VALUES(new.n); END",
            "INSERT INTO src VALUES('a'),('b'),('c')",
            "CREATE VIEW v AS SELECT k FROM src; CREATE TRIGGER three INSTEAD OF DELETE ON v BEGIN DELETE FROM src WHERE k = old.k; END; \
             DELETE FROM v WHERE k = 'b'",
        ],
    ),
    (
        "updates that change nothing, and ignored inserts",
        &[
            "CREATE TABLE t(a UNIQUE, b); INSERT INTO t VALUES(1, 1)",
            "UPDATE t SET b = b; INSERT OR IGNORE INTO t VALUES(1, 2); INSERT INTO t VALUES(1, 3) ON CONFLICT DO NOTHING",
        ],
    ),
    (
        "generated columns",
        &[
            "CREATE TABLE g(a, v AS (a + 1), s AS (a * 2) STORED, z)",
            "INSERT INTO g(a, z) VALUES(1,'end'),(2,'x'); UPDATE g SET a = 5 WHERE a = 1; DELETE FROM g WHERE a = 2",
            "CREATE TABLE h(k TEXT AS (lower(j)) STORED UNIQUE, j); INSERT INTO h(j) VALUES('A'),('B'); REPLACE INTO h(j) VALUES('a')",
        ],
    ),
    (
        "values of every kind",
        &[
            "CREATE TABLE t(a INTEGER, b REAL, c TEXT, d BLOB, e NUMERIC, f)",
            "INSERT INTO t VALUES(1,1,1,1,1,1),(1.5,2,'x',x'00ff41',2.0,x'00ff41'),(NULL,NULL,NULL,NULL,NULL,NULL)",
            "INSERT INTO t VALUES(9007199254740993,9e999,x'ff41',zeroblob(3),-9e999,-0.0)",
            "INSERT INTO t VALUES(9223372036854775807,-9223372036854775808,'','x','1e3',9223372036854775807)",
            "INSERT INTO t(c, f) VALUES(CAST(x'ff00fe' AS TEXT), 'nul' || char(0) || 'end'); UPDATE t SET f = b, b = 0.0 - 0.0",
        ],
    ),
    (
        "rowids of nothing and less",
        &[
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(0,'0'),(-1,'-1'),(-9223372036854775808,'min'),(9223372036854775807,'max')",
            "UPDATE t SET b = b || '!'; DELETE FROM t WHERE a = -1",
            "CREATE TABLE u(v); INSERT INTO u(rowid, v) VALUES(0, 'x'),(-5, 'y'); UPDATE u SET v = v || 1",
        ],
    ),
    (
        "names that need quotes",
        &[
            "CREATE TABLE \"order\"(\"group\" TEXT, \"my col\" INT, \"a\"\"b\" PRIMARY KEY); INSERT INTO \"order\" VALUES('g', 5, 1)",
            "UPDATE \"order\" SET \"my col\" = 6; CREATE INDEX \"in dex\" ON \"order\"(\"my col\")",
            "CREATE TABLE hidden(rowid TEXT, _rowid_ TEXT, v); INSERT INTO hidden VALUES('a','b',1); UPDATE hidden SET v = 3",
        ],
    ),
    (
        "statements that fail on the way",
        &[
            "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1); INSERT OR IGNORE INTO t VALUES(2),(1),(3)",
        ],
    ),
    (
        "savepoints",
        &[
            "CREATE TABLE t(v); SAVEPOINT s; INSERT INTO t VALUES('gone'); CREATE TABLE gone(v); ROLLBACK TO s; INSERT INTO t VALUES('kept'); RELEASE s",
            "SAVEPOINT s; ALTER TABLE t ADD COLUMN w; INSERT INTO t VALUES(1,2); ROLLBACK TO s; INSERT INTO t VALUES('after')",
        ],
    ),
    (
        "rows of chance and of the clock",
        &[
            "CREATE TABLE t(a DEFAULT (random()), b DEFAULT CURRENT_TIMESTAMP, c); INSERT INTO t(c) VALUES(randomblob(8)),(hex(randomblob(4)))",
            "UPDATE t SET c = random(), b = julianday('now')",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn rows_arrive() {
    arrive(ROWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_counts_what_others_did() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v); CREATE TABLE counts(total, last)").await;
    a.run("INSERT INTO t VALUES(1),(2),(3)").await;
    let counts = "INSERT INTO counts SELECT total_changes(), last_insert_rowid()";
    a.run(counts).await;
    a.run(&format!("INSERT INTO t VALUES(4),(5); {counts}")).await;
    let integers = |numbers: [i64; 2]| numbers.map(Value::Integer);
    let seen = a.rows("SELECT total, last FROM counts").await;
    assert_eq!(seen, [integers([0, 0]), integers([2, 5])]);
}
