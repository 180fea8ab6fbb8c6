//! Logs that were made again, and those of strangers.

use ha_core::{Batch, ChangeTransport, Engine, Error, IdempotencyKey, Seq};
use ha_memory::MemoryLog;

use crate::support::stored::store;
use crate::support::{batch, equal, raw, start, until_stopped};
use crate::{follows, insert, lost, lost_name, new_lineage, ready, rows, start_in, with_rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_made_again_is_adopted_by_who_has_the_same_and_followed_by_others() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 5).await;
    let lineage = a.node.status().position.lineage;
    let behind = start("behind", &log).await;
    behind.reach(&a).await;
    let behind = behind.stop().await;
    insert(&a, [6]).await;
    let keyed = Batch {
        key: Some(IdempotencyKey::new("seven").unwrap()),
        ..batch("INSERT INTO t VALUES(7)")
    };
    let first = a.session().await.run(keyed.clone()).await.unwrap();
    let (same, running, ahead) =
        (start("same", &log).await, start("running", &log).await, start("ahead", &log).await);
    for node in [&same, &running, &ahead] {
        node.reach(&a).await;
    }
    log.disconnect(&running.transport);
    let (a, same) = (a.stop().await, same.stop().await);
    insert(&ahead, [8, 9]).await;
    let ahead = ahead.stop().await;

    log.recreate();
    let a = new_lineage(&log, a).await;
    insert(&a, [70]).await;
    let behind = start_in("behind", &log, behind).await;
    follows(&behind, &a).await;
    assert!(lost(&behind.dir).is_empty(), "it had nothing of its own");
    let ahead = start_in("ahead", &log, ahead).await;
    follows(&ahead, &a).await;
    assert_eq!(lost(&ahead.dir), [(lost_name(lineage, 9, 10), 2)]);

    // Who has the same needs no transfer.
    let stored = a.transport.snapshots().await.unwrap();
    assert_eq!(stored.len(), 1);
    a.transport.remove_snapshot(&stored[0]).await.unwrap();
    let same = start_in("same", &log, same).await;
    log.reconnect(&running.transport);
    for node in [&same, &running] {
        follows(node, &a).await;
        ready(node).await;
        assert!(lost(&node.dir).is_empty());
    }
    running.eventually("INSERT INTO t VALUES(80)").await;
    a.reach(&running).await;
    let keys = "SELECT * FROM _ha_keys";
    for node in [&behind, &ahead, &same, &running, &a] {
        equal(node, &a).await;
        // What was answered in the old log is not done again in the new one.
        assert_eq!(node.session().await.run(keyed.clone()).await.unwrap().results, first.results);
        assert_eq!(rows(node).await, "1,2,3,4,5,6,7,70,80");
        assert_eq!(node.rows(keys).await, a.rows(keys).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_on_an_empty_log_goes_on_once_somebody_begins_it() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let b = start("b", &log).await;
    b.reach(&a).await;
    let dir = a.stop().await;
    log.recreate();
    let reason = until_stopped(&b).await;
    assert!(reason.contains("--new-lineage"), "{reason}");
    assert_eq!(rows(&b).await, "1,2,3", "reads go on");
    assert!(matches!(b.try_run("INSERT INTO t VALUES(9)").await, Err(Error::NotReady(_))));
    let a = new_lineage(&log, dir).await;
    follows(&b, &a).await;
    ready(&b).await;
    insert(&b, [4]).await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_the_state_that_the_log_goes_on_from_the_instructions_lead_out() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let b = start("b", &log).await;
    b.reach(&a).await;
    let (a, b) = (a.stop().await, b.stop().await);
    // What both have is lost, and what was before is trimmed: the log goes on from a state without row 3.
    log.rewind(Seq(3));
    let stranger = log.open();
    stranger.trim(Seq(4)).await.unwrap();
    raw(&log, "junk").await;
    let (a, b) = (start_in("a", &log, a).await, start_in("b", &log, b).await);
    for node in [&a, &b] {
        let reason = until_stopped(node).await;
        assert!(reason.contains("delete the stream"), "{reason}");
        assert!(reason.contains("start the node that is furthest with --new-lineage"), "{reason}");
    }
    let (a, b) = (a.stop().await, b.stop().await);
    log.recreate();
    let a = new_lineage(&log, a).await;
    let b = start_in("b", &log, b).await;
    insert(&b, [4]).await;
    equal(&a, &b).await;
    assert_eq!(rows(&a).await, "1,2,3,4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_strangers_is_never_followed() {
    let (log, strangers) = (MemoryLog::new(), MemoryLog::new());
    let a = with_rows("a", &log, 3).await;
    let other = with_rows("other", &strangers, 1).await;
    let dir = other.stop().await;
    strangers.recreate();
    let base = new_lineage(&strangers, dir).await;
    let dir = a.stop().await;
    let a = start_in("a", &strangers, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("another cluster's"), "{reason}");
    assert_eq!(rows(&a).await, "1,2,3");
    assert_eq!(rows(&base).await, "1");
    assert!(lost(&a.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_strangers_is_not_followed_although_its_beginning_is_gone() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    log.disconnect(&a.transport);
    log.recreate();
    let strange = with_rows("strange", &log, 20).await;
    store(&strange).await;
    strange.transport.trim(Seq(15)).await.unwrap();
    insert(&strange, [21]).await;
    log.reconnect(&a.transport);
    let reason = until_stopped(&a).await;
    assert!(reason.contains("another cluster's"), "{reason}");
    assert_eq!(rows(&a).await, "1,2,3");
    let dir = a.stop().await;
    let a = start_in("a", &log, dir).await;
    until_stopped(&a).await;
    assert_eq!(rows(&a).await, "1,2,3");
}
