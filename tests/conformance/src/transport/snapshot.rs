//! Snapshots.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::{self, Either};
use futures::stream::{self, StreamExt};
use ha_core::{ByteStream, ChangeTransport, Error, Seq, SnapshotMeta};

use crate::TransportFixture;
use crate::probe::{needs, noise, snapshot_meta};

/// The body in chunks of odd sizes.
fn chunks(body: &[u8]) -> ByteStream {
    let chunks: Vec<_> =
        body.chunks(77_777).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

async fn describe(node: &dyn ChangeTransport, seq: u64, body: &[u8]) -> SnapshotMeta {
    snapshot_meta(node.bounds().await.expect("bounds").lineage, Seq(seq), body)
}

async fn fetch(node: &dyn ChangeTransport, meta: &SnapshotMeta) -> Vec<u8> {
    let body = node.get_snapshot(meta).await.expect("get");
    body.map_ok(|chunk| chunk.to_vec()).try_concat().await.expect("read")
}

/// Another node gets the bytes and the description that were stored, of empty, small and
/// large bodies.
pub async fn a_snapshot_survives_a_round_trip(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, snapshots);
    assert_eq!(node.snapshots().await.expect("list"), []);
    let peer = fixture.join(&guard).await;
    for (seq, len) in [(1, 0), (2, 1), (3, 3 << 20)] {
        let body = noise(len, seq);
        let meta = describe(&*node, seq, &body).await;
        node.put_snapshot(meta.clone(), chunks(&body)).await.expect("put");
        assert_eq!(peer.snapshots().await.expect("list")[0], meta);
        assert_eq!(fetch(&*peer, &meta).await, body);
    }
}

/// Snapshots are listed by position, whatever the order they were stored in.
pub async fn the_newest_snapshot_is_first(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, snapshots);
    for seq in [20, 3, 100] {
        let body = noise(1000, seq);
        let meta = describe(&*node, seq, &body).await;
        node.put_snapshot(meta, chunks(&body)).await.expect("put");
    }
    let listed = node.snapshots().await.expect("list");
    assert!(listed.iter().map(|meta| meta.seq).eq([Seq(100), Seq(20), Seq(3)]));
}

/// A body that breaks off, or is not what its description says, is an error and never listed.
pub async fn a_torn_snapshot_is_never_seen(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, snapshots);
    let body = noise(700_000, 1);
    let meta = describe(&*node, 1, &body).await;
    let broken = Error::Corrupt("the source broke off".to_owned());
    let torn = chunks(&body[..500_000]).chain(stream::iter([Err(broken)])).boxed();
    node.put_snapshot(meta.clone(), torn).await.expect_err("broke off");
    assert_eq!(node.snapshots().await.expect("list"), []);
    for wrong in [&body[..500_000], &noise(700_000, 2)] {
        let error = node.put_snapshot(meta.clone(), chunks(wrong)).await.expect_err("differs");
        assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
        assert_eq!(node.snapshots().await.expect("list"), []);
    }
    node.put_snapshot(meta.clone(), chunks(&body)).await.expect("put");
    assert_eq!(fetch(&*node, &meta).await, body);
}

/// A snapshot is listed only once it is known to be what its description says: not while it comes,
/// and not for a moment when the last byte of it, or its length, turns out to be another.
pub async fn a_snapshot_is_listed_only_once_it_is_verified(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, snapshots);
    let peer = fixture.join(&guard).await;
    let body = noise(1_500_000, 1);
    let meta = describe(&*node, 1, &body).await;
    let mut changed = body.clone();
    changed[1_499_999] ^= 1;
    let (longer, shorter) = (meta.bytes + 1, meta.bytes - 1);
    let wrong = [
        (meta.clone(), &changed),
        (SnapshotMeta { bytes: longer, ..meta.clone() }, &body),
        (SnapshotMeta { bytes: shorter, ..meta.clone() }, &body),
    ];
    for (meta, body) in wrong {
        let error = put_unseen(&*node, &peer, meta, body).await.expect_err("differs");
        assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
        assert_eq!(peer.snapshots().await.expect("list"), []);
    }
    node.put_snapshot(meta.clone(), chunks(&body)).await.expect("put");
    assert_eq!(peer.snapshots().await.expect("list"), std::slice::from_ref(&meta));
    assert_eq!(fetch(&*peer, &meta).await, body);
}

/// Stores what is not to be listed. A peer looks before each chunk, after the last, and until the
/// transport has answered.
async fn put_unseen(
    node: &dyn ChangeTransport,
    peer: &Arc<dyn ChangeTransport>,
    meta: SnapshotMeta,
    body: &[u8],
) -> Result<(), Error> {
    let watch = Watch { peer: Arc::clone(peer), seen: Arc::default() };
    let coming = (chunks(body), watch.clone());
    let coming = stream::unfold(coming, |(mut chunks, watch)| async move {
        watch.look().await;
        Some((chunks.next().await?, (chunks, watch)))
    });
    let watching = std::pin::pin!(watch.go_on());
    let stored = match future::select(node.put_snapshot(meta, coming.boxed()), watching).await {
        Either::Left((stored, _)) => stored,
        Either::Right((never, _)) => match never {},
    };
    assert!(!watch.seen.load(Ordering::Relaxed), "it was listed before it was verified");
    stored
}

/// Looks whether anything is listed.
#[derive(Clone)]
struct Watch {
    peer: Arc<dyn ChangeTransport>,
    seen: Arc<AtomicBool>,
}

impl Watch {
    async fn look(&self) {
        let is_listed = !self.peer.snapshots().await.expect("list").is_empty();
        self.seen.fetch_or(is_listed, Ordering::Relaxed);
    }

    async fn go_on(&self) -> Infallible {
        loop {
            self.look().await;
            tokio::task::yield_now().await;
        }
    }
}

/// Storing a snapshot again changes nothing, and no more does a broken body under its digest.
pub async fn a_snapshot_may_be_stored_twice(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, snapshots);
    let body = noise(600_000, 7);
    let meta = describe(&*node, 7, &body).await;
    for _ in 0..2 {
        node.put_snapshot(meta.clone(), chunks(&body)).await.expect("put");
        assert_eq!(node.snapshots().await.expect("list"), std::slice::from_ref(&meta));
        assert_eq!(fetch(&*node, &meta).await, body);
    }
    // Who has it already need not look at the body.
    let _ = node.put_snapshot(meta.clone(), chunks(&body[..500_000])).await;
    assert_eq!(node.snapshots().await.expect("list"), std::slice::from_ref(&meta));
    assert_eq!(fetch(&*node, &meta).await, body);
}

/// A snapshot that one node removes is gone for all, and only that one; removing one that is
/// gone is no error, and it may be stored again.
pub async fn a_removed_snapshot_is_gone(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, snapshots);
    let peer = fixture.join(&guard).await;
    let (old_body, new_body) = (noise(600_000, 1), noise(600_000, 2));
    let old = describe(&*node, 1, &old_body).await;
    let new = describe(&*node, 2, &new_body).await;
    node.remove_snapshot(&old).await.expect("nothing to remove");
    node.put_snapshot(old.clone(), chunks(&old_body)).await.expect("put");
    node.put_snapshot(new.clone(), chunks(&new_body)).await.expect("put");
    for _ in 0..2 {
        peer.remove_snapshot(&old).await.expect("remove");
        assert_eq!(node.snapshots().await.expect("list"), std::slice::from_ref(&new));
        assert!(node.get_snapshot(&old).await.is_err(), "it is gone");
    }
    assert_eq!(fetch(&*node, &new).await, new_body);
    node.put_snapshot(old.clone(), chunks(&old_body)).await.expect("put again");
    assert_eq!(node.snapshots().await.expect("list"), [new, old.clone()]);
    assert_eq!(fetch(&*peer, &old).await, old_body);
}

/// What one node has stored is there for every other at once, whichever replica it asks.
pub async fn a_stored_snapshot_is_there_for_everybody(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, snapshots);
    let peers = [fixture.join(&guard).await, fixture.join(&guard).await];
    let rounds = (1..=12).map(async |seq| {
        let body = noise(1_500_000, seq);
        let meta = describe(&*node, seq, &body).await;
        node.put_snapshot(meta.clone(), chunks(&body)).await.expect("put");
        for peer in &peers {
            assert!(peer.snapshots().await.expect("list").contains(&meta));
            assert_eq!(fetch(&**peer, &meta).await, body);
        }
        node.remove_snapshot(&meta).await.expect("remove");
    });
    stream::iter(rounds).buffer_unordered(4).collect::<()>().await;
}
