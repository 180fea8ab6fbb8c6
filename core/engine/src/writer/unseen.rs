//! What this node has committed because the log acknowledged it, and has not read there yet.
//!
//! An acknowledgement tells the place of an entry and not what stands before it: a log that has lost
//! its end, and got as much again, acknowledges what it takes for void. So each entry of our own is
//! looked at when it comes back.

use std::collections::VecDeque;

use bytes::Bytes;
use ha_core::Stored;

use crate::heal::Place;
use crate::machine::Position;

/// Of so many the newest are looked at.
const MOST: usize = 1_000;

/// The entries, in order.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    entries: VecDeque<Own>,
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
        self.entries.push_back(Own { before, after, payload });
        if self.entries.len() > MOST {
            self.entries.pop_front();
        }
    }

    /// Whether the log has something else in the place of one of these.
    pub(super) fn is_contradicted_by(&mut self, stored: &Stored) -> bool {
        let place = self.entries.iter().position(|own| own.after.seq == stored.seq);
        let own = place.and_then(|place| self.entries.remove(place));
        own.is_some_and(|own| own.payload != stored.payload)
    }

    /// Where the log has to be what is known here, so that it is everywhere up to the last.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let first = self.entries.front().map(|own| Place { at: own.before, payload: None });
        let others = self.entries.iter();
        let others = others.map(|own| Place { at: own.after, payload: Some(own.payload.clone()) });
        first.into_iter().chain(others)
    }

    /// They are as they should be, or nothing depends on them any more.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}
