//! Whether the log at a position is the one that was applied here.

use bytes::Bytes;
use ha_changes::{Base, Kind, decode};

use crate::machine::Position;

/// What the log says of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// It is the one applied here.
    Same,
    /// It has something else there.
    Other,
    /// It ends before.
    Ends,
    /// It no longer stores anything that would tell.
    Silent,
    /// Nor what comes next: it cannot be followed from here.
    Gone,
}

/// What the log has at the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Here {
    /// An entry.
    Entry(Bytes),
    /// One that it no longer stores.
    Trimmed,
    /// Nothing yet.
    Ends,
}

/// Compares what the log has at the position with what is `kept` of it here. If one of them is
/// missing, the entry after it decides, which names what it was made on.
pub(super) fn compare(
    position: &Position,
    kept: Option<&[u8]>,
    here: &Here,
    next: Option<&[u8]>,
) -> Comparison {
    match (here, kept) {
        (Here::Ends, _) => Comparison::Ends,
        (Here::Entry(payload), Some(kept)) if payload == kept => Comparison::Same,
        (Here::Entry(_), Some(_)) => Comparison::Other,
        (Here::Entry(_), None) | (Here::Trimmed, _) => {
            match next.and_then(|next| was_made_on(next, position)) {
                Some(true) => Comparison::Same,
                Some(false) => Comparison::Other,
                None => Comparison::Silent,
            }
        }
    }
}

/// Whether an entry was made on the history that ends at `position`; `None` if it does not
/// say, or was made on another place.
pub(super) fn was_made_on(payload: &[u8], position: &Position) -> Option<bool> {
    let base = chained(payload)?;
    let same_place = base.lineage == position.lineage && base.seq == position.seq;
    same_place.then_some(base.hash == position.hash)
}

/// Whether an entry was made on the history that ends at `position`, whatever lineage the log had
/// then.
pub(super) fn names_history(payload: &[u8], position: &Position) -> bool {
    chained(payload).is_some_and(|base| (base.seq, base.hash) == (position.seq, position.hash))
}

/// What an entry was made on, if it says so.
fn chained(payload: &[u8]) -> Option<Base> {
    let meta = decode(payload).ok()?.meta?;
    (!matches!(meta.kind, Kind::Base(_))).then_some(meta.base)
}

#[cfg(test)]
mod tests {
    use ha_changes::{Entry, Meta};
    use ha_core::{AttemptId, Lineage, RunningHash, Seq};

    use super::*;

    const POSITION: Position =
        Position { lineage: Lineage([1; 8]), seq: Seq(7), hash: RunningHash([2; 32]) };

    fn made_on(position: Position) -> Vec<u8> {
        let Position { lineage, seq, hash } = position;
        let meta =
            Meta::new(AttemptId { boot: 1, counter: 1 }, Base { lineage, seq, hash }, Kind::Noop);
        let entry = Entry {
            node: "n".to_owned(),
            process_id: 1,
            timestamp_ns: 0,
            meta: Some(meta),
            changes: Vec::new(),
        };
        ha_changes::encode(&entry).unwrap()
    }

    #[test]
    fn the_entry_at_the_position_decides_if_both_have_it() {
        let entry = Here::Entry(Bytes::from_static(b"x"));
        let other = made_on(Position { hash: RunningHash([9; 32]), ..POSITION });
        assert_eq!(compare(&POSITION, Some(b"x"), &entry, Some(&other)), Comparison::Same);
        assert_eq!(compare(&POSITION, Some(b"y"), &entry, None), Comparison::Other);
        assert_eq!(compare(&POSITION, Some(b"x"), &Here::Ends, None), Comparison::Ends);
    }

    #[test]
    fn otherwise_the_entry_after_it_decides_if_it_was_made_there() {
        let (same, hash) = (made_on(POSITION), RunningHash([9; 32]));
        let other = made_on(Position { hash, ..POSITION });
        let earlier = made_on(Position { seq: Seq(6), hash, ..POSITION });
        let foreign: &[u8] = b"{\"changes\":[]}";
        for (here, kept) in [
            (Here::Trimmed, None),
            (Here::Trimmed, Some(&b"x"[..])),
            (Here::Entry(Bytes::from_static(b"x")), None),
        ] {
            let compare = |next| compare(&POSITION, kept, &here, next);
            assert_eq!(compare(Some(&same)), Comparison::Same);
            assert_eq!(compare(Some(&other)), Comparison::Other);
            assert_eq!(compare(Some(&earlier)), Comparison::Silent, "a barrier says nothing");
            assert_eq!(compare(Some(foreign)), Comparison::Silent);
            assert_eq!(compare(None), Comparison::Silent);
        }
    }
}
