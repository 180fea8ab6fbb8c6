//! Which snapshot a database can become.

use std::sync::Arc;

use ha_changes::{BaseSnapshot, Kind};
use ha_core::{Bounds, ChangeTransport, Result, Seq, SnapshotMeta, Stored};

use crate::chain::{Chain, LOOK};
use crate::machine::Position;

/// What the log says of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fit {
    /// A later entry was made on exactly this state.
    Proven,
    /// Nothing is after it that would tell.
    Unproven,
    /// A later entry was made on another state, or the asking node has come there from one.
    Contradicted(Seq),
    /// It is what this entry says that the log begins with.
    Base(Box<BaseSnapshot>, Stored),
}

/// The snapshots from which the log can be followed without a gap, the newest first.
pub(super) fn candidates(
    mut snapshots: Vec<SnapshotMeta>,
    bounds: &Bounds,
    at_least: Seq,
) -> Vec<SnapshotMeta> {
    snapshots.retain(|meta| meta.lineage == bounds.lineage);
    without_gap(snapshots, bounds, at_least)
}

/// As [`candidates`], those of other lineages: the log may have had one of them when they were
/// taken. They have to be proven.
pub(super) fn of_other_lineages(
    mut snapshots: Vec<SnapshotMeta>,
    bounds: &Bounds,
    at_least: Seq,
) -> Vec<SnapshotMeta> {
    snapshots.retain(|meta| meta.lineage != bounds.lineage);
    without_gap(snapshots, bounds, at_least)
}

fn without_gap(
    mut snapshots: Vec<SnapshotMeta>,
    bounds: &Bounds,
    at_least: Seq,
) -> Vec<SnapshotMeta> {
    snapshots.retain(|meta| {
        meta.seq.next() >= bounds.first && meta.seq <= bounds.last && meta.seq >= at_least
    });
    snapshots.sort_by_key(|meta| std::cmp::Reverse(meta.seq));
    snapshots
}

/// Compares a snapshot with the entries after it, and with the place that a node has reached with them
/// if it follows the log: entries that are made on no state, or on an earlier one, stand after the
/// snapshots of two histories.
pub(super) async fn fit(
    transport: &Arc<dyn ChangeTransport>,
    meta: &SnapshotMeta,
    here: Option<&Position>,
) -> Result<Fit> {
    let SnapshotMeta { lineage, seq, hash, .. } = *meta;
    let mut chain = Chain::new(Position { lineage, seq, hash });
    let (mut next, mut found) = (meta.seq.next(), Fit::Unproven);
    // The end that the log has told may lie behind.
    while next.0 <= meta.seq.0 + LOOK {
        let Some(stored) = transport.read(next).await? else { break };
        if let Some(fit) = based(meta, &stored) {
            return Ok(fit);
        }
        match chain.see(&stored) {
            Some(true) => return Ok(Fit::Proven),
            // It may be this entry that is void.
            Some(false) if found == Fit::Unproven => found = Fit::Contradicted(stored.seq),
            Some(false) | None => {}
        }
        next = next.next();
    }
    let elsewhere = here.filter(|here| chain.passes(here) == Some(false));
    Ok(elsewhere.map_or(found, |here| Fit::Contradicted(here.seq)))
}

/// What a base that stands after the snapshot says of it, if the entry is one: whatever is before
/// a base, the state becomes the base's.
fn based(snapshot: &SnapshotMeta, stored: &Stored) -> Option<Fit> {
    let part = ha_changes::decode_part(&stored.payload).ok()?;
    let Kind::Base(base) = part.meta()?.kind else { return None };
    let is_it = base.digest == snapshot.digest;
    Some(if is_it { Fit::Base(Box::new(base), stored.clone()) } else { Fit::Unproven })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ha_changes::{Base, Entry, Meta};
    use ha_core::{AppendError, AttemptId, Draft, Lineage, RunningHash};
    use ha_memory::MemoryLog;

    use super::*;

    const LINEAGE: Lineage = Lineage([7; 8]);

    fn meta(seq: u64) -> SnapshotMeta {
        let digest = [u8::try_from(seq).unwrap(); 32];
        SnapshotMeta { digest, bytes: 1, lineage: LINEAGE, seq: Seq(seq), hash: hash() }
    }

    fn hash() -> RunningHash {
        RunningHash([3; 32])
    }

    fn bounds(first: u64, last: u64) -> Bounds {
        Bounds { lineage: LINEAGE, first: Seq(first), last: Seq(last), bytes: 0 }
    }

    fn entry(kind: Kind, seq: u64, hash: RunningHash) -> Bytes {
        let meta = Meta::new(
            AttemptId { boot: 1, counter: 1 },
            Base { lineage: LINEAGE, seq: Seq(seq), hash },
            kind,
        );
        let entry = Entry {
            node: "n".to_owned(),
            process_id: 1,
            timestamp_ns: 0,
            meta: Some(meta),
            changes: Vec::new(),
        };
        ha_changes::encode(&entry).unwrap().into()
    }

    #[test]
    fn only_what_leaves_no_gap_and_is_of_this_log_is_a_candidate() {
        let seqs = |first, last, at_least| -> Vec<u64> {
            let other = SnapshotMeta { lineage: Lineage([8; 8]), ..meta(6) };
            let all = vec![meta(3), meta(5), other, meta(9)];
            let found = candidates(all, &bounds(first, last), Seq(at_least));
            found.into_iter().map(|meta| meta.seq.0).collect()
        };
        assert_eq!(seqs(1, 20, 0), [9, 5, 3]);
        assert_eq!(seqs(6, 20, 0), [9, 5], "entry 6 continues snapshot 5");
        assert_eq!(seqs(7, 20, 0), [9]);
        assert_eq!(seqs(1, 8, 0), [5, 3], "of entries that the log has lost");
        assert_eq!(seqs(1, 20, 5), [9, 5]);
    }

    /// What a log says of the snapshot at its entry 2.
    async fn said(after: Vec<Bytes>) -> Fit {
        told(after, None).await
    }

    /// The same, to a node that stands `here`.
    async fn told(after: Vec<Bytes>, here: Option<&Position>) -> Fit {
        let log = MemoryLog::new();
        let transport: Arc<dyn ChangeTransport> = log.open();
        let mut payloads = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        payloads.extend(after);
        for (counter, payload) in (0..).zip(payloads) {
            let attempt = AttemptId { boot: 1, counter };
            let draft = Draft { expect: None, attempt, parts: vec![payload] };
            transport.append(draft).await.unwrap_or_else(|error: AppendError| panic!("{error}"));
        }
        fit(&transport, &meta(2), here).await.unwrap()
    }

    #[tokio::test]
    async fn the_first_later_entry_of_ours_tells_whether_a_snapshot_fits() {
        let foreign = Bytes::from_static(b"{\"changes\":[]}");
        assert_eq!(said(vec![]).await, Fit::Unproven);
        assert_eq!(said(vec![foreign.clone()]).await, Fit::Unproven);
        assert_eq!(said(vec![entry(Kind::Noop, 2, hash())]).await, Fit::Proven);
        let wrong = entry(Kind::Noop, 2, RunningHash([9; 32]));
        assert_eq!(said(vec![wrong]).await, Fit::Contradicted(Seq(3)));
        let wrong = entry(Kind::Noop, 2, RunningHash([9; 32]));
        let then = hash().extend(Seq(3), &wrong);
        let after = entry(Kind::Noop, 3, then);
        assert_eq!(said(vec![wrong, after]).await, Fit::Proven, "the one before is void");
        let then = hash().extend(Seq(3), &foreign);
        assert_eq!(said(vec![foreign.clone(), entry(Kind::Noop, 3, then)]).await, Fit::Proven);
        // A barrier may have been made on a state before the snapshot's.
        let early = entry(Kind::Noop, 1, RunningHash([9; 32]));
        let then = hash().extend(Seq(3), &early);
        assert_eq!(said(vec![early, entry(Kind::Noop, 3, then)]).await, Fit::Proven);
    }

    #[tokio::test]
    async fn where_a_node_has_come_from_another_state_no_snapshot_of_this_one_fits() {
        let foreign = Bytes::from_static(b"{\"changes\":[]}");
        let at = |seq, hash| Position { lineage: LINEAGE, seq: Seq(seq), hash };
        let led_to = at(3, hash().extend(Seq(3), &foreign));
        let other = RunningHash([9; 32]);
        for (here, fit) in [
            (led_to, Fit::Unproven),
            (at(3, other), Fit::Contradicted(Seq(3))),
            (at(2, other), Fit::Contradicted(Seq(2))),
            (at(4, other), Fit::Unproven),
            (at(1, other), Fit::Unproven),
        ] {
            assert_eq!(told(vec![foreign.clone()], Some(&here)).await, fit);
        }
    }

    #[tokio::test]
    async fn a_snapshot_may_be_what_the_log_begins_with() {
        let digest = meta(2).digest;
        let (seq, hash) = (Seq(2), hash());
        let base = BaseSnapshot { source: None, digest, bytes: 1, seq, hash, from: None };
        let payload = entry(Kind::Base(base), 2, hash);
        let stored = Stored { seq: Seq(3), payload: payload.clone() };
        assert_eq!(said(vec![payload]).await, Fit::Base(Box::new(base), stored));
        let other = BaseSnapshot { digest: [9; 32], ..base };
        assert_eq!(said(vec![entry(Kind::Base(other), 2, hash)]).await, Fit::Unproven);
    }
}
