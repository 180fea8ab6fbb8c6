//! What is stored, and where.

use ha_core::{Bounds, Error, Seq};

use crate::TransportFixture;
use crate::probe::{end, needs, put, put_numbers};

/// Reading gives the entry, `None` before it exists, and an error after it was trimmed.
pub async fn reading_tells_future_present_and_past_apart(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, readable);
    assert_eq!(node.read(Seq(1)).await.expect("read"), None);
    for (seq, payload) in [(1, "one"), (2, "two"), (3, "three")] {
        assert_eq!(put(&*node, payload).await, Seq(seq));
        let entry = node.read(Seq(seq)).await.expect("read").expect("stored");
        assert_eq!((entry.seq, &*entry.payload), (Seq(seq), payload.as_bytes()));
        assert_eq!(node.read(Seq(seq + 1)).await.expect("read"), None);
    }
    needs!(node, trim);
    node.trim(Seq(3)).await.expect("trim");
    let error = node.read(Seq(2)).await.expect_err("trimmed");
    assert_eq!(error, Error::Truncated { from: Seq(2), first: Seq(3) });
    assert!(node.read(Seq(3)).await.expect("read").is_some());
}

/// Bounds follow appends and trims; an append is in them once it is acknowledged.
pub async fn bounds_tell_the_extent(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    let empty = node.bounds().await.expect("bounds");
    assert_eq!(empty.first, empty.last.next(), "nothing is stored");
    needs!(node, readable);
    assert_eq!(empty.last, Seq::ZERO, "the log is new");
    for seq in 1..=5 {
        put(&*node, "entry").await;
        let bounds = node.bounds().await.expect("bounds");
        assert!(bounds.bytes >= 5 * seq, "{bounds:?}");
        let bytes = bounds.bytes;
        assert_eq!(bounds, Bounds { first: Seq(1), last: Seq(seq), bytes, ..empty });
    }
}

/// All nodes of a log name it alike, and two logs have different names.
pub async fn nodes_agree_on_the_lineage(fixture: &impl TransportFixture) {
    let (guard, node) = fixture.open().await;
    needs!(node, replicated);
    let peer = fixture.join(&guard).await;
    put(&*node, "entry").await;
    assert_eq!(node.bounds().await.expect("bounds"), peer.bounds().await.expect("bounds"));
    let (_other_guard, other) = fixture.open().await;
    let lineage = node.bounds().await.expect("bounds").lineage;
    assert_ne!(other.bounds().await.expect("bounds").lineage, lineage);
}

/// Trimming forgets what is before, and only that; the end does not move, wherever the trim
/// is told to stop.
pub async fn trimming_keeps_the_end(fixture: &impl TransportFixture) {
    let (_guard, node) = fixture.open().await;
    needs!(node, trim);
    let last = put_numbers(&*node, 5).await;
    let mut stored = node.bounds().await.expect("bounds").bytes;
    for (before, first) in [(0, 1), (1, 1), (3, 3), (2, 3), (6, 6), (100, 6)] {
        node.trim(Seq(before)).await.expect("trim");
        let bounds = node.bounds().await.expect("bounds");
        assert_eq!((bounds.first, bounds.last), (Seq(first), last), "trimmed before {before}");
        assert!(bounds.bytes <= stored, "what is trimmed takes no space");
        assert_eq!(bounds.bytes == 0, first == 6, "{bounds:?}");
        stored = bounds.bytes;
    }
    let appended = node.append(crate::probe::draft(Some(last), "next")).await.expect("append");
    assert_eq!(appended.last, last.next());
    assert_eq!(end(&*node).await, last.next());
}
