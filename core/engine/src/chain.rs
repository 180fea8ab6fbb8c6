//! What entries of the log say of the states that they were made on.

use std::collections::VecDeque;

use bytes::Bytes;
use ha_changes::{Kind, Meta, Part};
use ha_core::{Lineage, RunningHash, Seq, SnapshotMeta, Stored};

use crate::machine::Position;

/// How many entries after a place are looked at for one that tells what it was made on.
pub(crate) const LOOK: u64 = 64;

/// The running hashes from a place on, as they are if the place is the log's.
#[derive(Debug)]
pub(crate) struct Chain {
    start: Position,
    hashes: VecDeque<RunningHash>,
}

impl Chain {
    pub(crate) fn new(start: Position) -> Self {
        Self { start, hashes: VecDeque::from([start.hash]) }
    }

    /// Takes the next entry. Whether it was made on the history of this chain; `None` if it does
    /// not say, or was made on an earlier place.
    pub(crate) fn see(&mut self, stored: &Stored) -> Option<bool> {
        let part = ha_changes::decode_part(&stored.payload).ok();
        let meta = part.as_ref().and_then(Part::meta);
        let said = meta.and_then(|meta| self.judge(meta));
        // Whatever is before a base, the state becomes the base's: the chain ends there.
        let is_base = meta.is_some_and(|meta| matches!(meta.kind, Kind::Base(_)));
        let goes_on = self.start.seq.0 + self.hashes.len() as u64 == stored.seq.0;
        if let Some(last) = self.hashes.back().filter(|_| goes_on && !is_base) {
            self.hashes.push_back(last.extend(stored.seq, &stored.payload));
        }
        said
    }

    /// Whether a snapshot is the state at a place of this chain; `None` if it is of none.
    pub(crate) fn leads_to(&self, meta: &SnapshotMeta) -> Option<bool> {
        self.is_at(meta.seq, meta.hash, meta.lineage)
    }

    /// Whether a node that stands there has applied this chain; `None` if it does not reach so far.
    pub(crate) fn passes(&self, at: &Position) -> Option<bool> {
        self.is_at(at.seq, at.hash, at.lineage)
    }

    fn judge(&self, meta: &Meta) -> Option<bool> {
        let base = Some(&meta.base).filter(|_| !matches!(meta.kind, Kind::Base(_)))?;
        self.is_at(base.seq, base.hash, base.lineage)
    }

    /// The same running hash is the same history, whatever lineage the log had then; another one
    /// says something under the same lineage alone.
    fn is_at(&self, Seq(place): Seq, hash: RunningHash, lineage: Lineage) -> Option<bool> {
        let index = usize::try_from(place.checked_sub(self.start.seq.0)?).ok()?;
        let is_same = *self.hashes.get(index)? == hash;
        (is_same || lineage == self.start.lineage).then_some(is_same)
    }
}

/// How many entries are looked at, at most, for one that says what it was made on.
const MOST: usize = 16;

/// The entry at a place and those before it, as far back as one of them says what it was made on.
#[derive(Debug)]
pub(crate) struct Back {
    at: Position,
    entries: VecDeque<Bytes>,
    /// The places that they name as those they were made on.
    named: Vec<(Seq, RunningHash)>,
}

impl Back {
    /// Begins with none.
    pub(crate) fn before(at: Position) -> Self {
        Self { at, entries: VecDeque::new(), named: Vec::new() }
    }

    /// Begins with the entry at the place.
    pub(crate) fn new(at: Position, payload: Bytes) -> Self {
        let mut back = Self::before(at);
        back.push(payload);
        back
    }

    /// The place before the entries, unless they prove what stands there.
    pub(crate) fn next(&self) -> Option<Seq> {
        let before = Seq(self.at.seq.0.checked_sub(self.entries.len() as u64)?);
        let open = self.entries.len() < MOST && before > Seq::ZERO && !self.is_proven(before);
        open.then_some(before)
    }

    /// Takes the entry that stands before the others.
    pub(crate) fn push(&mut self, payload: Bytes) {
        let part = ha_changes::decode_part(&payload).ok();
        if let Some(Meta { base, .. }) = part.as_ref().and_then(Part::meta) {
            self.named.push((base.seq, base.hash));
        }
        self.entries.push_front(payload);
    }

    fn is_proven(&self, before: Seq) -> bool {
        let mut hashes = self.named.iter().filter(|(seq, _)| *seq == before);
        hashes.any(|(_, hash)| {
            let entries = (before.0 + 1..).map(Seq).zip(&self.entries);
            entries.fold(*hash, |hash, (seq, payload)| hash.extend(seq, payload)) == self.at.hash
        })
    }
}

#[cfg(test)]
mod tests {
    use ha_changes::{Base, BaseSnapshot, Entry};
    use ha_core::AttemptId;

    use super::*;

    const START: Position =
        Position { lineage: Lineage([7; 8]), seq: Seq(3), hash: RunningHash([3; 32]) };
    const JUNK: Bytes = Bytes::from_static(b"no entry");

    fn made_on(at: Position) -> Bytes {
        entry(at, Kind::Noop)
    }

    fn entry(Position { lineage, seq, hash }: Position, kind: Kind) -> Bytes {
        let id = AttemptId { boot: 1, counter: 1 };
        let entry = Entry {
            node: "n".to_owned(),
            process_id: 1,
            timestamp_ns: 0,
            meta: Some(Meta::new(id, Base { lineage, seq, hash }, kind)),
            changes: Vec::new(),
        };
        ha_changes::encode(&entry).unwrap().into()
    }

    fn after(at: Position, payload: &Bytes) -> Position {
        Position { seq: at.seq.next(), hash: at.hash.extend(at.seq.next(), payload), ..at }
    }

    #[test]
    fn a_chain_ends_before_a_base() {
        let (digest, hash) = ([8; 32], RunningHash([8; 32]));
        let base = BaseSnapshot { source: None, digest, bytes: 1, seq: Seq(4), hash, from: None };
        let mut chain = Chain::new(START);
        let mut see = |seq, payload| chain.see(&Stored { seq: Seq(seq), payload });
        assert_eq!(see(4, JUNK), None);
        assert_eq!(see(5, entry(START, Kind::Base(base))), None);
        let after = Position { seq: Seq(5), hash, ..START };
        assert_eq!(see(6, made_on(after)), None, "it says nothing of what is before the base");
        assert_eq!(see(7, made_on(START)), Some(true));
        assert_eq!(see(8, made_on(Position { hash, ..START })), Some(false));
    }

    #[test]
    fn an_entry_that_was_made_on_what_stands_before_it_proves_that() {
        let entry = made_on(START);
        assert_eq!(Back::new(after(START, &entry), entry).next(), None);
        let strange = made_on(Position { hash: RunningHash([9; 32]), ..START });
        assert_eq!(Back::new(after(START, &strange), strange).next(), Some(Seq(3)));
    }

    #[test]
    fn what_says_nothing_is_proven_by_what_stands_before_it() {
        let entry = made_on(START);
        let at = after(after(after(START, &entry), &JUNK), &JUNK);
        let mut back = Back::new(at, JUNK);
        assert_eq!(back.next(), Some(Seq(5)));
        back.push(JUNK);
        assert_eq!(back.next(), Some(Seq(4)));
        back.push(entry);
        assert_eq!(back.next(), None);
    }

    #[test]
    fn nothing_stands_before_the_first_entry() {
        let empty = Position { seq: Seq::ZERO, ..START };
        assert_eq!(Back::new(after(empty, &JUNK), JUNK).next(), None);
    }
}
