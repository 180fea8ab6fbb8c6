//! What an entry of the log means at this node's position.

use ha_changes::{Error as FormatError, Kind, Meta};
use ha_core::Stored;

use super::runs::not_whole;
use super::{Action, Heard, How, Machine, Phase, Settling, WaitReason, Waiting};
use crate::planted::{Bug, planted};

impl Machine {
    pub(super) fn delivered(&mut self, stored: Stored) -> Vec<Action> {
        let next = self.next_seq();
        let is_old = stored.seq < next && !planted(Bug::AppliedTwice);
        if is_old || self.is_mending() || self.stopped().is_some() {
            return Vec::new();
        }
        self.heard = self.heard.max(stored.seq);
        match self.phase.clone() {
            // It comes again with the next try.
            Phase::Waiting(Waiting { reason: WaitReason::Stuck(_), .. }) => Vec::new(),
            // It stands on a state that is given up.
            Phase::Reseeding(_) => Vec::new(),
            _ if stored.seq > next && !planted(Bug::GapIgnored) => vec![Action::Resubscribe(next)],
            Phase::Appending(attempt) | Phase::Settling(Settling { attempt, open: true, .. }) => {
                if attempt.parts.get(attempt.seen) == Some(&stored.payload) {
                    return self.found_own(attempt);
                }
                self.loosen(&attempt);
                self.fold_torn(&attempt);
                self.taken(attempt.deadline, None, stored)
            }
            Phase::Receiving(run) => self.received(&run, stored),
            Phase::Blocked(blocked) => self.taken(blocked.deadline, blocked.target, stored),
            Phase::Idle
            | Phase::Settling(_)
            | Phase::Waiting(_)
            | Phase::Mending(_)
            | Phase::Stopped(_) => self.absorb(stored),
        }
    }

    /// Folds the next entry into the state. Nothing is open.
    pub(super) fn absorb(&mut self, stored: Stored) -> Vec<Action> {
        self.look_for_loose(&stored);
        let hash = self.position.hash.extend(stored.seq, &stored.payload);
        let how = match self.meaning(&stored) {
            Ok(how) => how,
            Err(reason) => return self.stop(reason),
        };
        let (how, hold) = match how {
            How::Turn(of, time) => (How::Nothing(None), self.turn_begins(of, time)),
            other => (other, Vec::new()),
        };
        if matches!(how, How::Nothing(_)) && self.is_contradicted_by(&stored) {
            return self.misfit(contradiction(&stored));
        }
        let forgets = planted(Bug::HashForgets) && matches!(how, How::Nothing(_));
        let hash = if forgets { self.position.hash } else { hash };
        let Stored { seq, payload } = stored;
        if let Some(boot) = maker(&how) {
            self.turn_ends(boot);
        }
        if let How::Part(part) = &how
            && let Some(meta) = part.meta()
        {
            self.receive(meta, Stored { seq, payload: payload.clone() }, hash);
        }
        let audit = match &how {
            // Before the next entry: the database has the state that the mark asks for.
            How::Audit(heard) => Some(Action::Audit(heard.clone())),
            How::Ours(_)
            | How::Foreign(_)
            | How::Base(_)
            | How::Part(_)
            | How::Turn(..)
            | How::Nothing(_) => None,
        };
        audit.into_iter().chain(hold).chain([Action::Apply { seq, hash, payload, how }]).collect()
    }

    pub(super) fn meaning(&self, stored: &Stored) -> Result<How, String> {
        let part = match ha_changes::decode_part(&stored.payload) {
            Ok(part) => part,
            // v0.0.7 skips what it cannot read, and so must every node.
            Err(FormatError::Malformed(reason)) => {
                return Ok(How::Nothing(Some(format!("not a change message: {reason}"))));
            }
            Err(other) => return Err(format!("entry {}: {other}", stored.seq)),
        };
        let Some(meta) = part.meta() else { return Ok(How::Foreign(Box::new(part.into_entry()))) };
        if meta.part != (1, 1) {
            let begins = self.begins_run(meta, stored.seq);
            let reason = not_whole(meta.part);
            return Ok(if begins { How::Part(Box::new(part)) } else { How::Nothing(Some(reason)) });
        }
        if let Kind::Base(base) = &meta.kind {
            return Ok(How::Base(*base));
        }
        // It changes nothing wherever it stands: a barrier is appended without a condition.
        if meta.kind == Kind::Noop {
            return Ok(How::Nothing(None));
        }
        if let Kind::Turn(time) = meta.kind {
            return Ok(How::Turn(meta.id, time));
        }
        if let Kind::Audit(audit) = &meta.kind {
            let (seq, node, audit) = (stored.seq, part.node().to_owned(), audit.clone());
            return Ok(How::Audit(Heard { seq, node, audit }));
        }
        if !self.follows(meta) {
            return Ok(How::Nothing(Some("it was made on another state".to_owned())));
        }
        Ok(How::Ours(Box::new(part.into_entry())))
    }

    /// Whether somebody stood at this very place with another history, or this is the last part of an
    /// entry and this node has not taken those before it for parts of a whole one. One of the two is
    /// not what the log holds: it may have lost entries, and got others in their places, while a
    /// write was on its way. Asked once for a position: who is right then is.
    pub(super) fn is_contradicted_by(&self, stored: &Stored) -> bool {
        if self.partial || self.vouched == self.position.seq {
            return false;
        }
        let Ok(part) = ha_changes::decode_part(&stored.payload) else { return false };
        let Some(meta) = part.meta() else { return false };
        if meta.part.0 > 1 {
            return self.completes_what_was_passed(meta, stored.seq);
        }
        let Meta { base, kind, .. } = meta;
        let is_here = base.seq == self.position.seq && base.lineage == self.position.lineage;
        let chained = !matches!(kind, Kind::Base(_));
        chained && is_here && base.hash != self.position.hash
    }

    /// Whether the entry was made on exactly this state. Otherwise it is void, on every node. The
    /// running hash says so of the whole history; the log may have had another lineage then.
    pub(super) fn follows(&self, meta: &Meta) -> bool {
        let Meta { base, .. } = meta;
        planted(Bug::VoidApplied)
            || base.seq == self.position.seq && (base.hash == self.position.hash || self.partial)
    }
}

/// The process that has made an entry, of several parts the last one.
fn maker(how: &How) -> Option<u64> {
    let meta = match how {
        How::Ours(entry) => entry.meta.as_ref(),
        How::Part(part) => part.meta().filter(|meta| meta.part.0 == meta.part.1),
        How::Foreign(_) | How::Base(_) | How::Audit(_) | How::Turn(..) | How::Nothing(_) => None,
    };
    meta.map(|meta| meta.id.boot)
}

pub(super) fn contradiction(stored: &Stored) -> String {
    format!("entry {} was made on another history than this database has", stored.seq)
}
