//! What sessions and transactions may do, and for how long.

use std::time::Duration;

use ha_core::{
    Batch, Engine, Error, Limits, SessionOptions, Statement, TransactionOptions, TransactionState,
    Value,
};
use ha_memory::MemoryLog;
use tempfile::TempDir;

use crate::support::{begin, open, options, run, start_with};
use crate::{ok, two};

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
