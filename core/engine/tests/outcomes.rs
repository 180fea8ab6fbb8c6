//! What clients are told when the log does not answer, and that it is true.

mod support;

use std::time::Duration;

use ha_changes::{Base, Change, Entry, Kind, Meta, TransactionMark};
use ha_core::{AttemptId, AttemptName, Engine, Error, Outcome, RunningHash, Value};
use ha_memory::{Fault, MemoryLog};
use support::{Running, equal, options, raw, settled, start, start_with, unknown, until};
use tempfile::TempDir;

async fn impatient(name: &str, log: &MemoryLog, timeout: Duration) -> Running {
    start_with(log, TempDir::new().unwrap(), |dir| {
        let mut options = options(name, dir);
        options.replication_timeout = timeout;
        options
    })
    .await
    .unwrap()
}

/// Two nodes with a table; the first one gives up soon.
async fn two() -> (MemoryLog, Running, Running) {
    let log = MemoryLog::new();
    let a = impatient("a", &log, Duration::from_millis(300)).await;
    let b = start("b", &log).await;
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    (log, a, b)
}

/// More faults than a node gets to see before it gives up.
fn faults(log: &MemoryLog, fault: Fault) {
    (0..20).for_each(|_| log.inject(fault));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_or_send_is_settled_within_the_timeout() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    for fault in [Fault::AckLost, Fault::SendLost] {
        log.inject(fault);
        a.run("INSERT INTO t VALUES(1)").await;
    }
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(2));
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_settles_when_it_is_back() {
    let (log, a, b) = two().await;
    faults(&log, Fault::Delayed);
    let name = unknown(a.try_run("INSERT INTO t VALUES(1)").await);
    log.disconnect(&a.transport);
    log.release();
    assert!(matches!(settled(&b, &name).await, Outcome::Committed(_)));
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(0), "reads go on");
    log.reconnect(&a.transport);
    assert!(matches!(settled(&a, &name).await, Outcome::Committed(_)));
    a.eventually("INSERT INTO t VALUES(2)").await;
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_arrived_is_not_committed_anywhere() {
    let (log, a, b) = two().await;
    // Each send is lost until the client has been answered; then one that comes too late.
    faults(&log, Fault::SendLost);
    let name = unknown(a.try_run("INSERT INTO t VALUES(1)").await);
    assert_eq!(a.node.outcome(&name).await.unwrap(), Outcome::Unknown);
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(0), "reads go on");
    // Another node uses the faults up and takes the place.
    b.eventually("INSERT INTO t VALUES(2)").await;
    for node in [&a, &b] {
        assert_eq!(settled(node, &name).await, Outcome::NotCommitted);
    }
    a.eventually("INSERT INTO t VALUES(3)").await;
    equal(&a, &b).await;
    assert_eq!(
        a.rows("SELECT v FROM t ORDER BY v").await,
        [[Value::Integer(2)], [Value::Integer(3)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_arrives_after_its_client_was_answered_is_told_as_committed() {
    let (log, a, b) = two().await;
    faults(&log, Fault::Delayed);
    let name = unknown(a.try_run("INSERT INTO t VALUES(1)").await);
    log.release();
    for node in [&a, &b] {
        let Outcome::Committed(token) = settled(node, &name).await else { panic!("{name}") };
        until("the entry", || node.node.status().position.seq >= token.seq).await;
        assert_eq!(node.value("SELECT count(*) FROM t").await, Value::Integer(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_the_log_is_out_of_reach() {
    let (log, a, b) = two().await;
    log.disconnect(&a.transport);
    match a.try_run("INSERT INTO t VALUES(1)").await {
        Err(Error::NotSent(_)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(0), "reads go on");
    b.run("INSERT INTO t VALUES(2)").await;
    log.reconnect(&a.transport);
    a.reach(&b).await;
    a.eventually("INSERT INTO t VALUES(3)").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_to_execute_does_not_eat_the_time_to_replicate() {
    let log = MemoryLog::new();
    let a = impatient("a", &log, Duration::from_millis(100)).await;
    a.run("CREATE TABLE t(v)").await;
    let slow = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000000) SELECT max(i) FROM n";
    let results = futures::future::join_all((0..4).map(|_| a.try_run(slow))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_never_make_nodes_differ() {
    let (log, a, b) = two().await;
    a.run("CREATE TABLE done(id INTEGER PRIMARY KEY)").await;
    b.reach(&a).await;
    let mut acknowledged = Vec::new();
    for id in 0..120_i64 {
        if id % 3 == 0 {
            log.inject([Fault::AckLost, Fault::SendLost, Fault::Delayed][rand::random_range(0..3)]);
        }
        if id % 7 == 0 {
            log.release();
        }
        let node = if id % 2 == 0 { &a } else { &b };
        match node.try_run(&format!("INSERT INTO done VALUES({id})")).await {
            Ok(_) => acknowledged.push(id),
            Err(Error::OutcomeUnknown(_) | Error::NotSent(_) | Error::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
    log.release();
    a.eventually("INSERT INTO t VALUES('end')").await;
    b.eventually("INSERT INTO t VALUES('end')").await;
    equal(&a, &b).await;
    for id in acknowledged {
        let count = b.value(&format!("SELECT count(*) FROM done WHERE id = {id}")).await;
        assert_eq!(count, Value::Integer(1), "{id} was acknowledged");
    }
}

/// An entry of the right name may stand there and be void: it was made on another history.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_entry_is_void_is_not_committed() {
    let (log, a, b) = two().await;
    let here = a.node.status().position;
    let attempt = AttemptId { boot: 7, counter: 7 };
    let base = Base { lineage: here.lineage, seq: here.seq, hash: RunningHash([9; 32]) };
    let mark = TransactionMark { changes: 1, id: None };
    let entry = Entry {
        node: "elsewhere".to_owned(),
        process_id: 1,
        timestamp_ns: 0,
        meta: Some(Meta::new(attempt, base, Kind::Transactions(vec![mark]))),
        changes: vec![Change::Sql("CREATE TABLE never(v)".into())],
    };
    let payload = ha_changes::encode(&entry).unwrap();
    raw(&log, std::str::from_utf8(&payload).unwrap()).await;
    a.run("INSERT INTO t VALUES(1)").await;
    b.reach(&a).await;
    let name = AttemptName { lineage: here.lineage, base: here.seq, attempt }.into();
    for node in [&a, &b] {
        assert_eq!(node.node.outcome(&name).await.unwrap(), Outcome::NotCommitted);
    }
    equal(&a, &b).await;
}
