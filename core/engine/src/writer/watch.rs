//! Watching that the log is there, and is still the one that was applied here.

use std::time::Duration;

use ha_core::{Bounds, Error, Seq, Stored};
use tokio::time::Instant;

use super::{Message, News, Writer};
use crate::heal::{Comparison, Place};
use crate::machine::{Event, NEWER_COPY, Reseed};
use crate::planted::{Bug, planted};

/// How often a node that hears nothing asks whether the log is still there.
pub(super) const PROBE: Duration = Duration::from_secs(2);

impl Writer {
    /// Compares the log with the position, unless it was asked before the position moved.
    pub(super) fn hear(&mut self, bounds: Bounds) {
        let position = self.machine.position();
        if bounds.lineage == position.lineage && bounds.last < position.seq {
            return self.ask_bounds();
        }
        self.tell_bounds(bounds);
    }

    pub(super) fn tell_bounds(&mut self, bounds: Bounds) {
        self.shared.heard_of(bounds.last);
        self.tell(Event::Bounds(bounds));
        let position = self.machine.position();
        // Where another log ends says nothing of whether this state is worth reading.
        if !self.machine.awaits_lost_end() && bounds.lineage == position.lineage {
            self.shared.ends_at(bounds.last.max(position.seq));
        }
    }

    /// Asks now and then whether the log is there and is still the one that was applied.
    pub(super) fn probe(&mut self) {
        let due = self.probed.elapsed() >= PROBE && !self.probing;
        if due && self.probes && self.machine.stopped().is_none() {
            (self.probing, self.probed) = (true, Instant::now());
            self.link.probe(self.machine.position().seq);
        }
    }

    pub(super) fn ask_bounds(&mut self) {
        (self.probing, self.probed) = (true, Instant::now());
        self.link.ask_bounds(self.machine.position().seq);
    }

    /// Compares the log's entry at the position with the one applied here.
    pub(super) fn reconnected(&mut self) {
        let is_beyond_comparing = !self.probes
            || self.machine.stopped().is_some()
            || self.machine.is_mending()
            || self.machine.is_reseeding();
        if self.machine.position().seq > Seq::ZERO && !is_beyond_comparing {
            self.verify();
        }
    }

    pub(super) fn verify(&mut self) {
        self.verifying = true;
        let healer = self.healer();
        let here = Place { at: self.store.record().position, payload: None };
        // What is folded is in no file yet, and what is staged in none that others can read.
        let ahead = self.machine.folded().chain(self.machine.newest_part());
        let ahead = ahead.map(|(at, payload)| Place { at, payload: Some(payload) });
        let places = std::iter::once(here).chain(ahead).chain(self.unseen.places()).collect();
        self.link.compare(healer, places);
    }

    pub(super) fn compared(&mut self, comparison: Comparison) {
        self.verifying = false;
        self.shared.reachable(None);
        if self.machine.is_reseeding() {
            // The state that was compared is given up.
        } else if let Some(reason) = self.misfit(comparison) {
            self.tell(Event::Misfit(reason));
        } else {
            self.unseen.clear();
        }
        self.take_held();
    }

    /// Compares an entry of our own that comes back with the one that was committed.
    pub(super) fn look_at(&mut self, stored: &Stored) {
        if self.unseen.is_contradicted_by(stored) {
            let seq = stored.seq;
            self.tell(Event::Misfit(format!(
                "the stream holds another entry at {seq} than the one that it has acknowledged: it was \
                 rewound meanwhile"
            )));
        }
    }

    /// The log no longer has what the subscription was to give next. Whether it is still the same
    /// log is not told by that.
    pub(super) fn truncated(&mut self, error: &Error) {
        let next = self.machine.position().seq.next();
        match error {
            // It lagged behind what this node has appended itself.
            Error::Truncated { first, .. } if *first <= next => self.link.subscribe(next),
            _ if next > Seq(1) => self.tell(Event::Misfit(error.to_string())),
            _ => {
                let lineage = self.machine.position().lineage;
                self.tell(Event::Reseed(Reseed::newest(lineage, error.to_string(), NEWER_COPY)));
            }
        }
    }

    fn misfit(&self, comparison: Comparison) -> Option<String> {
        let seq = self.machine.position().seq;
        match comparison {
            _ if planted(Bug::Uncompared) => None,
            Comparison::Same | Comparison::Silent => None,
            Comparison::Ends => Some(format!(
                "the stream ends before {seq}, which this database has applied: it has lost entries"
            )),
            Comparison::Gone => Some(format!(
                "the stream no longer has what comes after {seq}, nor anything that tells what stands there"
            )),
            Comparison::Other => Some(format!(
                "the stream holds another entry at {seq} than the one applied here: it was rewound or \
                 restored from an old copy"
            )),
        }
    }

    /// Takes the messages that were held, if nothing holds them any longer.
    pub(super) fn take_held(&mut self) {
        while !self.verifying && self.lease.is_none() {
            let Some(message) = self.held.pop_front() else { return };
            self.take(message);
        }
    }

    /// Whether a message only says that the log ends where this node stands.
    pub(super) fn says_nothing(&self, message: &Message) -> bool {
        let position = self.machine.position();
        match message {
            Message::Bounds { result: Ok(bounds), .. } => {
                bounds.lineage == position.lineage && bounds.last == position.seq
            }
            Message::News(News::Entry(stored, _)) => stored.seq <= position.seq,
            _ => false,
        }
    }
}
