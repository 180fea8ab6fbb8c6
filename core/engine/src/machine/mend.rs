//! The log is not the one that was applied here: nothing is executed or applied until it fits
//! again, whoever makes it fit.

use std::time::Duration;

use ha_core::Seq;

use super::phase::{Mending, Phase, WaitReason};
use super::{Action, Machine};

/// How soon it is looked again whether the log fits.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a node that has not applied what the log has lost gives others to append it again.
const GRACE: Duration = Duration::from_secs(3);

impl Machine {
    /// What the log holds does not go with the position. A write that was handed over is
    /// "unknown" to its clients.
    pub(super) fn misfit(&mut self, reason: String) -> Vec<Action> {
        match &self.phase {
            Phase::Stopped(_)
            | Phase::Reseeding(_)
            | Phase::Mending(Mending { look_at: None, .. }) => return Vec::new(),
            Phase::Mending(_) => return self.mend(),
            _ => {}
        }
        let (fate, staged) = (self.fate_of_open(), self.unstaging());
        tracing::warn!(reason, position = %self.position.seq, "the log does not fit");
        self.phase = Phase::Mending(Mending { reason, hopeless: false, look_at: None });
        self.reads.forget();
        self.next.clear();
        let mut actions = fate.map_or_else(Vec::new, |fate| self.roll_back(fate));
        actions.extend(staged);
        actions.push(Action::Mend);
        actions
    }

    /// The log fits the position again.
    pub(super) fn mended(&mut self) -> Vec<Action> {
        if !self.is_mending() {
            return Vec::new();
        }
        self.vouched = self.position.seq;
        self.follow_again()
    }

    /// Nothing could be done for now: `hopeless` if somebody has to act first.
    pub(super) fn not_mended(&mut self, reason: String, hopeless: bool) -> Vec<Action> {
        let look_at = Some(self.now + AGAIN);
        let Phase::Mending(mending) = &mut self.phase else { return Vec::new() };
        mending.look_at = look_at;
        if !hopeless {
            tracing::debug!(reason, "the log could not be compared");
            return Vec::new();
        }
        let is_news = !mending.hopeless || mending.reason != reason;
        (mending.reason, mending.hopeless) = (reason.clone(), true);
        if is_news { vec![Action::Stop(reason)] } else { Vec::new() }
    }

    pub(super) fn mending_tick(&mut self, mending: &Mending) -> Vec<Action> {
        if mending.look_at.is_some_and(|at| at <= self.now) { self.mend() } else { Vec::new() }
    }

    /// Whether the log has lost an end that it had: a node that has applied it appends it again,
    /// and whoever has not keeps out of its way for a while. What to do meanwhile, if so.
    pub(super) fn await_lost_end(&mut self, last: Seq) -> Option<Vec<Action>> {
        let is_news = self.lost_end.is_none();
        let waits_until = match self.lost_end.filter(|_| last < self.heard) {
            None if last < self.heard => self.now + GRACE,
            Some(until) if until > self.now => until,
            None | Some(_) => {
                (self.heard, self.lost_end) = (last, None);
                return None;
            }
        };
        self.lost_end = Some(waits_until);
        let target = Some(self.heard);
        match &mut self.phase {
            Phase::Idle | Phase::Waiting(_) => self.wait(target, WaitReason::Behind),
            Phase::Blocked(blocked) => blocked.target = target,
            Phase::Appending(_)
            | Phase::Settling(_)
            | Phase::Receiving(_)
            | Phase::Mending(_)
            | Phase::Reseeding(_)
            | Phase::Stopped(_) => {}
        }
        // It may be an old answer that has come late.
        Some(if is_news { vec![Action::AskBounds] } else { Vec::new() })
    }

    /// Whether an end that the log has lost may come back.
    #[must_use]
    pub fn awaits_lost_end(&self) -> bool {
        self.lost_end.is_some()
    }

    /// Whether the log is not the one that was applied, as far as it is known. Nothing of it is
    /// applied until it is.
    #[must_use]
    pub fn is_mending(&self) -> bool {
        matches!(self.phase, Phase::Mending(_))
    }

    fn mend(&mut self) -> Vec<Action> {
        if let Phase::Mending(mending) = &mut self.phase {
            mending.look_at = None;
        }
        vec![Action::Mend]
    }

    /// Nothing is executed before the end of the log is reached.
    pub(super) fn follow_again(&mut self) -> Vec<Action> {
        self.wait(None, WaitReason::Behind);
        vec![Action::Resubscribe(self.position.seq.next()), Action::AskBounds]
    }
}
