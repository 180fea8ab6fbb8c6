//! Waiting for the log, or for room to apply what it has.

use std::time::Duration;

use ha_core::Seq;

use super::phase::{Phase, WaitReason, Waiting};
use super::{Action, Fate, Machine};

/// How soon the log's end is asked for again after a refusal, and a send is tried again while
/// the log is out of reach.
pub(super) const RETRY: Duration = Duration::from_millis(50);

/// How soon an entry that could not be applied is asked for again.
const STUCK_RETRY: Duration = Duration::from_secs(1);

impl Machine {
    /// The entry after the position has to wait, and with it everything.
    pub(super) fn stuck(&mut self, reason: String) -> Vec<Action> {
        if self.is_mending() {
            self.stand_at(self.ground);
            return Vec::new();
        }
        tracing::warn!(reason, "waiting");
        // What was folded and could not be recorded comes again.
        self.next.clear();
        self.stand_at(self.ground);
        self.phase = Phase::Waiting(Waiting {
            target: Some(self.position.seq.next()),
            retry_at: self.now + STUCK_RETRY,
            reason: WaitReason::Stuck(reason),
        });
        Vec::new()
    }

    pub(super) fn unreachable(&mut self, reason: String) -> Vec<Action> {
        if matches!(
            self.phase,
            Phase::Idle | Phase::Waiting(Waiting { reason: WaitReason::Behind, .. })
        ) {
            self.wait(None, WaitReason::Offline(reason));
        } else if let Phase::Blocked(_) = self.phase {
            self.wait(None, WaitReason::Offline(reason));
            return self.roll_back(Fate::Again);
        }
        Vec::new()
    }

    pub(super) fn wait(&mut self, target: Option<Seq>, reason: WaitReason) {
        self.phase = Phase::Waiting(Waiting { target, retry_at: self.now + RETRY, reason });
    }

    pub(super) fn waited(&mut self, waiting: &Waiting) -> Vec<Action> {
        match waiting.reason {
            // Somebody else may be about to give the log its end back.
            WaitReason::Offline(_) if self.lost_end.is_some_and(|until| until > self.now) => {
                self.wait(Some(self.heard), WaitReason::Behind);
                vec![Action::AskBounds]
            }
            WaitReason::Offline(_) => {
                self.phase = Phase::Idle;
                Vec::new()
            }
            WaitReason::Behind => {
                self.wait(waiting.target, WaitReason::Behind);
                vec![Action::AskBounds]
            }
            WaitReason::Stuck(_) => {
                self.wait(waiting.target, WaitReason::Behind);
                vec![Action::Resubscribe(self.position.seq.next())]
            }
        }
    }
}
