//! Two nodes on one log are equal, whatever is written where.

mod support;

use ha_core::Value;
use ha_memory::MemoryLog;
use support::{EVERY_KIND, Running, equal, start};

async fn two() -> (Running, Running) {
    let log = MemoryLog::new();
    (start("a", &log).await, start("b", &log).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_on_one_node_is_read_on_the_other() {
    let (a, b) = two().await;
    a.run("CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)").await;
    let reply = a.run("INSERT INTO users(name) VALUES('x')").await;
    assert_eq!(reply.results[0].changes, 1);
    assert_eq!(reply.results[0].last_insert_rowid, 1);
    b.reach(&a).await;
    assert_eq!(b.rows("SELECT * FROM users").await, [[Value::Integer(1), Value::from("x")]]);
    b.run("INSERT INTO users(name) VALUES('y')").await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_lose_and_double_nothing() {
    let (a, b) = two().await;
    a.run("CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, who TEXT UNIQUE); CREATE TABLE n(v); INSERT INTO n VALUES(0)").await;
    b.reach(&a).await;
    let writers = ["a", "b"].into_iter().flat_map(|node| (0..8).map(move |client| (node, client)));
    let work = writers.map(|(node, client)| {
        let running = if node == "a" { &a } else { &b };
        async move {
            for i in 0..20 {
                running
                    .run(&format!(
                        "INSERT INTO log(who) VALUES('{node}{client}-{i}'); UPDATE n SET v = v + 1"
                    ))
                    .await;
            }
        }
    });
    futures::future::join_all(work).await;
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM log").await, Value::Integer(320));
    assert_eq!(a.value("SELECT v FROM n").await, Value::Integer(320));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_change_arrives() {
    let (a, b) = two().await;
    for sql in EVERY_KIND {
        a.run(sql).await;
    }
    equal(&a, &b).await;
    assert_eq!(b.value("PRAGMA user_version").await, Value::Integer(7));
    let ids = a.run("INSERT INTO auto(u) VALUES(2)").await;
    b.reach(&a).await;
    b.run("INSERT INTO auto(u) VALUES(3)").await;
    equal(&a, &b).await;
    assert_eq!(ids.results[0].last_insert_rowid, 4, "ignored inserts move the sequence");
    assert_eq!(b.value("PRAGMA integrity_check").await, Value::from("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_tables_and_statements_arrive_too() {
    let (a, b) = two().await;
    for sql in [
        "CREATE TABLE hidden(rowid TEXT, _rowid_ TEXT, v)",
        "INSERT INTO hidden VALUES('a','b',1),('a','b',2); UPDATE hidden SET v = 3 WHERE v = 2; DELETE FROM hidden WHERE v = 1",
        "CREATE TABLE strict(a INT, b ANY, c REAL, d BLOB) STRICT; INSERT INTO strict VALUES(1,'1',2,x'00'),(2,1,0.1,NULL)",
        "CREATE TABLE n(a NUMERIC, b TEXT COLLATE NOCASE UNIQUE, c); INSERT INTO n VALUES('1e3','X',zeroblob(3)),('x','y',1e999),(-9223372036854775808,'z',-1e999)",
        "UPDATE n SET b = upper(b); UPDATE OR REPLACE n SET b = 'x' WHERE b = 'Y'",
        "CREATE TABLE w(k BLOB PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES(x'', 1),(x'00', 2),('', 3)",
        "UPDATE w SET k = k || 'x' WHERE v = 3; INSERT INTO w VALUES(x'00', 9) ON CONFLICT DO UPDATE SET v = excluded.v",
        "CREATE TABLE e(a, b); CREATE UNIQUE INDEX ei ON e(abs(a)) WHERE b IS NULL; INSERT INTO e VALUES(-1,NULL),(1,1)",
        "INSERT INTO e VALUES(2,NULL); ALTER TABLE e RENAME TO f; INSERT INTO f VALUES(3,NULL); ALTER TABLE f ADD COLUMN c DEFAULT 'd'; UPDATE f SET c = a",
        "CREATE VIEW fv AS SELECT a FROM f; CREATE TRIGGER fi INSTEAD OF INSERT ON fv BEGIN INSERT INTO f(a,b) VALUES(new.a, 1); END; INSERT INTO fv VALUES(9)",
        "CREATE TABLE tree(id INTEGER PRIMARY KEY, p REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE)",
        "INSERT INTO tree VALUES(1,NULL),(2,1),(3,2); UPDATE tree SET id = 10 WHERE id = 1; DELETE FROM tree WHERE id = 2",
        "CREATE TABLE IF NOT EXISTS copy AS SELECT rowid AS r, * FROM n; CREATE TABLE IF NOT EXISTS copy AS SELECT 1",
        "DROP TABLE strict; CREATE TABLE strict(z); INSERT INTO strict DEFAULT VALUES; REINDEX; PRAGMA application_id = 5",
        "CREATE TABLE \"we\"\"ird ta'ble\"(\"a b\" INTEGER PRIMARY KEY, \"c\"\"d\"); INSERT INTO \"we\"\"ird ta'ble\" VALUES(0,''),(-1,NULL)",
        "UPDATE \"we\"\"ird ta'ble\" SET \"a b\" = 5 WHERE \"a b\" = 0",
    ] {
        a.run(sql).await;
        b.reach(&a).await;
        assert_eq!(a.dump().await, b.dump().await, "{sql}");
    }
    let rowids = "SELECT group_concat(rowid) FROM n";
    assert_eq!(a.value(rowids).await, b.value(rowids).await);
    equal(&a, &b).await;
    assert_eq!(b.value("PRAGMA integrity_check").await, Value::from("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_seen_before_shows_the_columns_of_the_new_schema() {
    let (a, _b) = two().await;
    let names = async |sql: &str| -> Vec<String> {
        let columns = a.run(sql).await.results.pop().unwrap().columns;
        columns.into_iter().map(|column| column.name).collect()
    };
    let (read, write) = ("SELECT * FROM t", "UPDATE t SET x = 1 RETURNING *");
    a.run("CREATE TABLE t(x, y)").await;
    for rows in ["", "INSERT INTO t(x) VALUES(0)"] {
        a.run(rows).await;
        assert_eq!(names(read).await, ["x", "y"]);
        assert_eq!(names(write).await, ["x", "y"]);
        a.run("ALTER TABLE t DROP COLUMN y").await;
        assert_eq!(names(read).await, ["x"]);
        assert_eq!(names(write).await, ["x"]);
        a.run("ALTER TABLE t ADD COLUMN y").await;
    }
}
