//! Indexes that are tables, read and written where others write too.

use ha_core::Value;
use ha_memory::MemoryLog;

use crate::support::exact::same;
use crate::support::{batch, begin, start};

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
