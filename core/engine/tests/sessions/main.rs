//! Interactive transactions.

mod limits;
mod reads;
mod rollback;
mod stopped;
#[path = "../support/mod.rs"]
mod support;

use ha_core::{Engine, Error, Reply, TransactionOptions, TransactionState, Value};
use ha_memory::MemoryLog;
use support::{Client, Running, begin, equal, open, run, start};

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
