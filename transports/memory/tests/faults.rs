//! The faults that a memory log can be told to have.

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use ha_core::{
    AppendError, AttemptId, ChangeTransport, Delivery, Draft, Error, RunningHash, Seq, SnapshotMeta,
};
use ha_memory::{Fault, MemoryLog, Spoil};
use sha2::{Digest, Sha256};

fn draft(expect: u64, counter: u64) -> Draft {
    let attempt = AttemptId { boot: 1, counter };
    Draft { expect: Some(Seq(expect)), attempt, parts: vec![Bytes::from_static(b"entry")] }
}

fn is_unknown<T>(outcome: &Result<T, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::Unknown { .. }))
}

#[tokio::test]
async fn a_lost_ack_leaves_the_entry_and_a_retry_stays_unknown() {
    let log = MemoryLog::new();
    let node = log.open();
    log.inject(Fault::AckLost);
    assert!(is_unknown(&node.append(draft(0, 1)).await));
    // As with JetStream, the condition is looked at first; only reading settles it.
    assert!(is_unknown(&node.append(draft(0, 1)).await));
    assert!(node.read(Seq(1)).await.unwrap().is_some());
    let refused = node.append(draft(0, 2)).await;
    assert_eq!(refused, Err(AppendError::Refused { last: Some(Seq(1)) }));
}

#[tokio::test]
async fn a_lost_sending_leaves_nothing_and_a_retry_succeeds() {
    let log = MemoryLog::new();
    let node = log.open();
    log.inject(Fault::SendLost);
    assert!(is_unknown(&node.append(draft(0, 1)).await));
    assert_eq!(node.read(Seq(1)).await.unwrap(), None);
    assert_eq!(node.append(draft(0, 1)).await.unwrap().last, Seq(1));
}

#[tokio::test]
async fn a_delayed_entry_arrives_later_if_its_condition_holds() {
    let log = MemoryLog::new();
    let node = log.open();
    log.inject(Fault::Delayed);
    log.inject(Fault::Delayed);
    assert!(is_unknown(&node.append(draft(0, 1)).await));
    assert!(is_unknown(&node.append(draft(0, 2)).await));
    assert_eq!(node.bounds().await.unwrap().last, Seq(0));
    log.release();
    assert_eq!(node.bounds().await.unwrap().last, Seq(1));
}

#[tokio::test]
async fn a_disconnected_node_sends_nothing_and_comes_back() {
    let log = MemoryLog::new();
    let (node, peer) = (log.open(), log.open());
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    log.disconnect(&node);
    let outcome = node.append(draft(0, 1)).await;
    assert!(matches!(outcome, Err(AppendError::NotSent { .. })), "{outcome:?}");
    assert!(matches!(node.bounds().await, Err(Error::Transport { .. })));
    peer.append(draft(0, 2)).await.unwrap();
    assert!(subscription.next().now_or_never().is_none());
    log.reconnect(&node);
    assert!(matches!(subscription.next().await, Some(Ok(Delivery::Reconnected(_)))));
    assert!(matches!(subscription.next().await, Some(Ok(Delivery::Entry(_)))));
}

#[tokio::test]
async fn a_retry_while_disconnected_is_still_unknown() {
    let log = MemoryLog::new();
    let node = log.open();
    log.inject(Fault::AckLost);
    assert!(is_unknown(&node.append(draft(0, 1)).await));
    log.disconnect(&node);
    assert!(is_unknown(&node.append(draft(0, 1)).await));
}

#[tokio::test]
async fn a_lost_tail_is_told_with_the_new_end() {
    let log = MemoryLog::new();
    let node = log.open();
    for seq in 0..3 {
        node.append(draft(seq, seq)).await.unwrap();
    }
    let lineage = node.bounds().await.unwrap().lineage;
    let mut subscription = node.subscribe(Seq(4)).await.unwrap();
    log.rewind(Seq(1));
    let Some(Ok(Delivery::Reconnected(bounds))) = subscription.next().await else { panic!() };
    assert_eq!((bounds.lineage, bounds.last), (lineage, Seq(1)));
    assert_eq!(node.append(draft(1, 1)).await.unwrap().last, Seq(2), "stored anew");
}

#[tokio::test]
async fn a_log_that_is_made_again_has_another_lineage() {
    let log = MemoryLog::new();
    let node = log.open();
    node.append(draft(0, 1)).await.unwrap();
    let before = node.bounds().await.unwrap();
    let mut subscription = node.subscribe(Seq(2)).await.unwrap();
    log.recreate();
    let Some(Ok(Delivery::Reconnected(after))) = subscription.next().await else { panic!() };
    assert_ne!(after.lineage, before.lineage);
    assert_eq!((after.first, after.last), (Seq(1), Seq(0)));
}

#[tokio::test]
async fn a_subscription_that_lags_behind_a_trim_fails() {
    let log = MemoryLog::new();
    let node = log.open();
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    for seq in 0..3 {
        node.append(draft(seq, seq)).await.unwrap();
    }
    node.trim(Seq(3)).await.unwrap();
    let truncated = Error::Truncated { from: Seq(1), first: Seq(3) };
    assert_eq!(subscription.next().await.unwrap().unwrap_err(), truncated);
    assert!(subscription.next().await.is_none());
}

#[tokio::test]
async fn a_spoilt_snapshot_is_listed_and_reads_otherwise_than_it_was_stored() {
    let log = MemoryLog::new();
    let node = log.open();
    let body = Bytes::from_static(b"a snapshot");
    let meta = SnapshotMeta {
        digest: Sha256::digest(&body).into(),
        bytes: body.len() as u64,
        lineage: node.bounds().await.unwrap().lineage,
        seq: Seq(1),
        hash: RunningHash::default(),
    };
    let chunks = stream::iter([Ok(body.clone())]).boxed();
    node.put_snapshot(meta.clone(), chunks).await.unwrap();
    let read = async || -> Result<Vec<Bytes>, Error> {
        node.get_snapshot(&meta).await?.try_collect().await
    };
    log.spoil(&meta, Spoil::Flipped);
    let flipped = read().await.unwrap().concat();
    assert_eq!((flipped.len(), flipped != body[..]), (body.len(), true));
    log.spoil(&meta, Spoil::Torn);
    assert!(read().await.is_err());
    assert_eq!(node.snapshots().await.unwrap(), [meta]);
}

#[tokio::test]
async fn parts_of_a_torn_entry_are_counted() {
    let log = MemoryLog::new();
    let node = log.open();
    log.inject(Fault::Torn { parts: 2 });
    let parts = vec![Bytes::from_static(b"part"); 3];
    assert!(is_unknown(&node.append(Draft { parts, ..draft(0, 1) }).await));
    assert_eq!(node.bounds().await.unwrap().bytes, 8);
    log.rewind(Seq::ZERO);
    assert_eq!(node.bounds().await.unwrap().bytes, 0);
}
