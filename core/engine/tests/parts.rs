//! Transactions that are larger than a message of the log.

mod support;

use std::time::Duration;

use ha_core::{
    Batch, ChangeTransport, Engine, Error, IdempotencyKey, Outcome, ReadLevel, Seq, Statement,
    Value,
};
use ha_memory::{Fault, MemoryLog, MemoryOptions};
use support::{Running, batch, equal, options, settled, start, start_with, unknown, until};
use tempfile::TempDir;

/// A message holds about ten rows.
fn small_messages() -> MemoryLog {
    MemoryLog::with(MemoryOptions { max_part_bytes: 2_000, ..MemoryOptions::default() })
}

async fn two() -> (MemoryLog, Running, Running) {
    let log = small_messages();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v)").await;
    b.reach(&a).await;
    (log, a, b)
}

/// A node that gives up soon.
async fn impatient(log: &MemoryLog, dir: TempDir) -> Running {
    let patience = Duration::from_millis(300);
    start_with(log, dir, |dir| {
        let mut options = options("impatient", dir);
        options.replication_timeout = patience;
        options
    })
    .await
    .unwrap()
}

fn rows(from: i64, count: i64) -> String {
    format!(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n LIMIT {count}) \
         SELECT i, 'value ' || i FROM n"
    )
}

async fn count(node: &Running) -> Value {
    node.value("SELECT count(*) FROM t").await
}

/// Both hold the same, and have passed the same parts for the same reasons.
async fn same(a: &Running, b: &Running) {
    equal(a, b).await;
    let skipped = "SELECT seq, reason FROM _ha_skipped ORDER BY seq";
    assert_eq!(a.rows(skipped).await, b.rows(skipped).await);
}

async fn skipped(node: &Running) -> Value {
    node.value("SELECT count(*) FROM _ha_skipped").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_is_one_on_every_node() {
    let (log, a, b) = two().await;
    let before = a.node.status().position.seq;
    let reply = a.run(&rows(1, 300)).await;
    let parts = reply.position.seq.0 - before.0;
    assert!(parts > 20, "{parts}");
    assert_eq!((reply.results[0].changes, reply.position.n), (300, 1));
    same(&a, &b).await;
    assert_eq!(b.node.status().position, reply.position);
    for node in [&a, &b] {
        assert_eq!(count(node).await, Value::Integer(300));
        let kept = format!("SELECT count(*) FROM _ha_entries WHERE seq > {before}");
        assert_eq!(node.value(&kept).await, Value::Integer(parts.cast_signed()));
    }
    let c = start("c", &log).await;
    same(&a, &c).await;
    b.run("UPDATE t SET v = v || '!'").await;
    same(&b, &c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_larger_than_a_message_arrive_exactly() {
    let (_log, a, b) = two().await;
    a.run("CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID").await;
    a.run("INSERT INTO w VALUES(randomblob(5000), zeroblob(100)), (2, hex(randomblob(9000)))")
        .await;
    a.run("UPDATE w SET v = randomblob(20000) WHERE k = 2; INSERT INTO t VALUES(1, 'é')").await;
    same(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_and_rows_of_one_transaction_arrive_together() {
    let (_log, a, b) = two().await;
    a.run(&format!(
        "CREATE VIRTUAL TABLE f USING fts5(x); {}; INSERT INTO f SELECT v FROM t; \
         ALTER TABLE t ADD COLUMN w DEFAULT 7; UPDATE t SET w = id; DROP TABLE f",
        rows(1, 100)
    ))
    .await;
    same(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_remembered_at_the_last_part() {
    let (_log, a, b) = two().await;
    let with_key = || Batch {
        statements: vec![Statement::new(rows(1, 100))],
        key: Some(IdempotencyKey::new("once").unwrap()),
        ..Batch::default()
    };
    let first = a.session().await.run(with_key()).await.unwrap();
    for node in [&b, &a] {
        let again = node.session().await.run(with_key()).await.unwrap();
        assert_eq!((again.position, again.results[0].changes), (first.position, 100));
    }
    same(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_or_send_is_settled_by_the_parts_in_the_log() {
    let (log, a, b) = two().await;
    for (fault, from) in [(Fault::AckLost, 1), (Fault::SendLost, 1_000)] {
        log.inject(fault);
        a.run(&rows(from, 100)).await;
    }
    assert_eq!(count(&a).await, Value::Integer(200));
    same(&a, &b).await;
    assert_eq!(skipped(&b).await, Value::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_transaction_is_void_everywhere_and_happens_once() {
    let (log, a, b) = two().await;
    log.inject(Fault::Torn { parts: 3 });
    a.run(&rows(1, 100)).await;
    same(&a, &b).await;
    assert_eq!(count(&b).await, Value::Integer(100));
    assert_eq!(skipped(&b).await, Value::Integer(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_transaction_whose_node_is_gone_is_in_nobodys_way() {
    let (log, a, b) = two().await;
    log.inject(Fault::Torn { parts: 3 });
    let a = impatient(&log, a.stop().await).await;
    let name = unknown(a.try_run(&rows(1, 100)).await);
    log.disconnect(&a.transport);
    b.eventually("INSERT INTO t VALUES(7, 'seven')").await;
    assert_eq!(settled(&b, &name).await, Outcome::NotCommitted);
    assert_eq!(count(&b).await, Value::Integer(1));
    log.reconnect(&a.transport);
    assert_eq!(settled(&a, &name).await, Outcome::NotCommitted);
    same(&a, &b).await;
    assert_eq!(skipped(&a).await, Value::Integer(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_inside_a_torn_transaction_passes_it_as_the_others_do() {
    let (log, a, b) = two().await;
    let at = b.node.status().position.seq;
    log.inject(Fault::Torn { parts: 3 });
    let a = impatient(&log, a.stop().await).await;
    log.disconnect(&b.transport);
    unknown(a.try_run(&rows(1, 100)).await);
    let dir = b.stop().await;
    a.eventually("INSERT INTO t VALUES(7, 'seven')").await;
    let b = start_with(&log, dir, |dir| options("b", dir)).await.unwrap();
    assert!(b.node_seq() >= at.0);
    same(&a, &b).await;
    assert_eq!(skipped(&b).await, Value::Integer(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_rest_reads_its_old_state_and_strong_reads_do_not_wait_long() {
    let (log, a, b) = two().await;
    log.inject(Fault::Torn { parts: 2 });
    let a = impatient(&log, a.stop().await).await;
    log.disconnect(&b.transport);
    unknown(a.try_run(&rows(1, 100)).await);
    log.disconnect(&a.transport);
    log.reconnect(&b.transport);
    assert_eq!(count(&b).await, Value::Integer(0));
    let strong = Batch { reads: ReadLevel::STRONG, ..batch("SELECT count(*) FROM t") };
    let read = b.session().await.run(strong).await.unwrap();
    assert_eq!(read.results[0].rows, [[Value::Integer(0)]]);
    log.reconnect(&a.transport);
    same(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_arrives_after_its_client_was_answered_is_told_as_committed() {
    let (log, a, b) = two().await;
    let a = impatient(&log, a.stop().await).await;
    (0..20).for_each(|_| log.inject(Fault::Delayed));
    let name = unknown(a.try_run(&rows(1, 100)).await);
    log.release();
    for node in [&a, &b] {
        let Outcome::Committed(token) = settled(node, &name).await else { panic!("{name}") };
        until("the entry", || node.node.status().position.seq >= token.seq).await;
        assert_eq!(count(node).await, Value::Integer(100));
    }
    same(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_loses_the_last_parts_gets_them_again() {
    let (log, a, b) = two().await;
    let before = a.node.status().position.seq;
    a.run(&rows(1, 100)).await;
    same(&a, &b).await;
    log.rewind(Seq(before.0 + 3));
    a.eventually("INSERT INTO t VALUES(-1, 'after')").await;
    same(&a, &b).await;
    let c = start("c", &log).await;
    same(&a, &c).await;
    assert_eq!(count(&c).await, Value::Integer(101));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_writes_and_strong_reads_of_another_node_do_not_fail_each_other() {
    let (_log, a, b) = two().await;
    let strong = || Batch { reads: ReadLevel::STRONG, ..batch("SELECT count(*) FROM t") };
    for round in 0..10 {
        let mut reader = b.session().await;
        let write = rows(round * 1_000, 200);
        let (written, read) = tokio::join!(a.try_run(&write), reader.run(strong()));
        written.unwrap();
        read.unwrap();
    }
    assert_eq!(count(&a).await, Value::Integer(2_000));
    same(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_and_large_writes_on_both_nodes_never_make_them_differ() {
    let (log, a, b) = two().await;
    a.run("CREATE TABLE done(id INTEGER PRIMARY KEY)").await;
    b.reach(&a).await;
    let mut acknowledged = Vec::new();
    for id in 0..80_i64 {
        if id % 3 == 0 {
            let torn = Fault::Torn { parts: rand::random_range(1..8) };
            let faults = [Fault::AckLost, Fault::SendLost, Fault::Delayed, torn];
            log.inject(faults[rand::random_range(0..4)]);
        }
        if id % 7 == 0 {
            log.release();
        }
        let node = if id % 2 == 0 { &a } else { &b };
        let more = rand::random_range(0..80);
        let write = format!("INSERT INTO done VALUES({id}); {}", rows(id * 1_000, more));
        match node.try_run(&write).await {
            Ok(_) => acknowledged.push((id, more)),
            Err(Error::OutcomeUnknown(_) | Error::NotSent(_) | Error::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
    log.release();
    a.eventually("INSERT INTO t VALUES(-1, 'end')").await;
    b.eventually("INSERT INTO t VALUES(-2, 'end')").await;
    same(&a, &b).await;
    for (id, more) in acknowledged {
        let (low, high) = (id * 1_000, id * 1_000 + 999);
        let found = format!(
            "SELECT (SELECT count(*) FROM done WHERE id = {id}), \
             (SELECT count(*) FROM t WHERE id BETWEEN {low} AND {high})"
        );
        assert_eq!(
            b.rows(&found).await,
            [[Value::Integer(1), Value::Integer(more)]],
            "{id} was acknowledged"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exceeds_the_limit_is_refused_before_anything_is_stored() {
    let log = small_messages();
    let limited = start_with(&log, TempDir::new().unwrap(), |dir| {
        let mut options = options("limited", dir);
        options.max_transaction_bytes = 20_000;
        options
    });
    let node = limited.await.unwrap();
    node.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v)").await;
    let end = node.transport.bounds().await.unwrap().last;
    let endless = "INSERT INTO t(v) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT i FROM n";
    for sql in [endless, &rows(1, 150), "INSERT INTO t VALUES(1, randomblob(20000))"] {
        match node.try_run(sql).await {
            Err(error @ Error::TooLarge { limit: 20_000, .. }) => {
                assert!(error.to_string().contains("--max-transaction-bytes"), "{error}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(node.transport.bounds().await.unwrap().last, end);
    assert_eq!(count(&node).await, Value::Integer(0));
    node.run(&rows(1, 50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_parts_says_so() {
    let options = MemoryOptions { max_part_bytes: 2_000, max_parts: 1, ..MemoryOptions::default() };
    let node = start("a", &MemoryLog::with(options)).await;
    node.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v)").await;
    match node.try_run(&rows(1, 100)).await {
        Err(error @ Error::TooLarge { limit: 2_000, .. }) => {
            assert!(error.to_string().contains("several messages"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}
