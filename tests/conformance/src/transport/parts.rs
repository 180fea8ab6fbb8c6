//! Entries of several parts.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::poll;
use ha_core::{AppendError, ChangeTransport, Draft, Seq};

use crate::TransportFixture;
use crate::probe::{
    assert_follows, assert_gapless, attempt, end, is_refusal, landed, needs, noise, put, skipped,
    take,
};

/// An entry with a new attempt.
fn entry(expect: Option<Seq>, parts: Vec<Bytes>) -> Draft {
    Draft { expect, attempt: attempt(), parts }
}

/// Parts that are all different.
fn numbers(count: u32) -> Vec<Bytes> {
    (0..count).map(|part| Bytes::from(part.to_string())).collect()
}

/// How many parts a check may use that wants `count`; `None`, with a word, if that is one.
fn parts_for(node: &dyn ChangeTransport, count: u32) -> Option<u32> {
    let taken = node.capabilities().max_parts.min(count);
    if taken < 2 {
        skipped("the transport takes entries of one part");
        return None;
    }
    Some(taken)
}

/// What is stored from `first` on, seen by a reader, one by one and by a subscription.
async fn assert_stored(node: &dyn ChangeTransport, first: Seq, parts: &[Bytes]) {
    if !node.capabilities().readable {
        return;
    }
    let mut subscription = node.subscribe(first).await.expect("subscribe");
    let stored = take(&mut subscription, parts.len()).await;
    assert_gapless(&stored, first);
    assert!(stored.iter().map(|entry| &entry.payload).eq(parts));
    for stored in stored.into_iter().take(20) {
        assert_eq!(node.read(stored.seq).await.expect("read"), Some(stored));
    }
}

/// Parts take consecutive places, in their order, with a condition and without one; the log
/// goes on after them.
pub async fn an_entry_of_several_parts_is_stored_as_one(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let Some(count) = parts_for(&*node, 3) else { return };
    let mut subscription = node.subscribe(end(&*node).await.next()).await.expect("subscribe");
    for conditional in [true, false] {
        let last = end(&*node).await;
        let parts = numbers(count);
        let appended = node.append(entry(conditional.then_some(last), parts.clone())).await;
        let appended = appended.expect("append");
        assert_follows(appended, last, count.into());
        assert_eq!(end(&*node).await, appended.last);
        assert_stored(&*node, appended.first, &parts).await;
        if node.capabilities().readable {
            let seen = take(&mut subscription, parts.len()).await;
            assert_gapless(&seen, appended.first);
            assert!(seen.into_iter().map(|entry| entry.payload).eq(parts));
        }
    }
    let last = end(&*node).await;
    let next = node.append(entry(Some(last), numbers(1))).await.expect("append");
    assert_follows(next, last, 1);
}

/// [`ha_core::Capabilities::max_parts`] is true; one part more is too large, as a whole.
pub async fn the_most_parts_fit_and_more_do_not(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let limit = node.capabilities().max_parts;
    if limit > 10_000 {
        return skipped("parts are practically unlimited");
    }
    let last = end(&*node).await;
    let error = node.append(entry(Some(last), numbers(limit + 1))).await.expect_err("too many");
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error:?}");
    assert_eq!(end(&*node).await, last, "nothing was stored");
    let appended = node.append(entry(Some(last), numbers(limit))).await.expect("append");
    assert_follows(appended, last, limit.into());
    assert_stored(&*node, appended.first, &numbers(limit)).await;
}

/// An entry with one part too large is not stored at all, wherever the part is.
pub async fn one_part_too_large_is_enough(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let limit = node.capabilities().max_part_bytes;
    if limit > 64 << 20 {
        return skipped("parts are practically unlimited");
    }
    let Some(count) = parts_for(&*node, 3) else { return };
    let last = end(&*node).await;
    for place in 0..count as usize {
        let mut parts = numbers(count);
        parts[place] = noise(limit + 1, 1).into();
        let error = node.append(entry(Some(last), parts)).await;
        assert_eq!(error, Err(AppendError::TooLarge { size: limit + 1, limit }));
        assert_eq!(end(&*node).await, last, "nothing was stored");
    }
}

/// Many of the largest parts come back byte for byte.
pub async fn an_entry_may_be_far_larger_than_a_part(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let size = node.capabilities().max_part_bytes.min(1 << 20);
    let Some(count) = parts_for(&*node, 12) else { return };
    let last = end(&*node).await;
    let parts: Vec<_> = (0..count.into()).map(|part| Bytes::from(noise(size, part))).collect();
    let appended = node.append(entry(Some(last), parts.clone())).await.expect("append");
    assert_follows(appended, last, count.into());
    assert_stored(&*node, appended.first, &parts).await;
}

/// An entry made on another end is refused with all its parts.
pub async fn a_condition_counts_for_all_parts(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let Some(count) = parts_for(&*node, 3) else { return };
    let start = end(&*node).await;
    put(&*node, "first").await;
    let last = put(&*node, "second").await;
    for expect in [start, last.next(), Seq(last.0 + u64::from(count))] {
        let error = node.append(entry(Some(expect), numbers(count))).await.expect_err("refused");
        assert!(is_refusal(&*node, &error), "{error:?}");
        if let AppendError::Refused { last: Some(told) } = error {
            assert_eq!(told, last);
        }
        assert_eq!(end(&*node).await, last, "nothing was stored");
    }
    let appended = node.append(entry(Some(last), numbers(count))).await.expect("append");
    assert_follows(appended, last, count.into());
}

/// Writers of entries with different numbers of parts race: no entry is cut by another, none
/// is lost.
pub async fn concurrent_entries_are_not_mixed(fixture: &impl TransportFixture) {
    const EACH: usize = 8;
    let (guard, first) = fixture.open().await;
    needs!(first, replicated);
    let Some(most) = parts_for(&*first, 4) else { return };
    let writers = [Arc::clone(&first), Arc::clone(&first), fixture.join(&guard).await];
    let start = end(&*first).await;
    let tasks = writers.iter().enumerate().map(|(name, node)| {
        tokio::spawn(race(Arc::clone(node), format!("writer {name}"), most, EACH))
    });
    let mut won: Vec<(Seq, Vec<Bytes>)> = Vec::new();
    for task in join_all(tasks).await {
        won.extend(task.expect("the writer does not panic"));
    }
    won.sort();
    let mut next = start.next();
    let mut parts = Vec::new();
    for (first, entry) in won {
        assert_eq!(first, next, "entries follow each other");
        next = Seq(next.0 + entry.len() as u64);
        parts.extend(entry);
    }
    assert_eq!(end(&*first).await.next(), next, "nothing else was stored");
    assert_stored(&*first, start.next(), &parts).await;
}

/// Appends until `count` entries of 1 to `most` parts were won.
async fn race(
    node: Arc<dyn ChangeTransport>,
    name: String,
    most: u32,
    count: usize,
) -> Vec<(Seq, Vec<Bytes>)> {
    let mut won = Vec::new();
    while won.len() < count {
        let last = end(&*node).await;
        let parts: Vec<Bytes> = (0..=won.len() as u32 % most)
            .map(|part| Bytes::from(format!("{name}, entry {}, part {part}", won.len())))
            .collect();
        match node.append(entry(Some(last), parts.clone())).await {
            Ok(appended) => {
                assert_follows(appended, last, parts.len() as u64);
                won.push((appended.first, parts));
            }
            Err(error) => {
                assert!(is_refusal(&*node, &error), "{error:?}");
                if landed(&*node, last, &parts[0]).await {
                    won.push((last.next(), parts));
                }
            }
        }
    }
    won
}

/// The same attempt again stores nothing; it succeeds only at the place of the first.
pub async fn a_repeated_entry_of_parts_is_stored_once(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let Some(count) = parts_for(&*node, 3) else { return };
    let start = end(&*node).await;
    let draft = entry(Some(start), numbers(count));
    let stored = node.append(draft.clone()).await.expect("append");
    assert_follows(stored, start, count.into());
    for _ in 0..2 {
        match node.append(draft.clone()).await {
            Ok(again) => assert_eq!(again, stored),
            Err(AppendError::Refused { .. } | AppendError::Unknown { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(end(&*node).await, stored.last, "nothing else was stored");
    }
    assert_stored(&*node, stored.first, &numbers(count)).await;
}

/// An append that is dropped on its way stores all parts or none, once.
pub async fn a_dropped_entry_of_parts_is_whole_or_absent(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let Some(count) = parts_for(&*node, 3) else { return };
    for polls in 1..6 {
        let start = end(&*node).await;
        let whole = Seq(start.0 + u64::from(count));
        let draft = entry(Some(start), numbers(count));
        drop_after(node.append(draft.clone()), polls).await;
        while let Err(error) = node.append(draft.clone()).await {
            assert!(!matches!(error, AppendError::TooLarge { .. }), "{error:?}");
            // It was stored at its first sending.
            if end(&*node).await >= whole {
                break;
            }
        }
        assert_eq!(end(&*node).await, whole, "stored once");
        assert_stored(&*node, start.next(), &numbers(count)).await;
    }
}

/// Polls so many times, with time for others in between, and drops.
async fn drop_after(work: impl Future, polls: usize) {
    let mut work = Box::pin(work);
    for _ in 0..polls {
        if poll!(&mut work).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
