//! Logs that are the same under another lineage, and others that only seem so.

use ha_core::{ChangeTransport, Engine, Readiness, Seq, Value};
use ha_memory::MemoryLog;

use crate::support::stored::{self, put, state};
use crate::support::{equal, raw, start, until, until_stopped};
use crate::{entries, follows, insert, lost, once, ready, rows, start_in, with_rows};

/// Its server tells another moment of its creation.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_the_same_is_gone_on_with_though_its_lineage_is_another() {
    let log = MemoryLog::new();
    let (a, b) = (with_rows("a", &log, 3).await, start("b", &log).await);
    equal(&a, &b).await;
    let stopped = b.stop().await;
    let before = a.node.status().position;
    log.rename();
    let lineage = a.transport.bounds().await.unwrap().lineage;
    assert_ne!(before.lineage, lineage);
    once(&a, 4).await;
    // One that was away, one that applies entries of both lineages, one that comes later still.
    let b = start_in("b", &log, stopped).await;
    let late = start("late", &log).await;
    insert(&late, [5]).await;
    log.rename();
    once(&b, 6).await;
    for node in [&b, &late, &start("latest", &log).await] {
        follows(node, &a).await;
        assert_eq!(rows(node).await, "1,2,3,4,5,6");
        assert_eq!(node.rows("SELECT seq FROM _ha_skipped").await.len(), 0);
        assert_eq!(node.node.status().readiness, Readiness::Ready);
    }
    let oldest = a.value("SELECT min(seq) FROM _ha_entries").await;
    assert_eq!(oldest, Value::Integer(1), "all are kept still");
    assert_eq!(lost(&a.dir), []);
}

/// And restored by who needs them, as far as an entry proves that they are of this log.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_a_log_are_good_under_its_next_lineage() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let snapshot = stored::store(&a).await;
    let stranger = with_rows("a stranger", &MemoryLog::new(), 4).await;
    let (body, seq, hash) = state(&stranger).await;
    put(&a, body, seq, hash).await;
    insert(&a, [4, 5]).await;
    log.rename();
    once(&a, 6).await;
    a.transport.trim(snapshot.seq.next()).await.unwrap();
    let b = start("b", &log).await;
    follows(&b, &a).await;
    assert_eq!(rows(&b).await, "1,2,3,4,5,6");
    assert_ne!(b.node.status().position.lineage, snapshot.lineage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lineage_gets_back_the_end_it_has_lost() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 5).await;
    let before = entries(&log).await;
    let dir = a.stop().await;
    log.rewind(Seq(3));
    log.rename();
    let a = start_in("a", &log, dir).await;
    ready(&a).await;
    assert_eq!(entries(&log).await, before);
    log.rewind(Seq(4));
    log.rename();
    until("the end is there again", || a.node.status().readiness == Readiness::Ready).await;
    once(&a, 6).await;
    assert_eq!(entries(&log).await[..6], before);
    assert_eq!(rows(&a).await, "1,2,3,4,5,6");
}

/// A stream of another cluster, as long as this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lineage_with_other_entries_is_left_alone() {
    let (log, other) = (MemoryLog::new(), MemoryLog::new());
    let dir = with_rows("a", &log, 3).await.stop().await;
    let b = with_rows("b", &other, 3).await;
    other.rename();
    let a = start_in("a", &other, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("not the one this database follows"), "{reason}");
    b.eventually("INSERT INTO t VALUES(4)").await;
    assert_eq!(rows(&a).await, "1,2,3");
}

/// What was on its way to the old stream was stored in the new one, at the same place.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lineage_is_not_the_same_because_its_last_entry_is() {
    let (log, other) = (MemoryLog::new(), MemoryLog::new());
    let dir = with_rows("a", &log, 3).await.stop().await;
    let late = entries(&log).await.pop().unwrap();
    let b = with_rows("b", &other, 2).await;
    raw(&other, std::str::from_utf8(&late).unwrap()).await;
    assert_eq!(b.transport.bounds().await.unwrap().last, log.open().bounds().await.unwrap().last);
    other.rename();
    let a = start_in("a", &other, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("not the one this database follows"), "{reason}");
    assert_eq!(rows(&a).await, "1,2,3");
}
