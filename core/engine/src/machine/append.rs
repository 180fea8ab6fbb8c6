//! Offering a group to the log, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, AttemptName, Draft, Error, RunningHash};

use super::phase::{Attempt, Phase, Settling, WaitReason};
use super::{Action, Fate, Machine, Position};
use crate::planted::{Bug, planted};

impl Machine {
    pub(super) fn executed(
        &mut self,
        id: AttemptId,
        parts: Vec<Bytes>,
        deadline: Duration,
    ) -> Vec<Action> {
        debug_assert!(self.can_execute(), "execution only starts when the machine allows it");
        if self.reads.barrier_is_out() {
            // It would take the group's place.
            self.block(deadline, None);
            return Vec::new();
        }
        let attempt = Attempt::new(id, parts, deadline);
        let draft = self.draft(&attempt);
        self.reads.seat();
        self.phase = Phase::Appending(attempt);
        vec![Action::Append(draft)]
    }

    pub(super) fn acked(
        &mut self,
        id: AttemptId,
        result: Result<Appended, AppendError>,
    ) -> Vec<Action> {
        let aside = self
            .barrier_answered(id, &result)
            .or_else(|| self.plug_answered(id, &result))
            .or_else(|| self.turn_answered(id, &result))
            .or_else(|| self.loose_answered(id, &result));
        if let Some(actions) = aside {
            return actions;
        }
        match &self.phase {
            Phase::Appending(attempt) if attempt.id == id => {
                let attempt = attempt.clone();
                self.first_answer(attempt, result)
            }
            Phase::Settling(settling) if settling.attempt.id == id => {
                let settling = settling.clone();
                self.later_answer(settling, &result)
            }
            // The answer to an attempt that something else has decided since.
            _ => Vec::new(),
        }
    }

    fn first_answer(
        &mut self,
        attempt: Attempt,
        result: Result<Appended, AppendError>,
    ) -> Vec<Action> {
        match result {
            Ok(appended) if appended == self.places(&attempt) => self.commit(&attempt),
            Err(AppendError::Refused { .. }) if planted(Bug::RefusedIsCommitted) => {
                self.commit(&attempt)
            }
            // Some of it stands in the log, whatever the answer says.
            Err(_) if attempt.seen > 0 => self.settle(attempt),
            Err(AppendError::Refused { last }) => {
                let target = last.filter(|last| *last > self.position.seq);
                self.block(attempt.deadline, target);
                vec![Action::AskBounds]
            }
            Err(AppendError::NotSent { reason }) => {
                self.wait(None, WaitReason::Offline(reason));
                self.roll_back(Fate::Again)
            }
            Err(AppendError::TooLarge { size, limit }) => {
                self.phase = Phase::Idle;
                self.roll_back(Fate::Failed(too_large(size, limit)))
            }
            Err(AppendError::Closed) => {
                self.phase = Phase::Stopped("the node is stopping".to_owned());
                self.roll_back(Fate::Failed(Error::Closed))
            }
            // Every other answer proves nothing.
            Ok(_) | Err(_) => self.settle(attempt),
        }
    }

    pub(super) fn commit(&mut self, attempt: &Attempt) -> Vec<Action> {
        let seq = self.places(attempt).last;
        let hash = attempt.hash.unwrap_or_else(|| self.hash_after(attempt));
        self.reads.land(seq);
        self.turn_ends(self.identity.boot);
        let (folded, parts) = (self.folded.clone(), attempt.parts.clone());
        vec![Action::Commit { folded, seq, hash, parts }]
    }

    /// Where the node will stand once the log has taken the group that is on its way to it.
    pub fn landing(&mut self) -> Option<Position> {
        let Phase::Appending(attempt) = &self.phase else { return None };
        let (seq, hash) = (self.places(attempt).last, self.hash_after(attempt));
        if let Phase::Appending(attempt) = &mut self.phase {
            attempt.hash = Some(hash);
        }
        Some(Position { seq, hash, ..self.position })
    }

    fn hash_after(&self, attempt: &Attempt) -> RunningHash {
        self.hash_over(attempt, attempt.parts.len())
    }

    /// Where the log has the attempt if it has taken it.
    pub(super) fn places(&self, attempt: &Attempt) -> Appended {
        Appended { first: self.place(1), last: self.place(attempt.parts.len()) }
    }

    pub(super) fn commit_failed(&mut self, reason: &str) -> Vec<Action> {
        // The log has the entry, so it is committed whatever the disk says: the execution is
        // dropped and the entry is applied like anybody's.
        let attempt = match &self.phase {
            Phase::Appending(attempt) | Phase::Settling(Settling { attempt, .. }) => attempt,
            Phase::Idle
            | Phase::Blocked(_)
            | Phase::Receiving(_)
            | Phase::Reseeding(_)
            | Phase::Waiting(_)
            | Phase::Mending(_)
            | Phase::Stopped(_) => return Vec::new(),
        };
        let stored = self.stored_parts(attempt, attempt.parts.len());
        let name = self.name(attempt.id);
        self.phase = Phase::Idle;
        if !self.readable {
            return self.roll_back(Fate::Failed(Error::NotSent(reason.to_owned())));
        }
        tracing::warn!(after = %self.position.seq, reason, "the local commit failed; applying from the log");
        let mut actions = self.roll_back(Fate::Applying(name));
        actions.extend(self.then(stored));
        actions
    }

    pub(super) fn draft(&self, attempt: &Attempt) -> Draft {
        let parts = attempt.parts.clone();
        let expect = (!planted(Bug::Unconditional)).then_some(self.position.seq);
        Draft { expect, attempt: attempt.id, parts }
    }

    /// The name of an attempt on the position.
    #[must_use]
    pub fn name(&self, attempt: AttemptId) -> AttemptName {
        AttemptName { lineage: self.position.lineage, base: self.position.seq, attempt }
    }
}

fn too_large(size: usize, limit: usize) -> Error {
    Error::TooLarge {
        what: format!("the transaction takes {size} bytes in the log, which"),
        limit: limit as u64,
        hint: "write less in one transaction, or raise max_payload of the NATS server".to_owned(),
    }
}
