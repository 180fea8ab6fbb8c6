//! Snapshots that the store has lost parts of.

mod support;

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ha_core::{ChangeTransport, Error, RunningHash, Seq, SnapshotMeta};
use ha_jetstream::{JetStream, Options};
use sha2::{Digest, Sha256};
use support::TestServer;

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
    let options = Options { timeout: Duration::from_secs(1), ..server.options() };
    let node = JetStream::connect(options).await.unwrap();
    let meta = put(&node, 1).await;
    let bucket = server.admin().await.get_stream("OBJ_ha_replication_snapshots").await.unwrap();
    bucket.delete_message(2).await.unwrap();
    let body = node.get_snapshot(&meta).await.unwrap();
    let read: Result<Vec<Bytes>, Error> = body.try_collect().await;
    assert!(matches!(read, Err(Error::Transport { .. })));
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
