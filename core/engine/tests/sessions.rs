//! Interactive transactions.

mod support;

use std::time::Duration;

use ha_core::{
    Batch, Engine, Error, Limits, Reply, Result, SessionOptions, Statement, TransactionOptions,
    TransactionState, Value,
};
use ha_memory::MemoryLog;
use support::{Client, Running, batch, begin, equal, open, options, run, start, start_with, until};
use tempfile::TempDir;

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

async fn two(schema: &str) -> (Running, Running) {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run(schema).await;
    b.reach(&a).await;
    (a, b)
}

async fn ok(session: &mut Client, sql: &str) -> Reply {
    run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn value(session: &mut Client, sql: &str) -> Value {
    ok(session, sql).await.results.pop().unwrap().rows.swap_remove(0).swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_sees_its_own_writes_and_others_see_them_after_the_commit() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO t VALUES(1)").await;
    assert_eq!(value(&mut session, "SELECT count(*) FROM t").await, Value::Integer(1));
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(0));
    let token = session.commit().await.unwrap();
    assert_eq!(token.seq, a.node.status().position.seq);
    assert_eq!(session.transaction(), TransactionState::None);
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_and_a_dropped_session_leave_nothing() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let before = a.changing_entries().await;
    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO t VALUES(1); CREATE TABLE u(v)").await;
    session.rollback().await.unwrap();
    session.rollback().await.unwrap();
    let mut dropped = open(&a).await;
    ok(&mut dropped, "INSERT INTO t VALUES(2)").await;
    drop(dropped);
    a.run("UPDATE t SET v = 0").await;
    assert_eq!(a.changing_entries().await, before);
    a.run("INSERT INTO t VALUES(3)").await;
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT * FROM t").await, [[Value::Integer(3)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_out_of_order_are_errors() {
    let (a, _b) = two("CREATE TABLE t(v)").await;
    let mut session = a.session().await;
    assert!(matches!(session.commit().await, Err(Error::NoTransaction(_))));
    begin(&mut session).await;
    let again = session.begin(TransactionOptions::default()).await;
    assert!(matches!(again, Err(Error::NoTransaction(_))));
    for sql in ["BEGIN", "COMMIT", "ROLLBACK", "END"] {
        assert!(matches!(run(&mut session, sql).await, Err(Error::Invalid(_))), "{sql}");
        assert!(matches!(a.try_run(sql).await, Err(Error::Invalid(_))), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_in_a_transaction_see_one_state() {
    let (a, _b) = two("CREATE TABLE t(v)").await;
    let mut session = open(&a).await;
    assert_eq!(value(&mut session, "SELECT count(*) FROM t").await, Value::Integer(0));
    a.run("INSERT INTO t VALUES(1)").await;
    assert_eq!(value(&mut session, "SELECT count(*) FROM t").await, Value::Integer(0));
    session.describe("SELECT v FROM t").await.unwrap();
    assert_eq!(value(&mut session, "SELECT count(*) FROM t").await, Value::Integer(0));
    session.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_before_the_first_write_are_checked_on_the_newest_state() {
    let (a, b) = two("CREATE TABLE t(v); CREATE TABLE other(v)").await;
    let mut same = open(&a).await;
    assert_eq!(value(&mut same, "SELECT count(*) FROM t").await, Value::Integer(0));
    b.run("INSERT INTO other VALUES(1)").await;
    a.reach(&b).await;
    ok(&mut same, "INSERT INTO t VALUES(1)").await;
    same.commit().await.unwrap();

    let mut different = open(&a).await;
    assert_eq!(value(&mut different, "SELECT count(*) FROM t").await, Value::Integer(1));
    b.reach(&a).await;
    b.run("INSERT INTO t VALUES(2)").await;
    a.reach(&b).await;
    assert_eq!(run(&mut different, "INSERT INTO t VALUES(3)").await, Err(Error::Conflict));
    assert_eq!(different.transaction(), TransactionState::Lost);
    assert_eq!(run(&mut different, "SELECT 1").await, Err(Error::Conflict));
    assert_eq!(different.commit().await, Err(Error::Conflict));
    assert_eq!(different.transaction(), TransactionState::None);
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_comes_second_is_executed_again_if_its_client_sees_no_difference() {
    let (a, b) =
        two("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 10)").await;
    let mut session = open(&a).await;
    ok(&mut session, "UPDATE t SET v = v + 1 WHERE id = 1").await;
    b.run("UPDATE t SET v = v + 100 WHERE id = 1").await;
    session.commit().await.unwrap();
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT v FROM t").await, Value::Integer(111), "both took place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_comes_second_is_a_conflict_if_its_client_saw_something_else() {
    let (a, b) =
        two("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 10)").await;
    let mut session = open(&a).await;
    ok(&mut session, "UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v").await;
    b.run("UPDATE t SET v = v + 100 WHERE id = 1").await;
    assert_eq!(session.commit().await, Err(Error::Conflict));
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT v FROM t").await, Value::Integer(110));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_taken_back_to_a_savepoint_are_taken_back_everywhere() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut session = open(&a).await;
    for sql in [
        "INSERT INTO t VALUES('kept')",
        "SAVEPOINT \"One\"",
        "INSERT INTO t VALUES('gone')",
        "SAVEPOINT two; INSERT INTO t VALUES('gone too'); RELEASE two",
        "CREATE TABLE gone(v)",
        "ROLLBACK TO one",
        "INSERT INTO t VALUES('after')",
        "RELEASE ONE",
        "INSERT INTO t VALUES('x'); SAVEPOINT three; INSERT INTO t VALUES('y')",
        "ROLLBACK TO three; INSERT INTO t VALUES('z')",
    ] {
        ok(&mut session, sql).await;
    }
    session.commit().await.unwrap();
    equal(&a, &b).await;
    let all = "SELECT group_concat(v, ' ') FROM t";
    assert_eq!(b.value(all).await, Value::from("kept after x z"));
    assert!(b.rows("SELECT 1 FROM sqlite_schema WHERE name = 'gone'").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_statement_did_is_shipped_nowhere_and_the_transaction_goes_on() {
    let (a, b) = two("CREATE TABLE t(v UNIQUE); INSERT INTO t VALUES(5)").await;
    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO t VALUES(1)").await;
    for sql in [
        "INSERT INTO t VALUES(2),(5)",
        "INSERT OR FAIL INTO t VALUES(3),(5)",
        "SAVEPOINT s; INSERT INTO t VALUES(4),(5)",
        "SAVEPOINT s; INSERT OR FAIL INTO t VALUES(6),(5)",
        "CREATE TABLE u AS SELECT 1; INSERT INTO t VALUES(5)",
        "RELEASE nowhere",
        "nonsense",
    ] {
        assert!(matches!(run(&mut session, sql).await, Err(Error::Sql { .. })), "{sql}");
        assert_eq!(session.transaction(), TransactionState::Open, "{sql}");
    }
    ok(&mut session, "INSERT INTO t VALUES(7)").await;
    session.commit().await.unwrap();
    equal(&a, &b).await;
    let all = "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY v)";
    assert_eq!(b.value(all).await, Value::from("1,5,7"));
    assert_eq!(
        b.value("SELECT count(*) FROM u").await,
        Value::Integer(1),
        "it came before the error"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_foreign_key_fails_the_commit() {
    let schema = "CREATE TABLE p(id INTEGER PRIMARY KEY); \
                  CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    let (a, b) = two(schema).await;
    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO c VALUES(1)").await;
    assert!(matches!(session.commit().await, Err(Error::Sql { code: 787, .. })));
    a.run("INSERT INTO p VALUES(1)").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM c").await, Value::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_idle_for_too_long_is_gone() {
    let log = MemoryLog::new();
    let a = start_with(&log, TempDir::new().unwrap(), |dir| {
        let mut options = options("a", dir);
        options.idle_timeout = Duration::from_millis(50);
        options
    })
    .await
    .unwrap();
    a.run("CREATE TABLE t(v)").await;
    let mut idle = open(&a).await;
    ok(&mut idle, "INSERT INTO t VALUES('idle')").await;
    a.run("INSERT INTO t VALUES('other')").await;
    // To be idle for so long is what is tried here.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(matches!(run(&mut idle, "SELECT 1").await, Err(Error::IdleTransaction(_))));
    assert_eq!(idle.transaction(), TransactionState::Lost);
    assert!(matches!(idle.commit().await, Err(Error::IdleTransaction(_))));
    ok(&mut idle, "INSERT INTO t VALUES('again')").await;
    assert_eq!(a.value("SELECT group_concat(v) FROM t").await, Value::from("other,again"));
}

/// Runs a statement that does not end, and calls `stop` once it runs.
async fn cancelled(mut session: Client, sql: &str) -> (Client, Result<Reply>) {
    let canceller = session.canceller();
    let sql = sql.to_owned();
    let work = tokio::spawn(async move {
        let reply = run(&mut session, &sql).await;
        (session, reply)
    });
    until("the statement to be cancelled", || {
        canceller.cancel();
        work.is_finished()
    })
    .await;
    work.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_statement_ends_as_interrupted() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let (mut session, reply) = cancelled(a.session().await, ENDLESS).await;
    assert_eq!(reply, Err(Error::Interrupted), "a read");
    ok(&mut session, "INSERT INTO t VALUES(1)").await;
    let (session, reply) = cancelled(session, &format!("INSERT INTO t {ENDLESS}")).await;
    assert_eq!(reply, Err(Error::Interrupted), "a write");
    drop(session);

    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO t VALUES(2)").await;
    let (mut session, reply) = cancelled(session, ENDLESS).await;
    assert_eq!(reply, Err(Error::Interrupted), "a read in a transaction");
    assert_eq!(session.transaction(), TransactionState::Open);
    ok(&mut session, "INSERT INTO t VALUES(3)").await;
    let (mut session, reply) = cancelled(session, &format!("INSERT INTO t {ENDLESS}")).await;
    assert_eq!(reply, Err(Error::Interrupted), "a write in a transaction");
    assert_eq!(session.transaction(), TransactionState::Lost);
    assert_eq!(session.commit().await, Err(Error::Interrupted));
    ok(&mut session, "INSERT INTO t VALUES(4)").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT group_concat(v) FROM t").await, Value::from("1,4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_stopped_is_never_repeated() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let (mut reading, reply) = cancelled(open(&a).await, ENDLESS).await;
    assert_eq!(reply, Err(Error::Interrupted));
    assert_eq!(run(&mut reading, "INSERT INTO t VALUES(1)").await, Err(Error::Conflict));

    let mut writing = open(&a).await;
    ok(&mut writing, "INSERT INTO t VALUES(2)").await;
    let (mut writing, _) = cancelled(writing, ENDLESS).await;
    b.run("INSERT INTO t VALUES(3)").await;
    assert_eq!(writing.commit().await, Err(Error::Conflict));
    equal(&a, &b).await;
    assert_eq!(a.rows("SELECT v FROM t").await, [[Value::Integer(3)]]);
}

/// Polls a call once, and drops it then.
async fn abandoned(session: &mut Client, sql: &str) {
    let mut call = Box::pin(session.run(batch(sql)));
    assert!(futures::poll!(&mut call).is_pending());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_call_interrupts_it_and_takes_its_transaction_back() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut alone = a.session().await;
    abandoned(&mut alone, &format!("INSERT INTO t {ENDLESS}")).await;
    ok(&mut alone, "INSERT INTO t VALUES('alone')").await;

    let mut writing = open(&a).await;
    ok(&mut writing, "INSERT INTO t VALUES('gone')").await;
    abandoned(&mut writing, &format!("INSERT INTO t {ENDLESS}")).await;
    assert_eq!(writing.transaction(), TransactionState::Lost);
    a.run("INSERT INTO t VALUES('other')").await;
    assert_eq!(writing.commit().await, Err(Error::Interrupted));

    let mut reading = open(&a).await;
    ok(&mut reading, "SELECT * FROM t").await;
    abandoned(&mut reading, ENDLESS).await;
    assert_eq!(run(&mut reading, "SELECT * FROM t").await, Err(Error::Interrupted));
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT group_concat(v) FROM t").await, Value::from("alone,other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_sessions_and_transactions_read_only() {
    let (a, _b) = two("CREATE TABLE t(v)").await;
    let mut session = a.node.session(SessionOptions { read_only: true }).await.unwrap();
    let writes = [
        "INSERT INTO t VALUES(1)",
        "CREATE TABLE u(v)",
        "PRAGMA user_version = 1",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SELECT 1; DELETE FROM t",
    ];
    for sql in writes {
        assert!(matches!(run(&mut session, sql).await, Err(Error::ReadOnly(_))), "{sql}");
    }
    ok(&mut session, "SELECT * FROM t").await;
    begin(&mut session).await;
    assert!(matches!(run(&mut session, writes[0]).await, Err(Error::ReadOnly(_))));
    let mut session = a.session().await;
    let read_only = TransactionOptions { read_only: true, ..TransactionOptions::default() };
    session.begin(read_only).await.unwrap();
    ok(&mut session, "SELECT * FROM t").await;
    for sql in writes {
        assert!(matches!(run(&mut session, sql).await, Err(Error::ReadOnly(_))), "{sql}");
    }
    session.commit().await.unwrap();
    ok(&mut session, "INSERT INTO t VALUES(1)").await;
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactions_limits_hold_for_its_calls() {
    let (a, _b) = two("CREATE TABLE t(v)").await;
    let mut session = a.session().await;
    let limits = Limits { rows: Some(2), ..Limits::default() };
    session.begin(TransactionOptions { limits, ..TransactionOptions::default() }).await.unwrap();
    let three = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";
    assert!(matches!(run(&mut session, three).await, Err(Error::TooLarge { limit: 2, .. })));
    let own = Batch {
        statements: vec![Statement::new(three)],
        limits: Limits { rows: Some(9), ..Limits::default() },
        ..Batch::default()
    };
    assert_eq!(session.run(own).await.unwrap().results[0].rows.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_read_and_think_keep_nobody_from_reading() {
    let log = MemoryLog::new();
    let a = start_with(&log, TempDir::new().unwrap(), |dir| ha_engine::NodeOptions {
        readers: 2,
        ..options("a", dir)
    })
    .await
    .unwrap();
    a.run("CREATE TABLE t(v)").await;
    let mut thinking = Vec::new();
    for _ in 0..5 {
        let mut session = open(&a).await;
        ok(&mut session, "SELECT count(*) FROM t").await;
        thinking.push(session);
    }
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(0));
}
