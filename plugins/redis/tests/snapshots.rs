//! What broken uploads and deletions leave.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::join;
use futures::stream::{self, StreamExt};
use futures::{FutureExt, TryStreamExt};
use ha_core::{ChangeTransport, Error, RunningHash, Seq, SnapshotMeta};
use sha2::{Digest, Sha256};
use support::proxy::Proxy;
use support::{TestServer, open, until};

const BODY: usize = 3 << 20;

async fn meta(node: &ha_redis::Redis) -> SnapshotMeta {
    let body = vec![7; BODY];
    SnapshotMeta {
        digest: Sha256::digest(&body).into(),
        bytes: BODY as u64,
        lineage: node.bounds().await.unwrap().lineage,
        seq: Seq(1),
        hash: RunningHash::default(),
    }
}

fn body() -> Bytes {
    Bytes::from(vec![7; BODY])
}

async fn pieces(server: &TestServer) -> Vec<String> {
    server.ask("KEYS ha_replication:snapshot:*").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_leaves_nothing() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let broken = Error::Corrupt("the source broke off".to_owned());
    let torn = stream::iter([Ok(body().slice(..2 << 20)), Err(broken)]).boxed();
    node.put_snapshot(meta(&node).await, torn).await.unwrap_err();
    assert_eq!(pieces(&server).await, Vec::<String>::new());
}

/// What is stored is read back before it is listed: the log is trimmed by what is listed.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_has_changed_meanwhile_is_never_listed() {
    let server = Arc::new(TestServer::start().await);
    let node = server.open().await;
    let meta = meta(&node).await;
    let harming = Arc::clone(&server);
    let end = stream::once(async move {
        let key = pieces(&harming).await.remove(0);
        let _: i64 = harming.ask(&format!("HSET {key} 0 other")).await;
        Ok(Bytes::new())
    });
    let body = stream::iter([Ok(body())]).chain(end).boxed();
    let error = node.put_snapshot(meta, body).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert_eq!(node.snapshots().await.unwrap(), []);
    assert_eq!(pieces(&server).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_given_up_is_forgotten_by_the_server() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let meta = meta(&node).await;
    let endless = stream::iter([Ok(body().slice(..2 << 20))]).chain(stream::pending()).boxed();
    let mut upload = Box::pin(node.put_snapshot(meta.clone(), endless));
    until("a piece", async || {
        assert!((&mut upload).now_or_never().is_none());
        !pieces(&server).await.is_empty()
    })
    .await;
    drop(upload);
    assert_eq!(node.snapshots().await.unwrap(), []);
    let orphan = pieces(&server).await.remove(0);
    let seconds: i64 = server.ask(&format!("TTL {orphan}")).await;
    assert!((1..=3600).contains(&seconds), "{seconds}");

    node.put_snapshot(meta, stream::iter([Ok(body())]).boxed()).await.unwrap();
    for key in pieces(&server).await {
        let seconds: i64 = server.ask(&format!("TTL {key}")).await;
        assert_eq!(seconds == -1, key != orphan, "what is listed stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_stored_again_may_still_be_read_from_before() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let meta = meta(&node).await;
    node.put_snapshot(meta.clone(), stream::iter([Ok(body())]).boxed()).await.unwrap();
    let mut reading = node.get_snapshot(&meta).await.unwrap();
    let start = reading.try_next().await.unwrap().unwrap();
    node.put_snapshot(meta.clone(), stream::iter([Ok(body())]).boxed()).await.unwrap();
    let rest = reading.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
    assert_eq!([&start[..], &rest].concat(), body());
    assert_eq!(pieces(&server).await.len(), 2);
    node.remove_snapshot(&meta).await.unwrap();
    for key in pieces(&server).await {
        let seconds: i64 = server.ask(&format!("TTL {key}")).await;
        assert!(seconds > 0, "what was replaced is forgotten later");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_changed_or_deleted_is_an_error() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let meta = meta(&node).await;
    node.put_snapshot(meta.clone(), stream::iter([Ok(body())]).boxed()).await.unwrap();
    let key = pieces(&server).await.remove(0);
    for harm in [format!("HSET {key} 2 other"), format!("HDEL {key} 1")] {
        let _: i64 = server.ask(&harm).await;
        let read = node.get_snapshot(&meta).await.unwrap().try_collect::<Vec<_>>().await;
        assert!(matches!(read, Err(Error::Corrupt(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_otherwise_than_it_was_sent_is_not_listed() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let meta = meta(&node).await;
    let (sender, sent) = mpsc::unbounded();
    let harm = async {
        sender.unbounded_send(Ok(body().slice(..2 << 20))).unwrap();
        until("a piece", async || !pieces(&server).await.is_empty()).await;
        let key = pieces(&server).await.remove(0);
        let _: i64 = server.ask(&format!("HSET {key} 0 other")).await;
        sender.unbounded_send(Ok(body().slice(2 << 20..))).unwrap();
        sender.close_channel();
    };
    let (stored, ()) = join(node.put_snapshot(meta, sent.boxed()), harm).await;
    let error = stored.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert_eq!(node.snapshots().await.unwrap(), []);
    assert_eq!(pieces(&server).await, Vec::<String>::new());
}

/// The server lists it, and then refuses the rest: another snapshot's pieces are none of this
/// user's.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_may_be_listed_keeps_its_pieces() {
    let server = TestServer::start().await;
    let meta = meta(&*server.open().await).await;
    let digest = hex::encode(meta.digest);
    let _: i64 = server.ask(&format!("HSET ha_replication:snapshots {digest} elsewhere")).await;
    let own = format!(":snapshot:{digest}.*");
    let keys = ["", ":state", ":attempts", ":snapshots", ":snapshot:", &own];
    let keys = keys.map(|key| format!("~ha_replication{key}")).join(" ");
    let _: () = server.ask(&format!("ACL SETUSER ha on >PASSWORD +@all {keys}")).await;
    let node = open(&format!("redis://ha:PASSWORD@127.0.0.1:{}", server.port)).await.unwrap();
    let sent = stream::iter([Ok(body())]).boxed();
    node.put_snapshot(meta.clone(), sent).await.unwrap_err();
    assert_eq!(node.snapshots().await.unwrap(), std::slice::from_ref(&meta));
    let read = node.get_snapshot(&meta).await.unwrap();
    let read = read.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
    assert!(read == body(), "what is listed can be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_stored_while_it_is_removed_is_listed_or_leaves_nothing() {
    let server = TestServer::start().await;
    let proxy = Proxy::start(server.port).await;
    let (node, other) = (open(&proxy.url()).await.unwrap(), server.open().await);
    let meta = meta(&other).await;
    // What removes it is known to the server from now on.
    node.remove_snapshot(&meta).await.unwrap();
    other.put_snapshot(meta.clone(), stream::iter([Ok(body())]).boxed()).await.unwrap();
    let _: () = server.ask("CONFIG RESETSTAT").await;
    proxy.hold_answers(true);
    let (removes, removed) = (Arc::clone(&node), meta.clone());
    let removing = tokio::spawn(async move { removes.remove_snapshot(&removed).await });
    until("the removal", async || {
        server.ask::<String>("INFO commandstats").await.contains("cmdstat_hget:")
    })
    .await;
    other.put_snapshot(meta.clone(), stream::iter([Ok(body())]).boxed()).await.unwrap();
    proxy.hold_answers(false);
    removing.await.unwrap().unwrap();
    assert_eq!(other.snapshots().await.unwrap(), [meta]);
    assert_eq!(pieces(&server).await.len(), 1);
}
