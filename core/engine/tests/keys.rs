//! What happens under an idempotency key happens once.

mod support;

use std::time::Duration;

use futures::TryStreamExt;
use ha_core::{
    Batch, Engine, Error, IdempotencyKey, Reply, Result, Statement, TransactionOptions, Value,
};
use ha_memory::{Fault, MemoryLog};
use support::{PATIENCE, Running, batch, equal, options, start, start_with};
use tempfile::TempDir;

fn keyed(key: &str, sql: &str) -> Batch {
    Batch { key: Some(IdempotencyKey::new(key).unwrap()), ..batch(sql) }
}

async fn run(node: &Running, key: &str, sql: &str) -> Result<Reply> {
    node.session().await.run(keyed(key, sql)).await
}

async fn two(schema: &str) -> (MemoryLog, Running, Running) {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run(schema).await;
    b.reach(&a).await;
    (log, a, b)
}

const T: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, v)";
const INSERT: &str = "INSERT INTO t(v) VALUES('x'),('y')";

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_answered_as_the_first_time_on_every_node() {
    let (_, a, b) = two(T).await;
    let first = run(&a, "k", INSERT).await.unwrap();
    assert_eq!((first.results[0].changes, first.results[0].last_insert_rowid), (2, 2));
    a.run("INSERT INTO t(v) VALUES('later')").await;
    b.reach(&a).await;
    for node in [&a, &b, &a] {
        assert_eq!(run(node, "k", INSERT).await.unwrap(), first);
    }
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(3));
    run(&b, "other", INSERT).await.unwrap();
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(5));
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_returned_are_not_returned_again() {
    let (_, a, _b) = two(T).await;
    let sql = "INSERT INTO t(v) VALUES('x') RETURNING id";
    let (first, again) = (run(&a, "k", sql).await.unwrap(), run(&a, "k", sql).await.unwrap());
    assert_eq!((first.results[0].rows.len(), again.results[0].rows.len()), (1, 0));
    assert_eq!(first.position, again.position);
    assert_eq!(again.results[0].changes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request() {
    let (_, a, b) = two(T).await;
    run(&a, "k", INSERT).await.unwrap();
    b.reach(&a).await;
    for node in [&a, &b] {
        let reused = run(node, "k", "DELETE FROM t").await.unwrap_err();
        assert_eq!(reused, Error::KeyReused("k".to_owned()));
    }
    let key = Some(IdempotencyKey::new("p").unwrap());
    let with = |value: i64| {
        let sql = "INSERT INTO t(v) VALUES(?)";
        let statements = vec![Statement::with(sql, vec![value.into()])];
        Batch { statements, key: key.clone(), ..Batch::default() }
    };
    a.session().await.run(with(1)).await.unwrap();
    a.session().await.run(with(1)).await.unwrap();
    let reused = a.session().await.run(with(2)).await;
    assert_eq!(reused.unwrap_err(), Error::KeyReused("p".to_owned()));
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_not_remembered_and_what_changed_nothing_is() {
    let (_, a, b) = two(T).await;
    assert!(run(&a, "k", "INSERT INTO nosuch VALUES(1)").await.is_err());
    a.run("CREATE TABLE nosuch(v)").await;
    run(&a, "k", "INSERT INTO nosuch VALUES(1)").await.unwrap();
    let update = "UPDATE t SET v = 'z'";
    assert_eq!(run(&a, "u", update).await.unwrap().results[0].changes, 0);
    a.run(INSERT).await;
    b.reach(&a).await;
    for node in [&a, &b] {
        assert_eq!(run(node, "u", update).await.unwrap().results[0].changes, 0);
    }
    assert_eq!(a.value("SELECT count(*) FROM t WHERE v = 'z'").await, Value::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_and_a_transaction_have_no_key() {
    let (_, a, _b) = two(T).await;
    let before = a.node_seq();
    for count in 0..2 {
        let reply = run(&a, "k", "SELECT count(*) FROM t").await.unwrap();
        assert_eq!(reply.results[0].rows[0][0], Value::Integer(count));
        a.run("INSERT INTO t(v) VALUES(1)").await;
    }
    assert_eq!(a.node_seq(), before + 2);
    let mut session = a.session().await;
    session.begin(TransactionOptions::default()).await.unwrap();
    assert!(matches!(session.run(keyed("k", INSERT)).await, Err(Error::Invalid(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn repetitions_at_once_on_two_nodes_happen_once() {
    let (_, a, b) =
        two("CREATE TABLE n(k TEXT, v); CREATE TABLE c(v); INSERT INTO c VALUES(0)").await;
    for round in 0..20 {
        let key = format!("k{round}");
        let sql = format!("INSERT INTO n VALUES('{key}', 1); UPDATE c SET v = v + 1");
        let tries = (0..12).map(|client| run(if client % 2 == 0 { &a } else { &b }, &key, &sql));
        let replies = futures::future::join_all(tries).await;
        let first = replies[0].as_ref().unwrap();
        for reply in &replies {
            assert_eq!(reply.as_ref().unwrap(), first);
        }
    }
    assert_eq!(a.value("SELECT v FROM c").await, Value::Integer(20));
    equal(&a, &b).await;
    let keys = "SELECT * FROM _ha_keys ORDER BY key";
    assert_eq!(a.rows(keys).await, b.rows(keys).await);
    assert_eq!(a.rows(keys).await.len(), 20);
}

/// Whatever became of the first try, and wherever it is repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_after_an_unknown_outcome_happens_once() {
    let log = MemoryLog::new();
    let a = start_with(&log, TempDir::new().unwrap(), |dir| {
        let mut options = options("a", dir);
        options.replication_timeout = Duration::from_millis(100);
        options
    })
    .await
    .unwrap();
    let b = start("b", &log).await;
    a.run(T).await;
    b.reach(&a).await;
    let faults = [Fault::SendLost, Fault::Delayed, Fault::AckLost];
    for (round, fault) in (1..).zip(faults.into_iter().cycle().take(9)) {
        let key = format!("k{round}");
        (0..10).for_each(|_| log.inject(fault));
        let first = run(&a, &key, "INSERT INTO t(v) VALUES(1)").await;
        let node = if round % 2 == 0 { &a } else { &b };
        log.release();
        let repeat = async {
            loop {
                if let Ok(reply) = run(node, &key, "INSERT INTO t(v) VALUES(1)").await {
                    return reply;
                }
            }
        };
        let reply = tokio::time::timeout(PATIENCE, repeat).await.unwrap();
        assert!(first.is_err() || first == Ok(reply), "{first:?}");
        log.release();
        a.eventually("UPDATE t SET v = v").await;
        b.reach(&a).await;
        assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(round));
    }
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_in_a_copy_and_survive_a_restart() {
    let (log, a, b) = two(T).await;
    let first = run(&a, "k", INSERT).await.unwrap();
    let dir = TempDir::new().unwrap();
    let body = a.node.snapshot().await.unwrap().body;
    let copy: Vec<u8> = body.try_concat_bytes().await;
    std::fs::write(dir.path().join("ha.db"), copy).unwrap();
    let c = start_with(&log, dir, |dir| options("c", dir)).await.unwrap();
    assert_eq!(run(&c, "k", INSERT).await.unwrap(), first);
    let dir = b.stop().await;
    let b = start_with(&log, dir, |dir| options("b", dir)).await.unwrap();
    assert_eq!(run(&b, "k", INSERT).await.unwrap(), first);
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(2));
}

/// A stream of chunks as one.
trait Concat {
    async fn try_concat_bytes(self) -> Vec<u8>;
}

impl Concat for ha_core::ByteStream {
    async fn try_concat_bytes(self) -> Vec<u8> {
        self.try_fold(Vec::new(), async |mut all, chunk| {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
        .unwrap()
    }
}
