//! What clients may not do, and how much they may.

mod support;

use std::time::Duration;

use ha_core::{Batch, Error, Limits, Params, Statement, Value};
use ha_memory::MemoryLog;
use support::{Running, batch, begin, equal, start};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

/// Ways out of the database, into our own tables, or around the log.
const ESCAPES: &[&str] = &[
    "ATTACH ':memory:' AS x",
    "ATTACH DATABASE '/etc/passwd' AS x",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO '/tmp/escaped'",
    "SELECT load_extension('/tmp/x')",
    "SELECT fts3_tokenizer('x', x'00')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/escaped', 'x')",
    "SELECT edit('x')",
    "PRAGMA writable_schema = 1",
    "PRAGMA main.writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA foreign_keys = 0",
    "PRAGMA defer_foreign_keys = 1",
    "PRAGMA recursive_triggers = 1",
    "PRAGMA ignore_check_constraints = 1",
    "PRAGMA legacy_alter_table = 1",
    "PRAGMA trusted_schema = 1",
    "PRAGMA synchronous = OFF",
    "PRAGMA schema_version = 99",
    "PRAGMA query_only = 0",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA incremental_vacuum",
    "PRAGMA optimize",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA encoding = 'UTF-16'",
    "SELECT * FROM pragma_wal_checkpoint",
    "SELECT * FROM pragma_optimize",
    "CREATE TEMP TABLE x(a)",
    "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE TABLE temp.x(a)",
    "INSERT INTO sqlite_schema VALUES('table', 'x', 'x', 0, 'x')",
    "UPDATE sqlite_master SET sql = 'x'",
    "DELETE FROM sqlite_schema",
    "INSERT INTO sqlite_temp_schema VALUES('table', 'x', 'x', 0, 'x')",
    "UPDATE _ha_position SET seq = 99",
    "DELETE FROM _HA_entries",
    "INSERT INTO \"_ha_keys\" VALUES('a', 'b', 1, 1, 'c')",
    "REPLACE INTO main._ha_skipped VALUES(1, 'x')",
    "DROP TABLE _ha_position",
    "DROP TABLE IF EXISTS [_ha_entries]",
    "ALTER TABLE _ha_position ADD COLUMN x",
    "ALTER TABLE _ha_position RENAME TO mine",
    "ALTER TABLE t RENAME TO _ha_mine",
    "CREATE TABLE _ha_mine(a)",
    "CREATE TABLE _ha_mine AS SELECT 1",
    "CREATE VIEW _ha_mine AS SELECT 1",
    "CREATE INDEX i ON _ha_position(seq)",
    "CREATE TRIGGER x AFTER UPDATE ON _ha_position BEGIN DELETE FROM t; END",
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM _ha_position; END; INSERT INTO t VALUES(1)",
    "WITH x AS (SELECT 1) DELETE FROM _ha_entries",
    "INSERT INTO sqlite_stat1 VALUES('t', NULL, '1')",
    "SAVEPOINT _ha_tx",
    "ROLLBACK TO _ha_tx",
    "RELEASE _ha_tx",
    "RELEASE _ha_call",
    // The node's own words.
    "REPLACE INTO _ha_position VALUES(1, ?1, ?2, ?3, ?4, ?5)",
    "REPLACE INTO _ha_entries VALUES(?1, ?2)",
    "DELETE FROM _ha_entries WHERE seq <= ?1",
    "DELETE FROM _ha_keys WHERE 0",
    "BEGIN IMMEDIATE",
    "SAVEPOINT _ha_call",
    "COMMIT",
    "ROLLBACK",
];

async fn two(schema: &str) -> (Running, Running) {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run(schema).await;
    b.reach(&a).await;
    (a, b)
}

fn bound(sql: &str) -> Batch {
    let params = Params::Positional((1..=5).map(Value::Integer).collect());
    Batch { statements: vec![Statement { sql: sql.to_owned(), params }], ..Batch::default() }
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::NotAllowed(_) | Error::Sql { .. } | Error::Invalid(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_out_works_alone_or_among_others_or_in_a_transaction() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let (before, dump) = (a.changing_entries().await, a.dump().await);
    for escape in ESCAPES {
        let shapes = [
            (*escape).to_owned(),
            format!("SELECT 1; {escape}"),
            format!("INSERT INTO t VALUES(1); {escape}"),
            format!("EXPLAIN {escape}"),
        ];
        for sql in shapes {
            if sql.starts_with("EXPLAIN") && sql.contains(';') {
                continue;
            }
            let result = a.session().await.run(bound(&sql)).await;
            let refused = result.as_ref().is_err_and(is_refused);
            let told = sql.starts_with("EXPLAIN") && result.is_ok();
            assert!(refused || told, "{sql}: {result:?}");
        }
        let mut session = a.session().await;
        begin(&mut session).await;
        session.run(batch("SAVEPOINT s")).await.unwrap();
        let result = session.run(bound(escape)).await;
        assert!(result.as_ref().is_err_and(is_refused), "{escape}: {result:?}");
        session.rollback().await.unwrap();
    }
    assert_eq!((a.changing_entries().await, a.dump().await), (before, dump));
    assert!(!std::path::Path::new("/tmp/escaped").exists());
    a.run("INSERT INTO t VALUES(1)").await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_limited_on_every_path() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let limits = Limits { time: Some(Duration::from_millis(30)), ..Limits::default() };
    let limited =
        |sql: String| Batch { statements: vec![Statement::new(sql)], limits, ..Batch::default() };
    for sql in [format!("SELECT max(i) FROM ({ENDLESS})"), format!("INSERT INTO t {ENDLESS}")] {
        let result = a.session().await.run(limited(sql.clone())).await;
        assert!(matches!(result, Err(Error::Timeout(_))), "{sql}: {result:?}");
        let mut session = a.session().await;
        begin(&mut session).await;
        session.run(batch("INSERT INTO t VALUES(1)")).await.unwrap();
        let result = session.run(limited(sql.clone())).await;
        assert!(matches!(result, Err(Error::Timeout(_))), "{sql}: {result:?}");
        drop(session);
    }
    a.run("INSERT INTO t VALUES(2)").await;
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT v FROM t").await, [[Value::Integer(2)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_bytes_are_limited_on_every_path() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let cases = [
        (Limits { rows: Some(10), ..Limits::default() }, ENDLESS.to_owned(), 10),
        (Limits { bytes: Some(1_000), ..Limits::default() }, ENDLESS.to_owned(), 1_000),
        (
            Limits { bytes: Some(1_000), ..Limits::default() },
            "SELECT zeroblob(2000)".to_owned(),
            1_000,
        ),
        (
            Limits { rows: Some(2), ..Limits::default() },
            "INSERT INTO t VALUES(1),(2),(3) RETURNING v".to_owned(),
            2,
        ),
    ];
    for (limits, sql, expected) in cases {
        let limited =
            Batch { statements: vec![Statement::new(sql.clone())], limits, ..Batch::default() };
        match a.session().await.run(limited).await {
            Err(Error::TooLarge { limit, .. }) => assert_eq!(limit, expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(0));
}

/// The rows of SQLite's statistics stand in another order on each node, and are not captured.
#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_made_by_analyze_and_written_by_nobody() {
    let (a, b) = two("CREATE TABLE t(v); CREATE INDEX i ON t(v); INSERT INTO t VALUES(1),(2),(2);
         CREATE TABLE u(v); CREATE INDEX j ON u(v); INSERT INTO u VALUES(1);
         CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p ON DELETE CASCADE);
         INSERT INTO p VALUES(1); INSERT INTO c VALUES(1);
         CREATE TRIGGER late AFTER DELETE ON c BEGIN DELETE FROM sqlite_stat1; END;
         CREATE VIEW w AS SELECT 1 AS v; CREATE TRIGGER instead INSTEAD OF INSERT ON w BEGIN
           UPDATE sqlite_stat1 SET stat = new.v; END;
         ANALYZE; CREATE TABLE x(v); CREATE INDEX k ON x(v); INSERT INTO x VALUES(1); ANALYZE")
    .await;
    let written = a.changing_entries().await;
    for sql in [
        "INSERT INTO sqlite_stat1 VALUES('t', NULL, '1')",
        "UPDATE \"SQLITE_STAT1\" SET stat = '9 9' WHERE tbl = 't'",
        "DELETE FROM main.sqlite_stat1 RETURNING rowid",
        "WITH x AS (SELECT 1) REPLACE INTO sqlite_stat1(rowid, tbl) VALUES(1, 't')",
        "DELETE FROM c",
        "DELETE FROM p",
        "DROP TABLE p",
        "INSERT INTO w VALUES('9 9')",
    ] {
        let error = a.try_run(sql).await.unwrap_err();
        assert!(matches!(&error, Error::NotAllowed(_)), "{sql}: {error}");
        assert!(error.to_string().contains("ANALYZE"), "{sql}: {error}");
    }
    assert_eq!(a.changing_entries().await, written);
    a.run("DROP TRIGGER late; DROP TABLE p; DROP INDEX i; ALTER TABLE u RENAME TO y").await;
    b.run("INSERT INTO t VALUES(3); ANALYZE").await;
    a.reach(&b).await;
    let known = "SELECT tbl, idx, stat FROM sqlite_stat1 WHERE tbl NOT LIKE '\\_ha\\_%' ESCAPE '\\' \
                 ORDER BY tbl, idx";
    assert_eq!(a.rows(known).await, b.rows(known).await);
    assert_eq!(a.rows(known).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_that_are_written_by_hand_are_the_same_row_by_row() {
    let (a, b) =
        two("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t(v) VALUES(1);
         CREATE TABLE u(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO u VALUES(7);
         CREATE TRIGGER back AFTER INSERT ON t WHEN new.v = 'back' BEGIN
           UPDATE sqlite_sequence SET seq = 2 WHERE name = 'u'; END")
        .await;
    let sequences = "SELECT rowid, name, seq FROM sqlite_sequence ORDER BY rowid";
    for sql in [
        "UPDATE sqlite_sequence SET seq = 40 WHERE name = 't'",
        "INSERT INTO t(v) VALUES('back')",
        "UPDATE sqlite_sequence SET rowid = 90 WHERE name = 'u'",
        "DELETE FROM sqlite_sequence WHERE name = 't'; INSERT INTO t(v) VALUES(2)",
        "REPLACE INTO sqlite_sequence(rowid, name, seq) VALUES(90, 'u', 5), (3, 'nobody', 1)",
        "SAVEPOINT s; DELETE FROM sqlite_sequence; ROLLBACK TO s; INSERT INTO u DEFAULT VALUES",
        "DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t DEFAULT VALUES",
    ] {
        for node in [&a, &b] {
            node.run(sql).await;
            equal(&a, &b).await;
            assert_eq!(a.rows(sequences).await, b.rows(sequences).await, "{sql}");
        }
    }
}
