//! What the checks are written with.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use ha_core::{
    AppendError, Appended, AttemptId, ChangeTransport, Delivery, Draft, Lineage, Result,
    RunningHash, Seq, SnapshotMeta, Stored,
};
use sha2::{Digest, Sha256};

pub(crate) type Subscription = BoxStream<'static, Result<Delivery>>;

/// Says that a check does not apply.
#[expect(clippy::print_stderr, reason = "a skipped check must be seen in the test's output")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Returns from a check that needs a capability which the transport lacks.
macro_rules! needs {
    ($transport:expr, $capability:ident) => {
        if !$transport.capabilities().$capability {
            $crate::probe::skipped(concat!("the transport is not ", stringify!($capability)));
            return;
        }
    };
}
pub(crate) use needs;

/// An attempt that was never made before.
pub(crate) fn attempt() -> AttemptId {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    AttemptId { boot: std::process::id().into(), counter: COUNTER.fetch_add(1, Ordering::Relaxed) }
}

/// Whether an append told that its condition does not hold. One of several servers cannot
/// prove that another has not stored the entry: there it is unknown.
pub(crate) fn is_refusal(transport: &dyn ChangeTransport, error: &AppendError) -> bool {
    let several = !transport.capabilities().exact_bounds;
    match error {
        AppendError::Refused { .. } => true,
        AppendError::Unknown { .. } => several,
        _ => false,
    }
}

/// Whether an entry that was refused has the place after `last` nevertheless.
pub(crate) async fn landed(transport: &dyn ChangeTransport, last: Seq, part: &[u8]) -> bool {
    let stored = transport.read(last.next()).await.expect("read");
    stored.is_some_and(|stored| stored.payload == part)
}

/// An entry of one part, with a new attempt.
pub(crate) fn draft(expect: Option<Seq>, payload: impl Into<Bytes>) -> Draft {
    Draft { expect, attempt: attempt(), parts: vec![payload.into()] }
}

/// Appends unconditionally and gives the sequence.
pub(crate) async fn put(transport: &dyn ChangeTransport, payload: impl Into<Bytes>) -> Seq {
    let appended = transport.append(draft(None, payload)).await.expect("append");
    assert_eq!(appended.first, appended.last, "one part takes one sequence");
    appended.last
}

/// Appends the payloads `0`, `1`, … unconditionally and gives the last sequence.
pub(crate) async fn put_numbers(transport: &dyn ChangeTransport, count: usize) -> Seq {
    for number in 0..count {
        put(transport, number.to_string()).await;
    }
    end(transport).await
}

/// Where the log ends.
pub(crate) async fn end(transport: &dyn ChangeTransport) -> Seq {
    transport.bounds().await.expect("bounds").last
}

/// An append that succeeded took the places right after `expect`.
pub(crate) fn assert_follows(appended: Appended, expect: Seq, parts: u64) {
    let places = Appended { first: expect.next(), last: Seq(expect.0 + parts) };
    assert_eq!(appended, places);
}

/// The next entries, whatever else the subscription tells in between.
pub(crate) async fn take(subscription: &mut Subscription, count: usize) -> Vec<Stored> {
    let mut entries = Vec::new();
    while entries.len() < count {
        match subscription.next().await.expect("the subscription goes on").expect("delivery") {
            Delivery::Entry(entry) => entries.push(entry),
            Delivery::Reconnected(_) => {}
        }
    }
    entries
}

/// Asserts that entries start at `first` and leave no gap.
pub(crate) fn assert_gapless(entries: &[Stored], first: Seq) {
    for (place, entry) in (first.0..).zip(entries) {
        assert_eq!(entry.seq, Seq(place), "sequences grow by one");
    }
}

/// What describes `body` as the snapshot at `seq`.
pub(crate) fn snapshot_meta(lineage: Lineage, seq: Seq, body: &[u8]) -> SnapshotMeta {
    SnapshotMeta {
        digest: Sha256::digest(body).into(),
        bytes: body.len() as u64,
        lineage,
        seq,
        hash: RunningHash::default().extend(seq, b"state"),
    }
}

/// Bytes that do not repeat within `len`, different for each seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 16).to_le_bytes()[..4]);
    }
    bytes.truncate(len);
    bytes
}
