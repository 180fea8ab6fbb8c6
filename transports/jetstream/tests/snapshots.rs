//! Snapshots that the store has lost parts of.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ha_core::{ChangeTransport, Error, RunningHash, Seq, SnapshotMeta};
use ha_jetstream::{JetStream, Options};
use sha2::{Digest, Sha256};
use support::TestServer;
use tokio::task::JoinHandle;

async fn put(node: &JetStream, seq: u64) -> SnapshotMeta {
    let body = Bytes::from(format!("state at {seq} ").repeat(100_000));
    let meta = SnapshotMeta {
        digest: Sha256::digest(&body).into(),
        bytes: body.len() as u64,
        lineage: node.bounds().await.unwrap().lineage,
        seq: Seq(seq),
        hash: RunningHash::default(),
    };
    node.put_snapshot(meta.clone(), stream::iter([Ok(body)]).boxed()).await.unwrap();
    meta
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_lost_a_part_is_an_error() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    let meta = put(&node, 1).await;
    let bucket = server.admin().await.get_stream("OBJ_ha_replication_snapshots").await.unwrap();
    bucket.delete_message(2).await.unwrap();
    let body = node.get_snapshot(&meta).await.unwrap();
    let read: Result<Vec<Bytes>, Error> = body.try_collect().await;
    assert!(matches!(read, Err(Error::Transport { .. })));
}

/// What is stored is read back before it is listed: the log is trimmed by what is listed.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_loses_meanwhile_is_never_listed() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    let body = Bytes::from("state ".repeat(300_000));
    let meta = SnapshotMeta {
        digest: Sha256::digest(&body).into(),
        bytes: body.len() as u64,
        ..put(&node, 1).await
    };
    let kept = node.snapshots().await.unwrap();
    let admin = server.admin().await;
    let end = stream::once(async move {
        let bucket = admin.get_stream("OBJ_ha_replication_snapshots").await.unwrap();
        bucket.delete_message(bucket.cached_info().state.last_sequence).await.unwrap();
        Ok(Bytes::new())
    });
    let body = stream::iter([Ok(body)]).chain(end).boxed();
    let error = node.put_snapshot(meta, body).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    assert_eq!(node.snapshots().await.unwrap(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_snapshot_is_gone_and_its_space_too() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    let (old, new) = (put(&node, 1).await, put(&node, 2).await);
    node.remove_snapshot(&old).await.unwrap();
    node.remove_snapshot(&old).await.unwrap();
    assert_eq!(node.snapshots().await.unwrap(), [new]);
    assert!(node.get_snapshot(&old).await.is_err());
    let bucket = server.admin().await.get_stream("OBJ_ha_replication_snapshots").await.unwrap();
    assert!(bucket.cached_info().state.bytes < 2_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_store_the_same_snapshot_at_once_leave_one() {
    let server = TestServer::start();
    let (one, two) = (
        JetStream::connect(server.options()).await.unwrap(),
        JetStream::connect(server.options()).await.unwrap(),
    );
    let (meta, same) = futures::join!(put(&one, 1), put(&two, 1));
    assert_eq!(meta, same);
    assert_eq!(one.snapshots().await.unwrap(), std::slice::from_ref(&meta));
    let body: Vec<Bytes> = two.get_snapshot(&meta).await.unwrap().try_collect().await.unwrap();
    assert_eq!(body.concat().len() as u64, meta.bytes);
    one.remove_snapshot(&meta).await.unwrap();
    assert_eq!(two.snapshots().await.unwrap(), []);
}

/// The first part of a body; the rest never comes.
fn broken_upload(meta: &SnapshotMeta, node: &Arc<JetStream>) -> JoinHandle<()> {
    let piece = Ok(Bytes::from(vec![7; 700_000]));
    let body = stream::iter([piece]).chain(stream::pending()).boxed();
    let (node, meta) = (Arc::clone(node), SnapshotMeta { digest: [7; 32], ..meta.clone() });
    tokio::spawn(async move { node.put_snapshot(meta, body).await.unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn remains_of_broken_uploads_are_swept_when_they_are_old() {
    let server = TestServer::start();
    let patient = JetStream::connect(server.options()).await.unwrap();
    let removed = put(&patient, 1).await;
    patient.remove_snapshot(&removed).await.unwrap();
    let upload = broken_upload(&removed, &patient);
    let admin = server.admin().await;
    let bucket = || admin.get_stream("OBJ_ha_replication_snapshots");
    while bucket().await.unwrap().cached_info().state.bytes < 400_000 {
        tokio::task::yield_now().await;
    }
    upload.abort();
    // What is young may be an upload under way.
    let kept = put(&patient, 2).await;
    assert!(bucket().await.unwrap().cached_info().state.bytes > kept.bytes + 400_000);
    let eager = Options { orphan_age: Duration::ZERO, ..server.options() };
    let eager = JetStream::connect(eager).await.unwrap();
    let newest = put(&eager, 3).await;
    let mut subjects = bucket().await.unwrap().info_with_subjects("$O.>").await.unwrap();
    let mut count = 0;
    while subjects.try_next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 4, "two snapshots, each with its pieces and its description");
    assert_eq!(eager.snapshots().await.unwrap(), [newest.clone(), kept.clone()]);
    for meta in [newest, kept] {
        let body: Vec<Bytes> =
            patient.get_snapshot(&meta).await.unwrap().try_collect().await.unwrap();
        assert_eq!(body.concat().len() as u64, meta.bytes);
    }
}
