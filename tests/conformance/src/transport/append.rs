//! Storing entries.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use ha_core::{AppendError, ChangeTransport, Draft, Seq};

use crate::TransportFixture;
use crate::probe::{
    assert_follows, draft, end, is_refusal, landed, needs, noise, put, skipped, take,
};

/// Each entry takes the next sequence.
pub async fn entries_are_numbered_without_gaps(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let mut last = end(&*node).await;
    for number in 0..20 {
        let appended = node.append(draft(Some(last), format!("entry {number}"))).await;
        assert_follows(appended.expect("append"), last, 1);
        last = last.next();
    }
    assert_eq!(end(&*node).await, last);
}

/// An entry made on an older or newer end is refused and leaves no trace.
pub async fn a_condition_that_holds_no_longer_is_refused(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let start = end(&*node).await;
    put(&*node, "first").await;
    let last = put(&*node, "second").await;
    // Before the last entry nobody but a log of several nodes has to refuse.
    let before = if node.capabilities().replicated { Seq(last.0 - 1) } else { start };
    for expect in [start, before, last.next()] {
        let error = node.append(draft(Some(expect), "stale")).await.expect_err("refused");
        assert!(is_refusal(&*node, &error), "{error:?}");
        if let AppendError::Refused { last: Some(told) } = error {
            assert_eq!(told, last);
        }
    }
    assert_eq!(end(&*node).await, last);
    let appended = node.append(draft(Some(last), "fresh")).await.expect("append");
    assert_follows(appended, last, 1);
}

/// Writers that race on the same end: one of them wins each place, the others are refused,
/// and every winner's entry is where it was told.
pub async fn concurrent_writers_lose_nothing(fixture: &impl TransportFixture) {
    const EACH: usize = 15;
    let (guard, first) = fixture.open().await;
    needs!(first, replicated);
    let writers = [Arc::clone(&first), Arc::clone(&first), fixture.join(&guard).await];
    let start = end(&*first).await;
    let tasks = writers
        .iter()
        .enumerate()
        .map(|(name, node)| tokio::spawn(race(Arc::clone(node), name, EACH)));
    let mut won: Vec<(Seq, String)> = Vec::new();
    for task in join_all(tasks).await {
        won.extend(task.expect("the writer does not panic"));
    }
    won.sort();
    let places: Vec<u64> = won.iter().map(|(seq, _)| seq.0 - start.0).collect();
    assert_eq!(places, (1..=(writers.len() * EACH) as u64).collect::<Vec<_>>());
    assert_eq!(end(&*first).await.0, start.0 + places.len() as u64, "nothing else was stored");
    let mut subscription = first.subscribe(start.next()).await.expect("subscribe");
    let stored = take(&mut subscription, won.len()).await;
    let stored = stored.into_iter().map(|entry| (entry.seq, entry.payload));
    assert!(stored.eq(won.into_iter().map(|(seq, payload)| (seq, Bytes::from(payload)))));
}

/// Appends until `count` entries were won.
async fn race(node: Arc<dyn ChangeTransport>, name: usize, count: usize) -> Vec<(Seq, String)> {
    let mut won = Vec::new();
    while won.len() < count {
        let last = end(&*node).await;
        let payload = format!("{name}/{}", won.len());
        match node.append(draft(Some(last), payload.clone())).await {
            Ok(appended) => {
                assert_follows(appended, last, 1);
                won.push((appended.last, payload));
            }
            Err(error) => {
                assert!(is_refusal(&*node, &error), "{error:?}");
                if landed(&*node, last, payload.as_bytes()).await {
                    won.push((last.next(), payload));
                }
            }
        }
    }
    won
}

/// Without a condition nobody is refused.
pub async fn unconditional_appends_all_succeed(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let start = end(&*node).await;
    let appends = (0..30).map(|number| node.append(draft(None, format!("{number}"))));
    let mut places: Vec<u64> = join_all(appends)
        .await
        .into_iter()
        .map(|appended| appended.expect("append").last.0 - start.0)
        .collect();
    places.sort_unstable();
    assert_eq!(places, (1..=30).collect::<Vec<_>>());
}

/// The same attempt again does not store a second entry; it succeeds only at the place of
/// the first.
pub async fn a_repeated_attempt_is_stored_once(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let start = end(&*node).await;
    for expect in [Some(start), None] {
        let last = end(&*node).await;
        let entry = Draft { expect, ..draft(None, "once") };
        let stored = node.append(entry.clone()).await.expect("append");
        assert_follows(stored, last, 1);
        if expect.is_none() && !node.capabilities().replicated {
            return skipped("an unconditional attempt is named for replication only");
        }
        if let Ok(again) = node.append(entry).await {
            assert_eq!(again, stored);
        }
        assert_eq!(end(&*node).await, stored.last, "nothing else was stored");
    }
}

/// An append whose future is dropped is stored or not, once, and the log stays usable.
pub async fn a_dropped_append_is_harmless(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let start = end(&*node).await;
    let entry = draft(Some(start), "dropped");
    // Polled once: handed over, perhaps, and not waited for.
    drop(node.append(entry.clone()).now_or_never());
    let settled = loop {
        match node.append(entry.clone()).await {
            Ok(appended) => break appended.last,
            // It was stored at its first sending.
            Err(_) if end(&*node).await > start => break start.next(),
            Err(_) => {}
        }
    };
    assert_eq!(settled, start.next());
    assert_eq!(end(&*node).await, start.next(), "stored once");
    put(&*node, "next").await;
}

/// Payloads come back byte for byte: empty, zeros, no UTF-8, line ends.
pub async fn payloads_are_opaque(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    let all_bytes: Vec<u8> = (0..=255).collect();
    let payloads: [&[u8]; 6] = [b"", b"\0", b"\xff\xfe", b"\r\n+OK\r\nMSG", &all_bytes, b"{}"];
    let mut subscription = node.subscribe(Seq(1)).await.expect("subscribe");
    for payload in payloads {
        let seq = put(&*node, Bytes::copy_from_slice(payload)).await;
        let read = node.read(seq).await.expect("read").expect("stored");
        assert_eq!(read.payload, payload);
    }
    let delivered = take(&mut subscription, payloads.len()).await;
    assert!(delivered.iter().map(|entry| &*entry.payload).eq(payloads));
}

/// [`ha_core::Capabilities::max_part_bytes`] is true to the byte.
pub async fn the_largest_part_fits_and_a_larger_one_does_not(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let limit = node.capabilities().max_part_bytes;
    if limit > 64 << 20 {
        return skipped("parts are practically unlimited");
    }
    let last = end(&*node).await;
    let too_large = node.append(draft(Some(last), noise(limit + 1, 1))).await;
    assert_eq!(too_large, Err(AppendError::TooLarge { size: limit + 1, limit }));
    assert_eq!(end(&*node).await, last, "nothing was stored");
    let largest = Bytes::from(noise(limit, 2));
    let seq = node.append(draft(Some(last), largest.clone())).await.expect("append").last;
    if node.capabilities().readable {
        let mut subscription = node.subscribe(seq).await.expect("subscribe");
        assert_eq!(take(&mut subscription, 1).await[0].payload, largest);
        assert_eq!(node.read(seq).await.expect("read").expect("stored").payload, largest);
    }
}
