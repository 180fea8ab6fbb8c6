//! Strong reads: each waits until something that this node appended after the read arrived is
//! acknowledged and folded. Whatever any node had acknowledged by then stands before it.
//!
//! The next own group serves, or else a barrier: an entry that changes nothing, appended without
//! a condition. Reads are numbered in the order of arrival, so that whatever serves one serves
//! all before it.

use std::time::Duration;

use ha_core::{AppendError, Appended, AttemptId, Draft, Seq};

use super::{Action, Blocked, Machine, Phase, RETRY, WaitReason, Waiting};
use crate::planted::{Bug, planted};

/// The most that a node waits between two barriers of its own.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The strong reads of a node, by the number of the last one that something serves.
#[derive(Debug, Default)]
pub(super) struct Reads {
    arrived: u64,
    served: u64,
    /// By the open group, once it is acknowledged.
    riding: u64,
    sent: Option<Sent>,
    /// Once the node stands at the sequence.
    due: Vec<(Seq, u64)>,
    /// No barrier is sent before.
    pause_until: Duration,
}

/// A barrier on its way.
#[derive(Debug)]
struct Sent {
    id: AttemptId,
    serves: u64,
    at: Duration,
    /// The position then; a log that has it stores the barrier behind it.
    after: Seq,
}

impl Reads {
    /// Everybody who has arrived is served by the group that is sent now.
    pub(super) fn seat(&mut self) {
        self.riding = self.arrived;
    }

    /// The group that some were to be served by is rolled back.
    pub(super) fn unseat(&mut self) {
        self.riding = 0;
    }

    /// The group that some are served by is in the log at `seq`.
    pub(super) fn land(&mut self, seq: Seq) {
        self.due.push((seq, std::mem::take(&mut self.riding)));
    }

    /// The log ends at `last`: what stood after it serves nobody any more.
    pub(super) fn lose(&mut self, last: Seq) {
        self.due.retain(|(at, _)| *at <= last);
    }

    /// Nothing that is on its way serves anybody: the state is about to become another one.
    pub(super) fn forget(&mut self) {
        self.riding = 0;
        self.sent = None;
        self.due.clear();
    }

    pub(super) fn barrier_is_out(&self) -> bool {
        self.sent.is_some()
    }

    /// Somebody has arrived whom nothing on its way serves.
    fn unserved(&self) -> bool {
        let sent = self.sent.as_ref().map_or(0, |sent| sent.serves);
        let due = self.due.iter().map(|(_, serves)| *serves).max().unwrap_or(0);
        self.arrived > self.served.max(self.riding).max(sent).max(due)
    }

    fn serve(&mut self, seq: Seq) -> Option<Action> {
        let reached =
            self.due.extract_if(.., |(at, _)| *at <= seq || planted(Bug::BarrierNotFolded));
        let serves = reached.map(|(_, serves)| serves).max()?;
        let newly = serves > self.served;
        self.served = self.served.max(serves);
        newly.then_some(Action::Serve(serves))
    }
}

impl Machine {
    pub(super) fn asked(&mut self, read: u64) -> Vec<Action> {
        self.reads.arrived = read;
        if self.readable {
            return Vec::new();
        }
        // This database is the only copy.
        self.reads.served = read;
        vec![Action::Serve(read)]
    }

    /// Sends what is due: the blocked group if its way is free, else a barrier for reads that
    /// nothing else serves.
    pub(super) fn quiet(&mut self) -> Vec<Action> {
        if self.is_free() {
            self.phase = Phase::Idle;
            return vec![Action::Offer];
        }
        if self.may_send_barrier() && self.reads.pause_until <= self.now && !self.holds() {
            return self.send_barrier();
        }
        Vec::new()
    }

    /// The position has moved, or an answer came. What is folded changes nothing that a read
    /// could see, so that nobody waits until it is in the database.
    pub(super) fn serve(&mut self) -> Vec<Action> {
        self.reads.serve(self.position.seq).into_iter().collect()
    }

    /// Whether the answer is to the barrier; if so, what follows.
    pub(super) fn barrier_answered(
        &mut self,
        id: AttemptId,
        result: &Result<Appended, AppendError>,
    ) -> Option<Vec<Action>> {
        let sent = self.reads.sent.take_if(|sent| sent.id == id)?;
        let end = match result {
            Ok(appended) if appended.last <= sent.after => {
                self.reads.pause_until = self.now + RETRY;
                return Some(vec![Action::AskBounds]);
            }
            Ok(appended) => {
                let old = planted(Bug::OldBarrier);
                let serves = if old { self.reads.arrived } else { sent.serves };
                self.reads.due.push((appended.last, serves));
                self.reads.pause_until = self.now + self.pause(&sent);
                appended.last
            }
            // It may be stored or not: another one is as good.
            Err(_) => {
                self.reads.pause_until = self.now + RETRY;
                self.position.seq
            }
        };
        if let Phase::Blocked(Blocked { target, .. }) = &mut self.phase {
            *target = (*target).max(Some(end));
        }
        Some(self.serve())
    }

    pub(super) fn barrier_wakes_at(&self) -> Option<Duration> {
        let at = self.reads.pause_until;
        (self.may_send_barrier() && at > self.now).then_some(at)
    }

    /// While a group is on its way it decides whether a barrier is needed.
    fn may_send_barrier(&self) -> bool {
        let useful = match &self.phase {
            Phase::Idle | Phase::Blocked(_) | Phase::Settling(_) | Phase::Receiving(_) => true,
            Phase::Waiting(Waiting { reason, .. }) => matches!(reason, WaitReason::Behind),
            Phase::Appending(_) | Phase::Mending(_) | Phase::Reseeding(_) | Phase::Stopped(_) => {
                false
            }
        };
        useful && self.reads.unserved() && !self.reads.barrier_is_out()
    }

    fn send_barrier(&mut self) -> Vec<Action> {
        let barrier = match self.noop() {
            Ok(barrier) => barrier,
            Err(error) => return self.stop(error.to_string()),
        };
        let (id, serves) = (barrier.id, self.reads.arrived);
        let (at, after) = (self.now, self.position.seq);
        self.reads.sent = Some(Sent { id, serves, at, after });
        vec![Action::Append(Draft { expect: None, attempt: id, parts: barrier.parts })]
    }

    /// Barriers one after the other without a pause would leave other nodes' writes no moment in
    /// which the log stays as they know it. Up to two round trips, never twice the same, so that
    /// nodes do not keep step.
    fn pause(&self, sent: &Sent) -> Duration {
        let dice = sent.id.counter.wrapping_add(sent.id.boot).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let round_trip = self.now.saturating_sub(sent.at);
        (round_trip * u32::try_from(dice >> 56).unwrap_or(0) / 128).min(LONGEST_PAUSE)
    }
}
