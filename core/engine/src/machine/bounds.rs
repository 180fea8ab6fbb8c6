//! Comparing the log's extent with the position.

use ha_core::{Bounds, Seq};

use super::{Action, Blocked, Machine, Phase, Position, Reseed, Waiting};

impl Machine {
    /// Compares the log with the position, after a reconnect or when the end was asked for.
    pub(super) fn bounds(&mut self, bounds: Bounds) -> Vec<Action> {
        if self.is_mending() || self.is_reseeding() {
            return Vec::new();
        }
        if let Some(reseed) = Reseed::across_gap(&self.position, &bounds) {
            return self.reseed(reseed);
        }
        let other_log = self.position.lineage != bounds.lineage;
        if other_log && self.was_emptied() {
            return self.misfit(
                "the stream is not the one this database was to be made anew from".to_owned(),
            );
        }
        if self.position.seq == Seq::ZERO && other_log {
            self.heard = Seq::ZERO;
            self.position.lineage = bounds.lineage;
            self.ground.lineage = bounds.lineage;
        }
        // The position may have moved since somebody looked: that the log ends before it is
        // not told by these bounds, only by a read.
        let last = bounds.last.max(self.position.seq);
        if let Err(reason) = compare(&self.position, &Bounds { last, ..bounds }) {
            return self.misfit(reason);
        }
        if bounds.last < self.position.seq {
            return vec![Action::Verify];
        }
        if let Some(actions) = self.await_lost_end(bounds.last) {
            return actions;
        }
        self.reads.lose(bounds.last);
        if let Phase::Blocked(Blocked { target, .. }) = &mut self.phase {
            *target = Some(bounds.last);
        }
        if let Phase::Waiting(Waiting { target, .. }) = &mut self.phase {
            // What a refusal counted may have been a proposal that was lost: the log's own
            // word on its end is what counts.
            *target = Some(bounds.last);
            self.go_on();
        }
        Vec::new()
    }
}

/// Whether a database at `position` can go on with a log of these bounds; the error says what
/// is wrong and what to do.
///
/// # Errors
/// A text for the operator.
pub fn compare(position: &Position, bounds: &Bounds) -> Result<(), String> {
    if position.seq > Seq::ZERO && bounds.lineage != position.lineage {
        return Err(format!(
            "the stream is not the one this database follows (it is {}, the database is at {}-{}): \
             the stream was deleted and made again, or the address is another cluster's. Start with \
             an empty database file to follow the stream, or with --new-lineage on an empty stream \
             to go on from this database",
            bounds.lineage, position.lineage, position.seq
        ));
    }
    if bounds.last < position.seq {
        return Err(format!(
            "the stream ends at {}, this database has applied {}: the stream has lost entries. \
             Nothing is applied until it is repaired",
            bounds.last, position.seq
        ));
    }
    if bounds.first > position.seq.next() {
        return Err(format!(
            "the stream begins at {}, this database is at {}: the entries between are gone. \
             Start from a newer copy of the database (GET / of a node that is ready)",
            bounds.first, position.seq
        ));
    }
    Ok(())
}
