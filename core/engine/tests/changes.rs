//! Every kind of change arrives exactly, whichever node makes it.

mod support;

use ha_core::Value;
use ha_engine::NodeOptions;
use ha_memory::MemoryLog;
use support::exact::same;
use support::{Running, batch, begin, options, start, start_with};
use tempfile::TempDir;

/// What is done, one transaction after the other.
type Case = (&'static str, &'static [&'static str]);

/// What the capture sees as rows.
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

/// What travels as SQL, alone or with rows.
const SCHEMA: &[Case] = &[
    (
        "a table made of a query",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)",
            "CREATE TABLE made AS SELECT a, random() AS r FROM t; INSERT INTO made VALUES(3, 4); UPDATE made SET a = a + 1",
            "CREATE TABLE IF NOT EXISTS made AS SELECT 1",
        ],
    ),
    (
        "a column more, with a default",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1)",
            "ALTER TABLE t ADD COLUMN b DEFAULT 'bb'; INSERT INTO t(a) VALUES(2); UPDATE t SET b = 'x' WHERE a = 1",
            "ALTER TABLE t ADD COLUMN c TEXT NOT NULL DEFAULT 'c' CHECK (c <> ''); DELETE FROM t WHERE a = 1; INSERT INTO t VALUES(3, 4, 5)",
            "ALTER TABLE t ADD COLUMN g AS (a || b); UPDATE t SET a = 9 WHERE a = 2; INSERT INTO t(a, b) VALUES(1, 2)",
        ],
    ),
    (
        "a column less",
        &[
            "CREATE TABLE t(a, b, c); INSERT INTO t VALUES(1,2,3),(4,5,6)",
            "ALTER TABLE t DROP COLUMN b; UPDATE t SET c = 7 WHERE a = 1; INSERT INTO t VALUES(8, 9)",
            "INSERT INTO t VALUES(10, 11); ALTER TABLE t DROP COLUMN a; DELETE FROM t WHERE c = 6",
        ],
    ),
    (
        "a column of another name",
        &[
            "CREATE TABLE t(a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO t VALUES(1,2); CREATE INDEX i ON t(b); CREATE VIEW v AS SELECT b FROM t",
            "UPDATE t SET b = 3; ALTER TABLE t RENAME COLUMN b TO \"b b\"; UPDATE t SET \"b b\" = 4; ALTER TABLE t RENAME a TO k; INSERT INTO t VALUES(5, 6)",
        ],
    ),
    (
        "a table of another name, with what refers to it",
        &[
            "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b); CREATE TABLE c(t REFERENCES t); CREATE VIEW v AS SELECT * FROM t",
            "CREATE TRIGGER tr AFTER INSERT ON c BEGIN UPDATE t SET b = new.t; END; INSERT INTO t(b) VALUES('x'); INSERT INTO c VALUES(1)",
            "INSERT INTO t(b) VALUES('y'); ALTER TABLE t RENAME TO u; INSERT INTO u(b) VALUES('z'); INSERT INTO c VALUES(3)",
            "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b); INSERT INTO t(b) VALUES(1); INSERT INTO u(b) VALUES(1)",
        ],
    ),
    (
        "constraints that come and go",
        &[
            "CREATE TABLE t(a, b, CONSTRAINT small CHECK (a < 9)); INSERT INTO t VALUES(1, 2)",
            "ALTER TABLE t ALTER COLUMN b SET NOT NULL; INSERT INTO t VALUES(2, 3)",
            "ALTER TABLE t ALTER COLUMN b DROP NOT NULL; INSERT INTO t VALUES(3, NULL)",
            "ALTER TABLE t DROP CONSTRAINT small; INSERT INTO t VALUES(10, 4)",
            "ALTER TABLE t ADD CONSTRAINT big CHECK (a < 99); UPDATE t SET a = a + 1",
        ],
    ),
    (
        "a table that is dropped and made again",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1)",
            "INSERT INTO t VALUES(2); DROP TABLE t; CREATE TABLE t(b, c); INSERT INTO t VALUES(3, 4)",
            "DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS t; CREATE TABLE IF NOT EXISTS t(z); CREATE TABLE IF NOT EXISTS t(y)",
        ],
    ),
    (
        "indexes, views and triggers",
        &[
            "CREATE TABLE t(a, b); INSERT INTO t VALUES(-1, 2),(1, NULL); CREATE UNIQUE INDEX i ON t(abs(a)) WHERE b IS NULL; CREATE INDEX j ON t(b COLLATE NOCASE DESC)",
            "CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER r BEFORE UPDATE ON t BEGIN SELECT 1; END; UPDATE t SET b = 3",
            "DROP INDEX i; DROP VIEW v; DROP TRIGGER r; INSERT INTO t VALUES(1, NULL); REINDEX; REINDEX j; REINDEX t; REINDEX nocase",
        ],
    ),
    (
        "pragmas that belong to the database",
        &[
            "PRAGMA user_version = 7; PRAGMA application_id = -5; CREATE TABLE t(a)",
            "SAVEPOINT s; PRAGMA user_version = 8; ROLLBACK TO s; INSERT INTO t VALUES(1)",
        ],
    ),
    (
        "statistics",
        &[
            "CREATE TABLE t(a, b); CREATE INDEX i ON t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i % 17, i FROM n",
            "ANALYZE; INSERT INTO t VALUES(1, 2)",
            "ANALYZE t; DROP TABLE t",
            "CREATE TABLE u(a); ANALYZE u; DROP TABLE sqlite_stat1",
        ],
    ),
    (
        "a referenced table that is dropped",
        &[
            "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p ON DELETE CASCADE); CREATE TABLE n(p REFERENCES p ON DELETE SET NULL)",
            "INSERT INTO p VALUES(1),(2); INSERT INTO c VALUES(1),(2),(NULL); INSERT INTO n VALUES(1)",
            "INSERT INTO p VALUES(3); INSERT INTO c VALUES(3); DROP TABLE p",
            "CREATE TABLE p(id TEXT PRIMARY KEY); DELETE FROM c; INSERT INTO p VALUES('x'); INSERT INTO c VALUES('x')",
        ],
    ),
    (
        "a table that refers to itself is dropped",
        &[
            "CREATE TABLE tree(id INTEGER PRIMARY KEY AUTOINCREMENT, p REFERENCES tree ON DELETE CASCADE); INSERT INTO tree VALUES(1,NULL),(2,1),(3,2)",
            "DROP TABLE tree; CREATE TABLE tree(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO tree DEFAULT VALUES",
        ],
    ),
    (
        "statements that do nothing",
        &[
            "CREATE TABLE t(a)",
            "CREATE TABLE IF NOT EXISTS t(b); DROP VIEW IF EXISTS v",
            "INSERT INTO t VALUES(1)",
        ],
    ),
    (
        "strict tables",
        &[
            "CREATE TABLE s(a INT, b ANY, c REAL, d BLOB) STRICT; INSERT INTO s VALUES(1,'1',2,x'00'),(2,1,0.1,NULL); UPDATE s SET b = 2.0",
        ],
    ),
];

/// `sqlite_sequence` moves with and without rows.
const SEQUENCES: &[Case] = &[
    (
        "ignored inserts and upserts",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1)",
            "INSERT OR IGNORE INTO t(u) VALUES(1); INSERT INTO t(u) VALUES(1) ON CONFLICT DO NOTHING",
            "INSERT INTO t(u) VALUES(1) ON CONFLICT(u) DO UPDATE SET u = 2; INSERT INTO t(u) VALUES(1)",
        ],
    ),
    (
        "ids that are given, deleted and negative",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES(-5); INSERT INTO t VALUES(100); DELETE FROM t",
            "INSERT INTO t DEFAULT VALUES; UPDATE t SET id = 500; INSERT INTO t DEFAULT VALUES",
        ],
    ),
    (
        "written by hand",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t DEFAULT VALUES; UPDATE sqlite_sequence SET seq = 40; INSERT INTO t DEFAULT VALUES",
            "DELETE FROM sqlite_sequence; INSERT INTO t VALUES(3)",
            "INSERT INTO sqlite_sequence VALUES('it''s', 'no number'),(NULL, x'00'); INSERT INTO t DEFAULT VALUES",
            "INSERT INTO t DEFAULT VALUES",
        ],
    ),
    (
        "tables dropped and made again at once",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1),(2),(3)",
            "DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1)",
            "INSERT INTO t(u) VALUES(2); DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1); INSERT OR IGNORE INTO t(u) VALUES(1)",
            "DROP TABLE t",
        ],
    ),
    (
        "renamed and made again at once",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1),(2)",
            "ALTER TABLE t RENAME TO old; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1); INSERT OR IGNORE INTO t(u) VALUES(1)",
            "INSERT INTO old(u) VALUES(5)",
        ],
    ),
    (
        "several tables in one transaction",
        &[
            "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, u NOT NULL); CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT)",
            "INSERT OR IGNORE INTO a(u) VALUES(NULL); INSERT INTO b DEFAULT VALUES; INSERT INTO a(u) VALUES(1)",
        ],
    ),
];

/// Tables behind which are tables.
const VIRTUAL: &[Case] = &[
    (
        "full text",
        &[
            "CREATE VIRTUAL TABLE f USING fts5(a, b); INSERT INTO f VALUES('one two','x'),('three','y')",
            "UPDATE f SET a = 'two three' WHERE rowid = 1; DELETE FROM f WHERE rowid = 2; INSERT INTO f(rowid, a) VALUES(-3, 'minus')",
            "INSERT INTO f(f) VALUES('optimize'); INSERT INTO f(f, rank) VALUES('automerge', 2); INSERT INTO f(f) VALUES('rebuild')",
        ],
    ),
    (
        "full text made, filled, altered and dropped in one transaction",
        &[
            "CREATE TABLE t(a); CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES('one'); INSERT INTO t SELECT count(*) FROM f WHERE f MATCH 'one'",
            "INSERT INTO f VALUES('two'); ALTER TABLE f RENAME TO g; INSERT INTO g VALUES('three')",
            "INSERT INTO g VALUES('four'); ALTER TABLE t ADD COLUMN b; INSERT INTO t VALUES(1, 2)",
            "INSERT INTO g VALUES('five'); DROP TABLE g; CREATE VIRTUAL TABLE g USING fts5(x, y); INSERT INTO g VALUES('six', 'seven')",
            "CREATE VIRTUAL TABLE IF NOT EXISTS g USING fts5(z); DROP TABLE IF EXISTS missing; DROP TABLE g",
        ],
    ),
    (
        "a second index beside rows that wait",
        &[
            "CREATE VIRTUAL TABLE f USING fts5(a)",
            "INSERT INTO f VALUES('before'); CREATE VIRTUAL TABLE g USING fts5(a); INSERT INTO g VALUES('after'); INSERT INTO f VALUES('after')",
            "INSERT INTO f VALUES('x'); SAVEPOINT s; INSERT INTO f VALUES('gone'); CREATE VIRTUAL TABLE h USING fts5(a); ROLLBACK TO s; INSERT INTO g VALUES('y')",
        ],
    ),
    (
        "full text of another table's content, by triggers",
        &[
            "CREATE TABLE doc(id INTEGER PRIMARY KEY, body); CREATE VIRTUAL TABLE f USING fts5(body, content='doc', content_rowid='id')",
            "CREATE TRIGGER ai AFTER INSERT ON doc BEGIN INSERT INTO f(rowid, body) VALUES(new.id, new.body); END; \
             CREATE TRIGGER ad AFTER DELETE ON doc BEGIN INSERT INTO f(f, rowid, body) VALUES('delete', old.id, old.body); END; \
             CREATE TRIGGER au AFTER UPDATE ON doc BEGIN INSERT INTO f(f, rowid, body) VALUES('delete', old.id, old.body); \
               INSERT INTO f(rowid, body) VALUES(new.id, new.body); END",
            "INSERT INTO doc(body) VALUES('one two'),('three'); UPDATE doc SET body = 'four' WHERE id = 1; DELETE FROM doc WHERE id = 2",
            "INSERT INTO doc(body) VALUES('five'); INSERT INTO f(f) VALUES('rebuild'); REPLACE INTO doc VALUES(1, 'six')",
        ],
    ),
    (
        "full text without content, and its vocabulary",
        &[
            "CREATE VIRTUAL TABLE f USING fts5(a, content='', contentless_delete=1, prefix='2 3', tokenize='porter ascii'); INSERT INTO f VALUES('running runs')",
            "DELETE FROM f WHERE rowid = 1; INSERT INTO f(rowid, a) VALUES(7, 'walked')",
            "CREATE VIRTUAL TABLE v USING fts5vocab('f', 'row')",
        ],
    ),
    (
        "full text of the older kind",
        &[
            "CREATE VIRTUAL TABLE f USING fts4(a, tokenize=porter); INSERT INTO f VALUES('one two'),('three')",
            "UPDATE f SET a = 'four' WHERE docid = 1; DELETE FROM f WHERE docid = 2; INSERT INTO f(f) VALUES('optimize')",
            "INSERT INTO f VALUES('five'); ALTER TABLE f RENAME TO g; INSERT INTO g VALUES('six')",
            "CREATE TABLE c(x); INSERT INTO c VALUES('seven'); CREATE VIRTUAL TABLE e USING fts4(content='c', x); INSERT INTO e(e) VALUES('rebuild')",
            "INSERT INTO g VALUES('x'); DROP TABLE g; CREATE VIRTUAL TABLE g USING fts3(b); INSERT INTO g VALUES('eight')",
        ],
    ),
    (
        "boxes",
        &[
            "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1, +note); INSERT INTO r VALUES(1,0,1,0,1,'a'),(2,5,6,5,6,'b')",
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 70) INSERT INTO r SELECT i, i, i + 1, -i, i, NULL FROM n",
            "UPDATE r SET x1 = 3 WHERE id = 1; DELETE FROM r WHERE id % 3 = 0",
            "INSERT INTO r VALUES(0,0,1,0,1,'z'); ALTER TABLE r RENAME TO s; DELETE FROM s WHERE id = 1; CREATE VIRTUAL TABLE i USING rtree_i32(id, a, b); INSERT INTO i VALUES(1,2,3)",
            "INSERT INTO s VALUES(1,0,1,0,1,'q'); DROP TABLE s",
        ],
    ),
];

async fn arrive(cases: &[Case]) {
    for (name, transactions) in cases {
        for (swapped, scratch) in [(false, false), (true, false), (false, true), (true, true)] {
            let log = MemoryLog::new();
            let nodes = [place("a", &log, scratch).await, place("b", &log, scratch).await];
            let [writer, other] =
                if swapped { [&nodes[1], &nodes[0]] } else { [&nodes[0], &nodes[1]] };
            for sql in *transactions {
                writer.run(sql).await;
                same(writer, other, &format!("{name}: {sql}")).await;
            }
        }
        take_turns(name, transactions).await;
    }
}

/// A node with a file that is to last, or one that is scratch.
async fn place(name: &str, log: &MemoryLog, scratch: bool) -> Running {
    let options = |dir: &TempDir| NodeOptions { scratch, ..options(name, dir) };
    start_with(log, TempDir::new().unwrap(), options).await.unwrap()
}

/// The same once more on a log of their own, each transaction on the other node.
async fn take_turns(name: &str, transactions: &[&str]) {
    let log = MemoryLog::new();
    let nodes = [start("a", &log).await, start("b", &log).await];
    for (turn, sql) in transactions.iter().enumerate() {
        nodes[turn % 2].run(sql).await;
        same(&nodes[turn % 2], &nodes[(turn + 1) % 2], &format!("{name}, in turns: {sql}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_arrive() {
    arrive(ROWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_schema_arrive() {
    arrive(SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_arrive() {
    arrive(SEQUENCES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_tables_arrive() {
    arrive(VIRTUAL).await;
}

/// A node that has applied rows of an index must not go on from what it knew of it before.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_right_for_readers_and_writers_whoever_wrote_last() {
    let log = MemoryLog::new();
    let nodes = [start("a", &log).await, start("b", &log).await];
    let schema = "CREATE VIRTUAL TABLE f USING fts5(a); CREATE VIRTUAL TABLE g USING fts4(a); CREATE TABLE seen(n, m); \
                  CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)";
    nodes[0].run(schema).await;
    for turn in 0_usize..120 {
        // Now and then a node writes twice.
        let (writer, other) = (&nodes[turn / 2 % 2], &nodes[(turn / 2 + 1) % 2]);
        writer.reach(other).await;
        let word = format!("common w{}", turn % 7);
        writer
            .run(&format!(
                "INSERT INTO f VALUES('{word}'); INSERT INTO g VALUES('{word}'); INSERT INTO r VALUES({turn}, {turn}, {turn}); \
                 INSERT INTO seen SELECT (SELECT count(*) FROM f WHERE f MATCH 'common'), (SELECT count(*) FROM g WHERE g MATCH 'common')"
            ))
            .await;
        if turn % 5 == 4 {
            writer.run(&format!("DELETE FROM f WHERE rowid = {turn}; DELETE FROM g WHERE docid = {turn}; INSERT INTO f VALUES('common'); INSERT INTO g VALUES('common')")).await;
        }
        other.reach(writer).await;
        let count = i64::try_from(turn + 1).unwrap();
        for node in [writer, other] {
            for index in ["f WHERE f MATCH 'common'", "g WHERE g MATCH 'common'", "r WHERE x0 >= 0"]
            {
                let found = node.value(&format!("SELECT count(*) FROM {index}")).await;
                assert_eq!(found, Value::Integer(count), "{index} in turn {turn}");
            }
        }
        let seen = writer.rows("SELECT n, m FROM seen ORDER BY rowid DESC LIMIT 1").await;
        assert_eq!(seen, [[Value::Integer(count), Value::Integer(count)]], "in turn {turn}");
    }
    same(&nodes[0], &nodes[1], "indexes").await;
}

/// An index keeps rows to itself until the next savepoint, which may be that of a statement
/// that fails.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_right_after_a_statement_that_failed() {
    let log = MemoryLog::new();
    let nodes = [start("a", &log).await, start("b", &log).await];
    nodes[0].run("CREATE VIRTUAL TABLE f USING fts5(a); CREATE TABLE t(a UNIQUE)").await;
    let mut session = nodes[0].session().await;
    begin(&mut session).await;
    for (sql, works) in [
        ("INSERT INTO f VALUES('kept'); INSERT INTO t VALUES(1)", true),
        (
            "INSERT INTO f VALUES('gone'); INSERT INTO f VALUES('gone'); INSERT INTO t VALUES(1)",
            false,
        ),
        ("INSERT INTO t VALUES(1)", false),
        ("SAVEPOINT s", true),
        ("INSERT INTO f VALUES('back')", true),
        ("INSERT INTO t SELECT count(*) FROM f WHERE f MATCH 'back'", false),
        ("ROLLBACK TO s", true),
        ("UPDATE f SET a = 'kept too' WHERE a = 'kept'", true),
    ] {
        assert_eq!(session.run(batch(sql)).await.is_ok(), works, "{sql}");
    }
    session.commit().await.unwrap();
    same(&nodes[0], &nodes[1], "an index after an error").await;
    let found = nodes[1].rows("SELECT a FROM f WHERE f MATCH 'kept'").await;
    assert_eq!(found[0], [Value::from("kept too")]);
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
