//! What reads of each level see, and that they do not starve anybody.

mod support;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use ha_core::{
    Batch, Engine, Error, Lineage, ReadLevel, Readiness, Reply, Result, Token, TransactionOptions,
    Value,
};
use ha_engine::NodeOptions;
use ha_memory::{Fault, MemoryLog, MemoryOptions};
use support::{PATIENCE, Running, batch, equal, options, start, start_with, until};
use tempfile::TempDir;

fn at(level: ReadLevel, sql: &str) -> Batch {
    Batch { reads: level, ..batch(sql) }
}

async fn read(node: &Running, level: ReadLevel, sql: &str) -> Result<Reply> {
    node.session().await.run(at(level, sql)).await
}

fn integer(reply: &Reply) -> i64 {
    match reply.results[0].rows[0][0] {
        Value::Integer(integer) => integer,
        ref other => panic!("{other:?}"),
    }
}

async fn nodes<const N: usize>(schema: &str) -> (MemoryLog, [Running; N]) {
    let log = MemoryLog::new();
    let mut nodes = Vec::new();
    for index in 0..N {
        nodes.push(start(&format!("node{index}"), &log).await);
    }
    nodes[0].run(schema).await;
    for node in &nodes[1..] {
        node.reach(&nodes[0]).await;
    }
    (log, nodes.try_into().unwrap_or_else(|_| panic!("there are {N} nodes")))
}

/// A node that gives up soon.
async fn impatient(log: &MemoryLog) -> Running {
    start_with(log, TempDir::new().unwrap(), |dir| {
        let mut options = options("impatient", dir);
        options.replication_timeout = Duration::from_millis(200);
        options
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_read_sees_the_write_whose_position_it_has() {
    let (_, [a, b]) = nodes("CREATE TABLE t(v)").await;
    for count in 1..=100 {
        let token = a.run("INSERT INTO t VALUES(1)").await.position;
        let reply = read(&b, ReadLevel::session(token), "SELECT count(*) FROM t").await.unwrap();
        assert_eq!(integer(&reply), count);
        assert!(reply.position.seq >= token.seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_is_not_reached_in_time_and_one_of_another_log_are_errors() {
    let log = MemoryLog::new();
    let a = impatient(&log).await;
    a.run("CREATE TABLE t(v)").await;
    let here = a.run("INSERT INTO t VALUES(1)").await.position;
    let later = Token { seq: here.seq.next(), ..here };
    let answer = read(&a, ReadLevel::session(later), "SELECT 1").await;
    assert!(matches!(answer, Err(Error::NotReady(_))), "{answer:?}");
    let elsewhere = Token { lineage: Lineage([9; 8]), ..here };
    for level in
        [ReadLevel::session(elsewhere), ReadLevel { strong: true, ..ReadLevel::session(elsewhere) }]
    {
        for sql in ["SELECT 1", "INSERT INTO t VALUES(2)"] {
            let answer = read(&a, level, sql).await;
            let expected = Error::OtherLog { token: elsewhere, lineage: here.lineage, kept: None };
            assert_eq!(answer.unwrap_err(), expected);
        }
    }
}

/// Of nodes that go on from where they are, and of those that restore its database.
#[tokio::test(flavor = "multi_thread")]
async fn positions_of_the_log_that_a_new_one_goes_on_from_are_served_as_far_as_it_has_them() {
    let (log, [a, b]) = nodes("CREATE TABLE t(v)").await;
    let first = a.run("INSERT INTO t VALUES(1)").await.position;
    let last = a.run("INSERT INTO t VALUES(2)").await.position;
    b.reach(&a).await;
    let a = a.stop().await;
    let beyond = b.run("INSERT INTO t VALUES(3)").await.position;
    log.disconnect(&b.transport);
    log.recreate();
    let renewed = |dir: &TempDir| NodeOptions { new_lineage: true, ..options("a", dir) };
    let a = start_with(&log, a, renewed).await.unwrap();
    let lineage = a.node.status().position.lineage;
    log.reconnect(&b.transport);
    let new = start("new", &log).await;
    for node in [&a, &b, &new] {
        until("the new log is followed", || {
            let status = node.node.status();
            status.position.lineage == lineage && status.readiness == Readiness::Ready
        })
        .await;
        for token in [first, last] {
            let reply = read(node, ReadLevel::session(token), "SELECT count(*) FROM t").await;
            let reply = reply.unwrap();
            assert_eq!((integer(&reply), reply.position.lineage), (2, lineage));
        }
        let refused = read(node, ReadLevel::session(beyond), "SELECT 1").await.unwrap_err();
        let kept = Some(last.seq);
        assert_eq!(refused, Error::OtherLog { token: beyond, lineage, kept });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strong_read_sees_what_any_node_has_acknowledged() {
    let (_, [a, b]) = nodes("CREATE TABLE t(v)").await;
    for count in 1..=100 {
        a.run("INSERT INTO t VALUES(1)").await;
        let reply = read(&b, ReadLevel::STRONG, "SELECT count(*) FROM t").await.unwrap();
        assert_eq!(integer(&reply), count);
    }
    equal(&a, &b).await;
}

/// Whoever writes sees everything that any node has acknowledged, even if it changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_changes_nothing_or_fails_is_confirmed_too() {
    let (_, [a, b]) = nodes("CREATE TABLE t(v); CREATE TABLE u(k UNIQUE)").await;
    for count in 1..=100 {
        a.run("INSERT INTO t VALUES(1)").await;
        let sql =
            format!("UPDATE t SET v = 1 WHERE (SELECT count(*) FROM t) < {count} RETURNING 1");
        let reply = b.run(&sql).await;
        assert!(reply.results[0].rows.is_empty(), "it saw less than {count} rows");
        a.run("INSERT INTO u VALUES('taken')").await;
        b.try_run("INSERT INTO u VALUES('taken')").await.expect_err("it is there");
        a.run("DELETE FROM u").await;
        b.run("INSERT INTO u VALUES('taken')").await;
        a.run("DELETE FROM u").await;
        a.run(&format!("CREATE TABLE new{count}(v)")).await;
        b.run(&format!("INSERT INTO new{count} VALUES(1)")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_begins_at_its_level() {
    let (_, [a, b]) = nodes("CREATE TABLE t(v)").await;
    for count in 1..=50 {
        let token = a.run("INSERT INTO t VALUES(1)").await.position;
        for reads in [ReadLevel::STRONG, ReadLevel::session(token)] {
            let mut session = b.session().await;
            session.begin(TransactionOptions { reads, ..Default::default() }).await.unwrap();
            let reply = session.run(batch("SELECT count(*) FROM t")).await.unwrap();
            assert_eq!(integer(&reply), count);
            session.rollback().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strong_read_fails_while_the_log_does_not_answer_and_a_local_one_does_not() {
    let log = MemoryLog::new();
    let a = impatient(&log).await;
    a.run("CREATE TABLE t(v)").await;
    log.disconnect(&a.transport);
    let answer = read(&a, ReadLevel::STRONG, "SELECT count(*) FROM t").await;
    assert!(matches!(answer, Err(Error::NotReady(_))), "{answer:?}");
    read(&a, ReadLevel::LOCAL, "SELECT count(*) FROM t").await.unwrap();
    log.reconnect(&a.transport);
    let again = async { while read(&a, ReadLevel::STRONG, "SELECT 1").await.is_err() {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_whose_answer_or_sending_is_lost_is_replaced() {
    let (log, [a, b]) = nodes("CREATE TABLE t(v)").await;
    for (count, fault) in (1..).zip([Fault::AckLost, Fault::SendLost, Fault::Delayed]) {
        b.run("INSERT INTO t VALUES(1)").await;
        log.inject(fault);
        let reply = read(&a, ReadLevel::STRONG, "SELECT count(*) FROM t").await.unwrap();
        assert_eq!(integer(&reply), count);
        log.release();
    }
    equal(&a, &b).await;
}

/// Barriers cost the log entries, and nobody else: those who wait together share one.
#[tokio::test(flavor = "multi_thread")]
async fn reads_that_wait_together_share_barriers() {
    let (log, [a]) = nodes("CREATE TABLE t(v)").await;
    let before = a.node_seq();
    let reads = (0..200).map(|_| read(&a, ReadLevel::STRONG, "SELECT 1"));
    for reply in futures::future::join_all(reads).await {
        reply.unwrap();
    }
    let barriers = a.node_seq() - before;
    assert!((1..100).contains(&barriers), "{barriers} barriers");
    drop(log);
}

/// What each node's writer and reader have done so far.
#[derive(Default)]
struct Progress {
    writes: AtomicI64,
    reads: AtomicI64,
}

const ENOUGH: i64 = 60;

/// All nodes read strongly and write, back to back, until each has done enough.
#[tokio::test(flavor = "multi_thread")]
async fn strong_reads_and_writes_on_three_nodes_starve_nobody_and_are_linearizable() {
    let (_, nodes) = nodes::<3>("CREATE TABLE n(v); INSERT INTO n VALUES(0)").await;
    let progress: [Progress; 3] = Default::default();
    let (acknowledged, done) = (AtomicI64::new(0), AtomicBool::new(false));
    let writers = nodes.iter().zip(&progress).map(async |(node, progress)| {
        while !done.load(Ordering::SeqCst) {
            match node.try_run("UPDATE n SET v = v + 1 RETURNING v").await {
                Ok(reply) => {
                    acknowledged.fetch_max(integer(&reply), Ordering::SeqCst);
                    progress.writes.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => assert_eq!(error, Error::Conflict),
            }
        }
    });
    let readers = nodes.iter().zip(&progress).map(async |(node, progress)| {
        while !done.load(Ordering::SeqCst) {
            let known = acknowledged.load(Ordering::SeqCst);
            let seen = integer(&read(node, ReadLevel::STRONG, "SELECT v FROM n").await.unwrap());
            assert!(seen >= known, "a read saw {seen} after {known} was acknowledged");
            progress.reads.fetch_add(1, Ordering::SeqCst);
        }
    });
    let watch = async {
        let behind = |progress: &Progress| {
            progress.writes.load(Ordering::SeqCst).min(progress.reads.load(Ordering::SeqCst))
                < ENOUGH
        };
        support::until("everybody's progress", || !progress.iter().any(behind)).await;
        done.store(true, Ordering::SeqCst);
    };
    let (writers, readers) =
        (futures::future::join_all(writers), futures::future::join_all(readers));
    futures::join!(writers, readers, watch);
    let total: i64 = progress.iter().map(|progress| progress.writes.load(Ordering::SeqCst)).sum();
    equal(&nodes[0], &nodes[1]).await;
    equal(&nodes[0], &nodes[2]).await;
    assert_eq!(nodes[0].value("SELECT v FROM n").await, Value::Integer(total));
}

/// Two nodes only read strongly, the third only writes.
#[tokio::test(flavor = "multi_thread")]
async fn barriers_of_others_do_not_starve_a_writer() {
    let (_, [writer, a, b]) = nodes("CREATE TABLE t(v)").await;
    let done = AtomicBool::new(false);
    let counts = [AtomicI64::new(0), AtomicI64::new(0)];
    let readers = [&a, &b].into_iter().zip(&counts).map(async |(node, count)| {
        while !done.load(Ordering::SeqCst) {
            read(node, ReadLevel::STRONG, "SELECT count(*) FROM t").await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let writing = async {
        for _ in 0..100 {
            writer.run("INSERT INTO t VALUES(1)").await;
        }
        done.store(true, Ordering::SeqCst);
    };
    futures::join!(futures::future::join_all(readers), writing);
    assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) > 0), "{counts:?}");
    equal(&writer, &a).await;
    equal(&writer, &b).await;
}

/// A replica that has just become the leader may tell an end that lies behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_only_after_the_log_has_confirmed_its_end() {
    let log = MemoryLog::with(MemoryOptions { exact_bounds: false, ..MemoryOptions::default() });
    let a = start("a", &log).await;
    until("a is ready", || a.node.status().readiness == Readiness::Ready).await;
    let end = a.node_seq();
    for fault in [Fault::SendLost, Fault::AckLost] {
        log.inject(fault);
    }
    let b = start("b", &log).await;
    until("b is ready", || b.node.status().readiness == Readiness::Ready).await;
    assert!(b.node_seq() > end, "it has not asked");
}

/// Nobody else has anything to do with the node: no queue, no entry.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_keeps_no_strong_read_waiting() {
    let log = MemoryLog::new();
    let patient = |dir: &TempDir| NodeOptions { idle_timeout: PATIENCE * 3, ..options("a", dir) };
    let a = start_with(&log, TempDir::new().unwrap(), patient).await.unwrap();
    a.run("CREATE TABLE t(v)").await;
    let mut session = a.session().await;
    session.begin(TransactionOptions::default()).await.unwrap();
    session.run(batch("INSERT INTO t VALUES(1)")).await.unwrap();
    let seen = read(&a, ReadLevel::STRONG, "SELECT count(*) FROM t").await.unwrap();
    assert_eq!(integer(&seen), 0);
    session.commit().await.unwrap();
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(1));
}
