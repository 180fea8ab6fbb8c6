//! Closing, and what a transport says of itself.

use futures::StreamExt;
use futures::stream;
use ha_core::{AppendError, Delivery, Error};

use crate::TransportFixture;
use crate::probe::{draft, needs, put, snapshot_meta, take};

/// Subscriptions end when their transport is closed, also those that wait.
pub async fn closing_ends_subscriptions(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let next = node.bounds().await.expect("bounds").last.next();
    let mut waiting = node.subscribe(next).await.expect("subscribe");
    let waiter = tokio::spawn(async move {
        while let Some(delivery) = waiting.next().await {
            assert!(matches!(delivery, Ok(Delivery::Reconnected(_)) | Err(_)), "{delivery:?}");
        }
    });
    node.close().await.expect("close");
    waiter.await.expect("the subscription ended");
}

/// Closing again does nothing.
pub async fn closing_twice_is_no_error(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    node.close().await.expect("close");
    node.close().await.expect("close again");
}

/// Every call on a closed transport fails with `Closed`.
pub async fn a_closed_transport_says_so(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let bounds = node.bounds().await.expect("bounds");
    let meta = snapshot_meta(bounds.lineage, bounds.last, b"");
    node.close().await.expect("close");
    let appended = node.append(draft(Some(bounds.last), "late")).await;
    assert_eq!(appended, Err(AppendError::Closed));
    assert_eq!(node.subscribe(bounds.last.next()).await.err(), Some(Error::Closed));
    assert_eq!(node.read(bounds.last.next()).await, Err(Error::Closed));
    assert_eq!(node.bounds().await, Err(Error::Closed));
    assert_eq!(node.trim(bounds.first).await, Err(Error::Closed));
    assert_eq!(node.snapshots().await, Err(Error::Closed));
    assert_eq!(node.get_snapshot(&meta).await.err(), Some(Error::Closed));
    assert_eq!(node.remove_snapshot(&meta).await, Err(Error::Closed));
    let put = node.put_snapshot(meta, stream::empty().boxed()).await;
    assert_eq!(put, Err(Error::Closed));
}

/// Closing one node's transport leaves the others and the log alone.
pub async fn other_nodes_go_on(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, replicated);
    let closed = fixture.join(&guard).await;
    let seq = put(&*closed, "before").await;
    let mut subscription = node.subscribe(seq).await.expect("subscribe");
    closed.close().await.expect("close");
    put(&*node, "after").await;
    assert_eq!(take(&mut subscription, 2).await[1].payload, "after");
}

/// A transport has a name that people recognise.
pub async fn display_names_the_transport(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    assert!(node.to_string().len() > 3, "{node}");
}
