//! Following the log.

use futures::{StreamExt, poll};
use ha_core::{ChangeTransport, Delivery, Error, Seq};

use crate::TransportFixture;
use crate::probe::{Subscription, assert_gapless, needs, put, put_numbers, skipped, take};

async fn subscribe(node: &dyn ChangeTransport, from: Seq) -> Subscription {
    node.subscribe(from).await.expect("subscribe")
}

/// Entries arrive in the order of their sequences, without a gap.
pub async fn entries_arrive_in_order(fixture: &impl TransportFixture) {
    const COUNT: usize = 700;
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    let mut subscription = subscribe(&*node, Seq(1)).await;
    put_numbers(&*node, COUNT).await;
    let entries = take(&mut subscription, COUNT).await;
    assert_gapless(&entries, Seq(1));
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(entry.payload, number.to_string());
    }
}

/// Two nodes that both write see the same entries at the same places.
pub async fn two_nodes_see_the_same_order(fixture: &impl TransportFixture) {
    const EACH: usize = 40;
    let (guard, one) = fixture.open().await;
    needs!(one, replicated);
    let two = fixture.join(&guard).await;
    let (mut from_one, mut from_two) =
        (subscribe(&*one, Seq(1)).await, subscribe(&*two, Seq(1)).await);
    futures::join!(put_numbers(&*one, EACH), put_numbers(&*two, EACH));
    let seen = take(&mut from_one, 2 * EACH).await;
    assert_gapless(&seen, Seq(1));
    assert_eq!(seen, take(&mut from_two, 2 * EACH).await);
}

/// A node's own entries come back to it.
pub async fn own_entries_are_seen(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    let mut subscription = subscribe(&*node, Seq(1)).await;
    for payload in ["a", "b", "c"] {
        let seq = put(&*node, payload).await;
        let entry = take(&mut subscription, 1).await.remove(0);
        assert_eq!((entry.seq, &*entry.payload), (seq, payload.as_bytes()));
    }
}

/// Who comes late gets what was there before.
pub async fn a_late_subscriber_gets_everything(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, readable);
    put_numbers(&*node, 300).await;
    let late = fixture.join(&guard).await;
    assert_gapless(&take(&mut subscribe(&*late, Seq(1)).await, 300).await, Seq(1));
}

/// A subscription starts exactly where it is told.
pub async fn it_resumes_where_it_is_told(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    put_numbers(&*node, 10).await;
    for from in [1, 2, 7, 10] {
        let mut subscription = subscribe(&*node, Seq(from)).await;
        let rest = take(&mut subscription, 11 - from as usize).await;
        assert_gapless(&rest, Seq(from));
    }
}

/// A subscription from beyond the end yields nothing until the log gets there.
pub async fn it_waits_for_the_future(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    put(&*node, "1").await;
    let mut beyond = subscribe(&*node, Seq(4)).await;
    let mut beside = subscribe(&*node, Seq(2)).await;
    put_numbers(&*node, 4).await;
    take(&mut beside, 4).await;
    assert_gapless(&take(&mut beyond, 2).await, Seq(4));
}

/// A subscription to an empty log, readable or not, neither yields nor ends.
pub async fn an_empty_log_stays_pending(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let next = node.bounds().await.expect("bounds").last.next();
    let mut subscription = subscribe(&*node, next).await;
    assert!(poll!(subscription.next()).is_pending());
    // Another round trip leaves time for a wrong answer.
    node.bounds().await.expect("bounds");
    assert!(poll!(subscription.next()).is_pending());
    if node.capabilities().readable {
        put(&*node, "first").await;
        assert_gapless(&take(&mut subscription, 1).await, next);
    }
}

/// Entries that were trimmed are reported, at the start and to a subscription that lags.
pub async fn what_was_trimmed_is_an_error_not_a_gap(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, trim);
    put_numbers(&*node, 10).await;
    node.trim(Seq(6)).await.expect("trim");
    let error = node.subscribe(Seq(5)).await.err().expect("an error");
    assert_eq!(error, Error::Truncated { from: Seq(5), first: Seq(6) });
    assert_gapless(&take(&mut subscribe(&*node, Seq(6)).await, 5).await, Seq(6));
    node.trim(Seq(11)).await.expect("trim");
    let error = node.subscribe(Seq(10)).await.err().expect("an error");
    assert_eq!(error, Error::Truncated { from: Seq(10), first: Seq(11) });
    let mut empty = subscribe(&*node, Seq(11)).await;
    put(&*node, "after").await;
    assert_gapless(&take(&mut empty, 1).await, Seq(11));
}

/// A subscription that nobody reads stops neither writers nor other subscriptions, and loses
/// nothing.
pub async fn a_slow_subscriber_blocks_nobody(fixture: &impl TransportFixture) {
    const COUNT: usize = 1000;
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    let (mut slow, mut fast) = (subscribe(&*node, Seq(1)).await, subscribe(&*node, Seq(1)).await);
    put(&*node, "wake").await;
    take(&mut slow, 1).await;
    put_numbers(&*node, COUNT).await;
    assert_gapless(&take(&mut fast, COUNT + 1).await, Seq(1));
    assert_gapless(&take(&mut slow, COUNT).await, Seq(2));
}

/// Dropping subscriptions, read or not, disturbs nobody.
pub async fn a_dropped_subscription_leaves_the_others_alone(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    let mut kept = subscribe(&*node, Seq(1)).await;
    put_numbers(&*node, 5).await;
    for read in 0..20 {
        let mut dropped = subscribe(&*node, Seq(1)).await;
        take(&mut dropped, read % 4).await;
    }
    put_numbers(&*node, 5).await;
    assert_gapless(&take(&mut kept, 10).await, Seq(1));
}

/// After the connections were interrupted, subscriptions say so before the next entry, miss
/// nothing, and writes work again without anybody's help.
pub async fn an_interruption_is_told_and_leaves_no_gap(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, readable);
    let mut subscription = subscribe(&*node, Seq(1)).await;
    put_numbers(&*node, 3).await;
    take(&mut subscription, 3).await;
    if !fixture.interrupt(&guard).await {
        return skipped("the fixture cannot interrupt connections");
    }
    let Some(Ok(Delivery::Reconnected(bounds))) = subscription.next().await else {
        panic!("the interruption is told first");
    };
    assert_eq!((bounds.first, bounds.last), (Seq(1), Seq(3)));
    assert_eq!(bounds, node.bounds().await.expect("bounds"));
    while node.append(crate::probe::draft(Some(Seq(3)), "after")).await.is_err() {
        tokio::task::yield_now().await;
        if crate::probe::end(&*node).await > Seq(3) {
            break;
        }
    }
    assert_gapless(&take(&mut subscription, 1).await, Seq(4));
}
