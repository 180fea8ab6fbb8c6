//! A group that was refused, and entries that change no state: these are folded while the group
//! stays executed, and it is offered again on top of them. So barriers cost writers a message,
//! not an execution.

use ha_core::{Seq, Stored};

use super::absorb::contradiction;
use super::phase::{Attempt, Blocked, Settling};
use super::runs::not_whole;
use super::{Action, Fate, Folded, How, Machine, Phase, Position, RETRY, WaitReason};

impl Machine {
    /// The open group waits for what is in its way; nothing of it is in the log for sure.
    pub(super) fn block(&mut self, deadline: std::time::Duration, target: Option<Seq>) {
        let retry_at = self.now + RETRY;
        self.phase = Phase::Blocked(Blocked { deadline, target, retry_at });
    }

    /// Another entry has the place after the position, so that the open group has it not.
    pub(super) fn taken(
        &mut self,
        deadline: std::time::Duration,
        target: Option<Seq>,
        stored: Stored,
    ) -> Vec<Action> {
        let (reason, heard) = match self.meaning(&stored) {
            Ok(How::Nothing(reason)) => (reason, None),
            // What is open is not in the database yet, which so has the state that is asked for.
            Ok(How::Audit(heard)) => (None, Some(heard)),
            // While it is another node's turn the group could not be offered.
            _ => return self.made_way(stored),
        };
        if self.is_loose_enough() {
            return self.made_way(stored);
        }
        if self.is_contradicted_by(&stored) {
            self.block(deadline, target);
            return self.misfit(contradiction(&stored));
        }
        self.fold(stored, reason);
        self.block(deadline, target.or(Some(self.position.seq)));
        heard.map(Action::Audit).into_iter().chain(self.serve()).collect()
    }

    /// The open group gives way to an entry that changes something.
    fn made_way(&mut self, stored: Stored) -> Vec<Action> {
        self.phase = Phase::Idle;
        let mut actions = self.roll_back(Fate::Again);
        actions.extend(self.then([stored]));
        actions
    }

    /// The parts of the attempt that stand in the log and are no entry, because another one
    /// has the place after them.
    pub(super) fn fold_torn(&mut self, attempt: &Attempt) {
        let of = u32::try_from(attempt.parts.len()).unwrap_or(u32::MAX);
        for (number, stored) in (1..).zip(self.seen(attempt)) {
            self.fold(stored, Some(not_whole((number, of))));
        }
    }

    /// Whether nothing is in the way of the blocked group any more.
    pub(super) fn is_free(&self) -> bool {
        let Phase::Blocked(Blocked { target: Some(target), .. }) = self.phase else { return false };
        target <= self.position.seq && !self.reads.barrier_is_out() && !self.holds()
    }

    pub(super) fn blocked_tick(&mut self, blocked: &Blocked) -> Vec<Action> {
        if blocked.deadline <= self.now {
            let silent = || WaitReason::Offline("the log does not answer".to_owned());
            let held = self.reads.barrier_is_out();
            self.wait(blocked.target, if held { silent() } else { WaitReason::Behind });
            return self.roll_back(Fate::Again);
        }
        if blocked.retry_at > self.now {
            return Vec::new();
        }
        self.block(blocked.deadline, blocked.target);
        vec![Action::AskBounds]
    }

    /// What becomes of the open group, if there is one, when the node gives up what it is at.
    pub(super) fn fate_of_open(&self) -> Option<Fate> {
        match &self.phase {
            Phase::Appending(attempt) | Phase::Settling(Settling { attempt, open: true, .. }) => {
                Some(Fate::Unknown(self.name(attempt.id)))
            }
            Phase::Blocked(_) => Some(Fate::Again),
            Phase::Idle
            | Phase::Settling(_)
            | Phase::Receiving(_)
            | Phase::Waiting(_)
            | Phase::Mending(_)
            | Phase::Reseeding(_)
            | Phase::Stopped(_) => None,
        }
    }

    /// What takes back what is applied of an entry that is not complete.
    pub(super) fn unstaging(&self) -> Option<Action> {
        matches!(self.phase, Phase::Receiving(_)).then_some(Action::Unstage)
    }

    /// Rolls the open group back, and leaves the database at the position.
    pub(super) fn roll_back(&mut self, fate: Fate) -> Vec<Action> {
        self.reads.unseat();
        let mut actions = vec![Action::Rollback(fate)];
        if !self.folded.is_empty() {
            let folded = std::mem::take(&mut self.folded);
            actions.push(Action::Record { folded, position: self.position });
        }
        actions
    }

    /// Folds what is known to follow, once the database stands at the position.
    pub(super) fn then(&mut self, stored: impl IntoIterator<Item = Stored>) -> Vec<Action> {
        self.next.extend(stored);
        self.proceed()
    }

    /// Goes on with the next of what is known to follow.
    pub(super) fn proceed(&mut self) -> Vec<Action> {
        if self.ground != self.position {
            return Vec::new();
        }
        self.next.pop_front().map(|stored| self.delivered(stored)).unwrap_or_default()
    }

    pub(super) fn recorded(&mut self) -> Vec<Action> {
        self.stand_at(self.position);
        let mut actions = self.serve();
        actions.extend(self.proceed());
        actions
    }

    /// The database stands there, and nothing is folded beyond.
    pub(super) fn stand_at(&mut self, position: Position) {
        self.position = position;
        self.ground = position;
        self.folded.clear();
    }

    fn fold(&mut self, stored: Stored, reason: Option<String>) {
        self.position.hash = self.position.hash.extend(stored.seq, &stored.payload);
        self.position.seq = stored.seq;
        self.folded.push(Folded { stored, reason });
    }
}
