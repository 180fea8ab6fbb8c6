//! What this node has committed because the log acknowledged it, and has not read there yet.
//!
//! An acknowledgement tells the place of an entry and not what stands before it: a log that has lost
//! its end, and got as much again, acknowledges what it takes for void. So each entry of our own is
//! looked at when it comes back.

use std::collections::VecDeque;

use bytes::Bytes;
use ha_core::{Seq, Stored};

use crate::heal::Place;
use crate::machine::Position;

/// Of so many, and of so many bytes, the newest are looked at.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 64 << 20;

/// The entries, in order.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    entries: VecDeque<Own>,
    bytes: usize,
}

#[derive(Debug)]
struct Own {
    /// What it was made on.
    before: Position,
    after: Position,
    /// Its last part.
    payload: Bytes,
}

impl Unseen {
    /// An entry was committed.
    pub(super) fn note(&mut self, before: Position, after: Position, payload: Bytes) {
        self.bytes += payload.len();
        self.entries.push_back(Own { before, after, payload });
        while self.entries.len() > MOST || self.bytes > MOST_BYTES {
            self.forget_first();
        }
    }

    /// Whether the log has something else in the place of one of these. Those before it were
    /// passed: their acknowledgement came after them.
    pub(super) fn is_contradicted_by(&mut self, stored: &Stored) -> bool {
        while self.entries.front().is_some_and(|own| own.after.seq < stored.seq) {
            self.forget_first();
        }
        let own = self.entries.front().filter(|own| own.after.seq == stored.seq);
        let differs = own.map(|own| own.payload != stored.payload);
        if differs.is_some() {
            self.forget_first();
        }
        differs.unwrap_or(false)
    }

    fn forget_first(&mut self) {
        self.bytes -= self.entries.pop_front().map_or(0, |own| own.payload.len());
    }

    /// Where the log has to be what is known here, so that it is everywhere up to the last.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let first = self.entries.front().map(|own| Place { at: own.before, payload: None });
        let others = self.entries.iter();
        let others = others.map(|own| Place { at: own.after, payload: Some(own.payload.clone()) });
        first.into_iter().chain(others)
    }

    /// The place before the first of them.
    pub(super) fn after(&self) -> Option<Seq> {
        self.entries.front().map(|own| own.before.seq)
    }

    /// They are as they should be, or nothing depends on them any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use ha_core::{Lineage, RunningHash};

    use super::*;

    fn at(seq: u64) -> Position {
        Position { lineage: Lineage([1; 8]), seq: Seq(seq), hash: RunningHash::default() }
    }

    fn noted(seqs: impl IntoIterator<Item = u64>, payload: &Bytes) -> Unseen {
        let mut unseen = Unseen::default();
        for seq in seqs {
            unseen.note(at(seq - 1), at(seq), payload.clone());
        }
        unseen
    }

    fn stored(seq: u64, payload: &'static str) -> Stored {
        Stored { seq: Seq(seq), payload: payload.into() }
    }

    fn places(unseen: &Unseen) -> Vec<u64> {
        unseen.places().map(|place| place.at.seq.0).collect()
    }

    #[test]
    fn what_comes_back_is_compared_and_looked_at_once() {
        let mut unseen = noted([4, 5, 6], &"own".into());
        assert!(!unseen.is_contradicted_by(&stored(3, "of another")));
        assert_eq!(places(&unseen), [3, 4, 5, 6]);
        assert!(!unseen.is_contradicted_by(&stored(4, "own")));
        assert!(unseen.is_contradicted_by(&stored(5, "of another")));
        assert_eq!(places(&unseen), [5, 6]);
    }

    #[test]
    fn what_had_come_back_before_it_was_acknowledged_is_not_waited_for() {
        let mut unseen = noted([4, 5], &"own".into());
        assert!(!unseen.is_contradicted_by(&stored(6, "of another")));
        assert!(places(&unseen).is_empty());
    }

    #[test]
    fn the_newest_are_kept_as_far_as_they_take_little() {
        assert_eq!(places(&noted(1..=2_000, &"own".into())).len(), 1 + MOST);
        let large = Bytes::from(vec![0; MOST_BYTES / 2]);
        assert_eq!(places(&noted(1..=9, &large)), [7, 8, 9]);
    }
}
