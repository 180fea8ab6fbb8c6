//! Clients that share an entry do not feel each other.

mod support;

use std::time::Duration;

use ha_core::{Batch, Engine, Error, Limits, Reply, Result, Statement, Value};
use ha_memory::{Fault, MemoryLog, MemoryOptions};
use support::{Running, batch, begin, equal, options, start, start_with, until};
use tempfile::TempDir;

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

async fn two(schema: &str) -> (Running, Running) {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run(schema).await;
    b.reach(&a).await;
    (a, b)
}

/// Runs the batches so that they land in one group: a statement that does not end keeps the
/// writer until all of them wait for it.
async fn together(node: &Running, batches: Vec<Batch>) -> Vec<Result<Reply>> {
    let mut holder = node.session().await;
    begin(&mut holder).await;
    holder.run(batch("SAVEPOINT hold")).await.unwrap();
    let canceller = holder.canceller();
    let mut held = Box::pin(async move { holder.run(batch(ENDLESS)).await });
    assert!(futures::poll!(&mut held).is_pending());
    let held = tokio::spawn(held);
    let mut clients = Vec::new();
    for batch in batches {
        let mut session = node.session().await;
        // A first poll sends the job; the channel keeps the order.
        let mut run = Box::pin(async move { session.run(batch).await });
        assert!(futures::poll!(&mut run).is_pending());
        clients.push(tokio::spawn(run));
    }
    until("the writer", || {
        canceller.cancel();
        held.is_finished()
    })
    .await;
    let mut replies = Vec::new();
    for client in clients {
        replies.push(client.await.unwrap());
    }
    replies
}

fn sql(statements: &[&str]) -> Vec<Batch> {
    statements.iter().map(|sql| batch(sql)).collect()
}

fn code(result: &Result<Reply>) -> i32 {
    match result {
        Err(Error::Sql { code, .. }) => *code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_wait_together_are_one_entry_with_places_of_their_own() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let before = a.node.status().position.seq;
    let replies = together(&a, sql(&["INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"])).await;
    let places: Vec<_> = replies
        .iter()
        .map(|reply| reply.as_ref().unwrap().position)
        .map(|at| (at.seq, at.n))
        .collect();
    assert_eq!(places, [(before.next(), 1), (before.next(), 2)]);
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_runs_out_of_time_hurts_nobody() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut batches = sql(&["INSERT INTO t VALUES(1)", "", "INSERT INTO t VALUES(3)"]);
    let time = Some(Duration::from_millis(50));
    batches[1] = Batch {
        statements: vec![Statement::new(format!("INSERT INTO t {ENDLESS}"))],
        limits: Limits { time, ..Limits::default() },
        ..Batch::default()
    };
    let replies = together(&a, batches).await;
    assert!(replies[0].is_ok() && replies[2].is_ok(), "{replies:?}");
    assert!(matches!(replies[1], Err(Error::Timeout(_))), "{replies:?}");
    equal(&a, &b).await;
    assert_eq!(
        b.rows("SELECT v FROM t ORDER BY v").await,
        [[Value::Integer(1)], [Value::Integer(3)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_rolls_everything_back_hurts_nobody() {
    let (a, b) = two("CREATE TABLE t(v UNIQUE)").await;
    let replies = together(
        &a,
        sql(&[
            "INSERT INTO t VALUES(1)",
            "INSERT OR ROLLBACK INTO t VALUES(1)",
            "INSERT INTO t VALUES(3)",
        ]),
    )
    .await;
    assert!(replies[0].is_ok() && replies[2].is_ok(), "{replies:?}");
    assert_eq!(code(&replies[1]), 2067);
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_foreign_key_is_its_own_clients_error() {
    let schema = "CREATE TABLE p(id INTEGER PRIMARY KEY); \
                  CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    let (a, b) = two(schema).await;
    let replies = together(
        &a,
        sql(&[
            "INSERT INTO p VALUES(1)",
            "INSERT INTO c VALUES(99)",
            "INSERT INTO c VALUES(2); INSERT INTO p VALUES(2)",
        ]),
    )
    .await;
    assert!(replies[0].is_ok() && replies[2].is_ok(), "{replies:?}");
    assert_eq!(code(&replies[1]), 787);
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT p FROM c").await, [[Value::Integer(2)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_leaves_nothing_and_its_neighbours_stay() {
    let (a, b) = two("CREATE TABLE t(v UNIQUE); INSERT INTO t VALUES(5)").await;
    let replies = together(
        &a,
        sql(&[
            "INSERT INTO t VALUES(1)",
            "INSERT INTO t VALUES(2),(5)",
            "INSERT OR FAIL INTO t VALUES(3),(5)",
            "CREATE TABLE u(v); INSERT INTO t VALUES(5)",
            "INSERT INTO t VALUES(4)",
        ]),
    )
    .await;
    assert_eq!(
        replies.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, false, false, true]
    );
    equal(&a, &b).await;
    assert_eq!(
        b.value("SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY v)").await,
        Value::from("1,4,5")
    );
    assert!(b.rows("SELECT 1 FROM sqlite_schema WHERE name = 'u'").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_seen_on_a_state_that_is_not_acknowledged_is_not_told() {
    let log = MemoryLog::new();
    let a = start_with(&log, TempDir::new().unwrap(), |dir| {
        let mut options = options("a", dir);
        options.replication_timeout = Duration::from_millis(200);
        options
    })
    .await
    .unwrap();
    a.run("CREATE TABLE t(v UNIQUE)").await;
    (0..20).for_each(|_| log.inject(Fault::SendLost));
    let replies = together(&a, sql(&["INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(1)"])).await;
    // The row that the second one met is in doubt, and so is its error; that nothing of it is
    // stored is not.
    assert!(matches!(replies[0], Err(Error::OutcomeUnknown(_))), "{replies:?}");
    assert!(matches!(replies[1], Err(Error::NotSent(_))), "{replies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_ships_nothing_succeeds() {
    let (a, b) = two("CREATE TABLE t(v); INSERT INTO t VALUES(1)").await;
    let before = a.changing_entries().await;
    for sql in [
        "UPDATE t SET v = 2 WHERE v = 9",
        "CREATE TABLE IF NOT EXISTS t(v)",
        "DELETE FROM t WHERE 0",
    ] {
        a.run(sql).await;
        assert_eq!(a.changing_entries().await, before, "{sql}");
    }
    let replies =
        together(&a, sql(&["UPDATE t SET v = 2 WHERE v = 9", "INSERT INTO t VALUES(2)"])).await;
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_do_not_leak_between_clients() {
    let (a, _b) = two("CREATE TABLE t(id INTEGER PRIMARY KEY, v)").await;
    let mut batches = sql(&["INSERT INTO t VALUES(41,0),(42,0)", ""]);
    batches[1] = Batch {
        statements: vec![
            Statement::new("SELECT changes(), last_insert_rowid()"),
            Statement::new("UPDATE t SET v = v WHERE 0"),
        ],
        ..Batch::default()
    };
    let replies = together(&a, batches).await;
    assert_eq!(replies[0].as_ref().unwrap().results[0].last_insert_rowid, 42);
    let second = replies[1].as_ref().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(second.results[0].rows, [[Value::Integer(0), Value::Integer(0)]]);
    assert_eq!(second.results[1].last_insert_rowid, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_are_equal_however_they_are_moved() {
    let schema = "CREATE TABLE s(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); \
                  CREATE TABLE x(id INTEGER PRIMARY KEY AUTOINCREMENT)";
    let (a, b) = two(schema).await;
    let sequences = "SELECT name, seq FROM sqlite_sequence ORDER BY name";
    for sql in [
        "INSERT INTO s(u) VALUES(1)",
        "INSERT OR IGNORE INTO s(u) VALUES(1)",
        "INSERT INTO s(u) VALUES(1) ON CONFLICT(u) DO UPDATE SET u = u",
        "REPLACE INTO s(u) VALUES(1)",
        "INSERT INTO s(id, u) VALUES(50, 50); DELETE FROM s WHERE id = 50",
        "UPDATE s SET id = 90 WHERE u = 1",
        "UPDATE sqlite_sequence SET seq = 70 WHERE name = 's'",
        "INSERT INTO s(u) VALUES(2),(3); UPDATE sqlite_sequence SET seq = 70 WHERE name = 's'",
        "INSERT INTO x VALUES(7); DELETE FROM sqlite_sequence WHERE name = 'x'",
        "INSERT INTO x DEFAULT VALUES; DELETE FROM sqlite_sequence",
        "INSERT INTO s(u) VALUES(4); ALTER TABLE x RENAME TO y; INSERT INTO y DEFAULT VALUES",
        "DROP TABLE y; CREATE TABLE y(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO y VALUES(3)",
        "SAVEPOINT p; INSERT INTO s(u) VALUES(5); ROLLBACK TO p; INSERT INTO s(u) VALUES(6)",
        "DELETE FROM s; DELETE FROM sqlite_sequence",
    ] {
        a.run(sql).await;
        b.reach(&a).await;
        assert_eq!(a.rows(sequences).await, b.rows(sequences).await, "{sql}");
    }
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_objects_are_refused() {
    let (a, _b) = two("CREATE TABLE t(v)").await;
    for sql in
        ["CREATE TEMP TABLE t(v)", "CREATE TEMP VIEW v AS SELECT 1", "CREATE TABLE temp.t(v)"]
    {
        assert!(matches!(a.try_run(sql).await, Err(Error::NotAllowed(_))), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_that_is_too_large_fails_alone() {
    let log = MemoryLog::with(MemoryOptions {
        max_part_bytes: 4_000,
        max_parts: 1,
        ..MemoryOptions::default()
    });
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    let blob = "INSERT INTO t VALUES(randomblob(3000))";
    let many = "INSERT INTO t VALUES(randomblob(700))";
    let replies = together(&a, sql(&[many, blob, many, many, many, many, many])).await;
    let failed: Vec<_> =
        replies.iter().map(|reply| matches!(reply, Err(Error::TooLarge { .. }))).collect();
    assert_eq!(failed, [false, true, false, false, false, false, false], "{replies:?}");
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(6));
}
