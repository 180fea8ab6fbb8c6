//! What a transaction has read, and what becomes of it if that changes.

use ha_core::{Error, TransactionState, Value};
use ha_memory::MemoryLog;
use tempfile::TempDir;

use crate::support::{equal, open, options, run, start_with};
use crate::{ok, two, value};

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
