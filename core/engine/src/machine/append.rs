//! Offering a group to the log, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, AttemptName, Draft, Error};

use super::phase::{Attempt, Phase, Settling, WaitReason};
use super::{Action, Fate, Machine};
use crate::planted::{Bug, planted};

impl Machine {
    pub(super) fn executed(
        &mut self,
        id: AttemptId,
        payload: Bytes,
        deadline: Duration,
    ) -> Vec<Action> {
        debug_assert!(self.can_execute(), "execution only starts when the machine allows it");
        if self.reads.barrier_is_out() {
            // It would take the group's place.
            self.block(deadline, None);
            return Vec::new();
        }
        let attempt = Attempt { id, payload, deadline };
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
        if let Some(actions) = self.barrier_answered(id, &result) {
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
        let next = self.position.seq.next();
        match result {
            Ok(appended) if appended.last == next => self.commit(&attempt),
            Err(AppendError::Refused { .. }) if planted(Bug::RefusedIsCommitted) => {
                self.commit(&attempt)
            }
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
        let seq = self.position.seq.next();
        let hash = self.position.hash.extend(seq, &attempt.payload);
        self.reads.land(seq);
        vec![Action::Commit {
            folded: self.folded.clone(),
            seq,
            hash,
            payload: attempt.payload.clone(),
        }]
    }

    pub(super) fn commit_failed(&mut self, stored: ha_core::Stored, reason: &str) -> Vec<Action> {
        // The log has the entry, so it is committed whatever the disk says: the execution is
        // dropped and the entry is applied like anybody's.
        let fate = match &self.phase {
            _ if !self.readable => Fate::Failed(Error::NotSent(reason.to_owned())),
            Phase::Appending(Attempt { id, .. })
            | Phase::Settling(Settling { attempt: Attempt { id, .. }, .. }) => {
                Fate::Applying(self.name(*id))
            }
            Phase::Idle
            | Phase::Blocked(_)
            | Phase::Reseeding(_)
            | Phase::Waiting(_)
            | Phase::Mending(_)
            | Phase::Stopped(_) => return Vec::new(),
        };
        self.phase = Phase::Idle;
        let mut actions = self.roll_back(fate);
        if !self.readable {
            return actions;
        }
        tracing::warn!(seq = %stored.seq, reason, "the local commit failed; applying from the log");
        actions.extend(self.then(stored));
        actions
    }

    pub(super) fn draft(&self, attempt: &Attempt) -> Draft {
        Draft {
            expect: (!planted(Bug::Unconditional)).then_some(self.position.seq),
            attempt: attempt.id,
            parts: vec![attempt.payload.clone()],
        }
    }

    pub(super) fn name(&self, attempt: AttemptId) -> AttemptName {
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
