//! Nodes that take snapshots, and a log that is trimmed to what they cover.

mod support;

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use ha_core::{
    AttemptId, AttemptName, ChangeTransport, Engine, Outcome, RunningHash, Seq, SnapshotMeta,
    TransactionName, Value,
};
use ha_engine::{NodeOptions, Retention, SnapshotOptions};
use ha_memory::{MemoryLog, Spoil};
use sha2::Digest;
use support::stored::{put, state, store};
use support::{PATIENCE, Running, equal, options, raw, start, start_with};
use tempfile::TempDir;

const SOON: Duration = Duration::from_millis(20);

/// Takes snapshots after so many bytes of log.
fn every(bytes: u64) -> Option<SnapshotOptions> {
    Some(SnapshotOptions { patience: SOON, ..SnapshotOptions::every(None, Some(bytes)) })
}

async fn start_as(name: &str, log: &MemoryLog, change: impl FnOnce(&mut NodeOptions)) -> Running {
    let with = |dir: &TempDir| {
        let mut options = options(name, dir);
        change(&mut options);
        options
    };
    start_with(log, TempDir::new().unwrap(), with).await.unwrap()
}

async fn list(node: &Running) -> Vec<SnapshotMeta> {
    node.transport.snapshots().await.unwrap()
}

/// Waits for a condition of the stored snapshots and the log.
async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

/// Writes until the newest snapshot is of this position or a later one.
async fn write_until_covered(node: &Running, seq: Seq) {
    until("a snapshot", || async {
        node.run("INSERT INTO t VALUES(hex(randomblob(500)))").await;
        list(node).await.first().is_some_and(|meta| meta.seq >= seq)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enough_bytes_of_log_make_a_snapshot_that_others_restore() {
    let log = MemoryLog::new();
    let a = start_as("a", &log, |options| options.snapshots = every(20_000)).await;
    a.run("CREATE TABLE t(v)").await;
    assert_eq!(list(&a).await, []);
    write_until_covered(&a, Seq(1)).await;
    let meta = list(&a).await.swap_remove(0);
    assert!(meta.seq.0 > 5, "{meta:?}: not before there is a reason");
    let body: Vec<_> = a.transport.get_snapshot(&meta).await.unwrap().try_collect().await.unwrap();
    assert!(body.concat().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "it is compressed");
    a.transport.trim(meta.seq.next()).await.unwrap();
    let b = start("b", &log).await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_some_age_makes_a_snapshot_and_a_log_that_stands_still_makes_none() {
    let log = MemoryLog::new();
    let every = SnapshotOptions::every(Some(Duration::from_millis(50)), None);
    let a = start_as("a", &log, |options| options.snapshots = Some(every)).await;
    for _ in 0..2 {
        a.run("CREATE TABLE IF NOT EXISTS t(v); INSERT INTO t VALUES(1)").await;
        let end = Seq(a.node_seq());
        until("a snapshot of the end", || async {
            list(&a).await.first().is_some_and(|meta| meta.seq == end)
        })
        .await;
    }
    assert_eq!(list(&a).await.len(), 2, "one for each time that the log moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_are_kept_and_the_log_is_trimmed_to_the_older_one() {
    let log = MemoryLog::new();
    let keep = Retention { max_age: None, max_bytes: Some(1) };
    let change = |options: &mut NodeOptions| {
        (options.snapshots, options.retention) = (every(20_000), keep);
    };
    let nodes = [start_as("a", &log, change).await, start_as("b", &log, change).await];
    nodes[0].run("CREATE TABLE t(v)").await;
    for round in 1..=4 {
        write_until_covered(&nodes[round % 2], Seq(40 * round as u64)).await;
    }
    let a = &nodes[0];
    until("the log to be trimmed", || async {
        let (snapshots, bounds) = (list(a).await, a.transport.bounds().await.unwrap());
        assert!(bounds.first <= snapshots[1].seq, "{bounds:?} {snapshots:?}");
        snapshots.len() == 2 && bounds.first == snapshots[1].seq
    })
    .await;
    // The older one alone is enough for a new node and for one that was away.
    log.spoil(&list(a).await[0], Spoil::Flipped);
    let late = start("late", &log).await;
    equal(a, &late).await;
    equal(a, &nodes[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_what_the_log_has_lost_is_none_of_the_two_that_are_kept() {
    let log = MemoryLog::new();
    let old = start("old", &log).await;
    for sql in ["CREATE TABLE t(v)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES('lost')"] {
        old.run(sql).await;
    }
    let (body, seq, hash) = state(&old).await;
    old.stop().await;
    log.rewind(Seq(2));
    let node = start("node", &log).await;
    until("what is left", || async { node.node_seq() == 2 }).await;
    store(&node).await;
    node.run("INSERT INTO t VALUES(2)").await;
    put(&node, body, seq, hash).await;
    // It may stand after both third entries.
    raw(&log, "junk").await;
    until("the junk", || async { node.node_seq() == 4 }).await;
    let node = node.stop().await;
    let soon = SnapshotOptions::every(Some(Duration::from_millis(50)), None);
    let with = |dir: &TempDir| NodeOptions { snapshots: Some(soon), ..options("node", dir) };
    let node = start_with(&log, node, with).await.unwrap();
    let kept = || async { list(&node).await.iter().map(|meta| meta.seq.0).collect::<Vec<_>>() };
    until("a third", || async { kept().await.contains(&4) && kept().await.len() == 2 }).await;
    assert_eq!(kept().await, [4, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_are_forgotten_once_snapshots_cover_them() {
    let log = MemoryLog::new();
    let retention = Retention { max_age: Some(Duration::from_millis(300)), max_bytes: None };
    let change = |options: &mut NodeOptions| {
        let interval = Some(Duration::from_millis(50));
        options.snapshots = Some(SnapshotOptions::every(interval, None));
        options.retention = retention;
    };
    let a = start_as("a", &log, change).await;
    let lagging = start("lagging", &log).await;
    a.run("CREATE TABLE t(v)").await;
    equal(&a, &lagging).await;
    log.disconnect(&lagging.transport);
    until("old entries to be gone", || async {
        a.run("INSERT INTO t VALUES(1)").await;
        a.transport.bounds().await.unwrap().first > Seq(5)
    })
    .await;
    log.reconnect(&lagging.transport);
    lagging.eventually("INSERT INTO t VALUES(2)").await;
    let new = start("new", &log).await;
    equal(&a, &lagging).await;
    equal(&a, &new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_trimmed_beside_nodes_of_v0_0_7_and_snapshots_are_taken() {
    let log = MemoryLog::new();
    let a = start_as("a", &log, |options| {
        options.compat_v007 = true;
        options.snapshots = every(10_000);
        options.retention = Retention { max_age: Some(Duration::ZERO), max_bytes: Some(1) };
    })
    .await;
    a.run("CREATE TABLE t(v)").await;
    for round in 1..=3 {
        write_until_covered(&a, Seq(30 * round)).await;
    }
    assert_eq!(a.transport.bounds().await.unwrap().first, Seq(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_spoilt_in_the_store_is_passed_over_for_an_older_one() {
    let log = MemoryLog::new();
    let a = start_as("a", &log, |options| options.snapshots = every(10_000)).await;
    a.run("CREATE TABLE t(v)").await;
    write_until_covered(&a, Seq(1)).await;
    let older = list(&a).await.swap_remove(0);
    write_until_covered(&a, older.seq.next()).await;
    a.transport.trim(older.seq.next()).await.unwrap();
    for how in [Spoil::Flipped, Spoil::Torn] {
        log.spoil(&list(&a).await[0], how);
        let b = start("b", &log).await;
        equal(&a, &b).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_snapshots_are_all_spoilt_waits_for_a_better_one() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v)").await;
    let c = start_as("c", &log, |options| options.snapshots = every(10_000)).await;
    write_until_covered(&c, Seq(1)).await;
    let meta = list(&c).await.swap_remove(0);
    log.spoil(&meta, Spoil::Torn);
    c.transport.trim(meta.seq.next()).await.unwrap();
    let b = start("b", &log).await;
    support::until("the reason", || format!("{:?}", b.node.status()).contains("breaks off")).await;
    write_until_covered(&c, meta.seq.next()).await;
    equal(&b, &c).await;
    equal(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_ready_takes_none() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    let b = start_as("b", &log, |options| options.snapshots = every(1)).await;
    log.disconnect(&b.transport);
    for _ in 0..10 {
        a.run("CREATE TABLE IF NOT EXISTS t(v)").await;
        a.run("INSERT INTO t VALUES(1)").await;
    }
    assert_eq!(list(&a).await, []);
    log.reconnect(&b.transport);
    until("a snapshot of the end", || async {
        list(&a).await.first().is_some_and(|meta| meta.seq.0 == a.node_seq())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_begins_with_is_kept_as_long_as_the_log_says_so() {
    let log = MemoryLog::new();
    let dir = TempDir::new().unwrap();
    rusqlite::Connection::open(dir.path().join("ha.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t(v); INSERT INTO t VALUES('given')")
        .unwrap();
    let with = |dir: &TempDir| NodeOptions { snapshots: every(10_000), ..options("a", dir) };
    let a = start_with(&log, dir, with).await.unwrap();
    for round in 1..=4 {
        write_until_covered(&a, Seq(30 * round)).await;
    }
    let seqs: Vec<_> = list(&a).await.iter().map(|meta| meta.seq).collect();
    assert!(seqs.len() >= 3 && seqs.last() == Some(&Seq::ZERO), "{seqs:?}");
    let b = start("b", &log).await;
    equal(&a, &b).await;
    a.transport.trim(seqs[1]).await.unwrap();
    write_until_covered(&a, seqs[0].next()).await;
    until("the base to be gone", || async {
        list(&a).await.iter().all(|meta| meta.seq > Seq::ZERO)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_write_that_nobody_keeps_any_more_is_forgotten() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v)").await;
    for _ in 0..1_010 {
        a.run("INSERT INTO t VALUES(1)").await;
    }
    let lineage = a.node.status().position.lineage;
    let name = |base| {
        TransactionName::from(AttemptName {
            lineage,
            base: Seq(base),
            attempt: AttemptId { boot: 1, counter: 1 },
        })
    };
    assert_eq!(a.node.outcome(&name(3)).await.unwrap(), Outcome::NotCommitted);
    a.transport.trim(Seq(900)).await.unwrap();
    assert_eq!(a.node.outcome(&name(3)).await.unwrap(), Outcome::Forgotten);
    assert_eq!(a.node.outcome(&name(500)).await.unwrap(), Outcome::NotCommitted, "the node has it");
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(1_010));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_history_covers_nothing() {
    let log = MemoryLog::new();
    let a = start_as("a", &log, |options| {
        options.snapshots = every(10_000);
        options.retention = Retention { max_age: None, max_bytes: Some(1) };
    })
    .await;
    for sql in ["CREATE TABLE t(v)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"] {
        a.run(sql).await;
    }
    // What it is made of does not matter: it is never read.
    let body = bytes::Bytes::from_static(b"another history");
    let stray = SnapshotMeta {
        digest: sha2::Sha256::digest(&body).into(),
        bytes: body.len() as u64,
        lineage: a.transport.bounds().await.unwrap().lineage,
        seq: Seq(3),
        hash: RunningHash([9; 32]),
    };
    let chunks = futures::stream::iter([Ok(body)]).boxed();
    a.transport.put_snapshot(stray.clone(), chunks).await.unwrap();
    write_until_covered(&a, Seq(4)).await;
    assert_eq!(a.transport.bounds().await.unwrap().first, Seq(1), "one covers it, not two");
    let first = list(&a).await.swap_remove(0);
    write_until_covered(&a, first.seq.next()).await;
    until("the log to be trimmed, and the stray to be gone", || async {
        let first_entry = a.transport.bounds().await.unwrap().first;
        first_entry == first.seq && !list(&a).await.contains(&stray)
    })
    .await;
}
