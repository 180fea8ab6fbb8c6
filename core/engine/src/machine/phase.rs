//! What a node is in the middle of, and what that means for others.

use std::time::Duration;

use bytes::Bytes;
use ha_core::{AttemptId, Error, RunningHash, Seq};

use super::Machine;
use super::reseed::Reseeding;
use super::runs::Receiving;

#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// Nothing is executed that is not committed.
    Idle,
    /// A group is executed on the position and was handed to the log once.
    Appending(Attempt),
    /// A group is executed and the log has nothing of it for sure. It is offered again once the
    /// entries in the way are known to change no state.
    Blocked(Blocked),
    /// Nobody knows whether the entry after the position is the attempt's.
    Settling(Settling),
    /// The first parts of an entry are applied in a transaction that is open.
    Receiving(Box<Receiving>),
    /// Writes wait: for entries that others appended, or for the log to be reachable.
    Waiting(Waiting),
    /// The log is not the one that was applied.
    Mending(Mending),
    /// The database becomes another state; until then nothing is applied.
    Reseeding(Reseeding),
    /// For good.
    Stopped(String),
}

#[derive(Debug, Clone)]
pub(super) struct Mending {
    pub(super) reason: String,
    /// It was looked, and somebody has to act.
    pub(super) hopeless: bool,
    /// When it is looked again; `None` while it is.
    pub(super) look_at: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) parts: Vec<Bytes>,
    pub(super) deadline: Duration,
    /// So many of the parts were found at their places in the log.
    pub(super) seen: usize,
    /// When the last of them was.
    pub(super) seen_at: Duration,
    /// The hash after it, once it was computed.
    pub(super) hash: Option<RunningHash>,
}

impl Attempt {
    pub(super) fn new(id: AttemptId, parts: Vec<Bytes>, deadline: Duration) -> Self {
        Self { id, parts, deadline, seen: 0, seen_at: Duration::ZERO, hash: None }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Blocked {
    pub(super) deadline: Duration,
    /// Where the log ends, as far as it is known.
    pub(super) target: Option<Seq>,
    /// When the log's end is asked for again.
    pub(super) retry_at: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Settling {
    pub(super) attempt: Attempt,
    /// The execution is still open and its clients wait. Otherwise they were told "unknown"
    /// and the attempt is a no-op that takes the place.
    pub(super) open: bool,
    /// When to look again; `None` while an answer is outstanding.
    pub(super) retry_at: Option<Duration>,
    /// It was sent again, and that is what was not answered yet.
    pub(super) is_sent: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// Execution goes on once the position has reached this.
    pub(super) target: Option<Seq>,
    pub(super) retry_at: Duration,
    pub(super) reason: WaitReason,
}

#[derive(Debug, Clone)]
pub(super) enum WaitReason {
    Behind,
    Offline(String),
    /// An entry could not be applied for now; it is asked for again.
    Stuck(String),
}

impl Machine {
    /// What to tell a client whose write was not executed in time.
    #[must_use]
    pub fn why_waiting(&self) -> Error {
        match &self.phase {
            Phase::Waiting(Waiting { reason: WaitReason::Offline(reason), .. }) => {
                Error::NotSent(reason.clone())
            }
            Phase::Settling(_) => Error::NotSent(
                "the log does not answer, and the outcome of an earlier write is open".to_owned(),
            ),
            Phase::Stopped(reason) | Phase::Mending(Mending { reason, .. }) => {
                Error::NotReady(reason.clone())
            }
            Phase::Reseeding(reseeding) => Error::NotReady(reseeding.text()),
            Phase::Waiting(Waiting { reason: WaitReason::Stuck(reason), .. }) => {
                Error::NotReady(reason.clone())
            }
            Phase::Idle
            | Phase::Appending(_)
            | Phase::Blocked(_)
            | Phase::Receiving(_)
            | Phase::Waiting(_) => Error::Conflict,
        }
    }

    /// Why clients should go elsewhere for now, if they should.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match &self.phase {
            Phase::Idle
            | Phase::Appending(_)
            | Phase::Blocked(_)
            | Phase::Receiving(_)
            | Phase::Stopped(_)
            | Phase::Mending(Mending { hopeless: true, .. })
            | Phase::Waiting(Waiting { reason: WaitReason::Behind, .. }) => None,
            Phase::Mending(mending) => Some(mending.reason.clone()),
            // Its clients still wait, and most are settled at once.
            Phase::Settling(Settling { open: true, .. }) => None,
            Phase::Settling(_) => Some("the outcome of a write is being settled".to_owned()),
            Phase::Reseeding(reseeding) => Some(reseeding.text()),
            Phase::Waiting(Waiting {
                reason: WaitReason::Offline(reason) | WaitReason::Stuck(reason),
                ..
            }) => Some(reason.clone()),
        }
    }

    /// When [`super::Event::Tick`] is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let others = self.barrier_wakes_at().into_iter().chain(self.turns_wake_at());
        self.phase_wakes_at().into_iter().chain(others).chain(self.loose_wakes_at()).min()
    }

    fn phase_wakes_at(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Idle | Phase::Stopped(_) => None,
            Phase::Appending(attempt) => Some(attempt.deadline),
            Phase::Blocked(blocked) => Some(blocked.retry_at.min(blocked.deadline)),
            Phase::Settling(Settling { attempt, open: true, retry_at, .. }) => {
                Some(retry_at.map_or(attempt.deadline, |at| at.min(attempt.deadline)))
            }
            Phase::Settling(settling) => settling.retry_at,
            Phase::Receiving(run) => Some(run.plug_at),
            Phase::Reseeding(reseeding) => reseeding.retry_at,
            Phase::Waiting(waiting) => Some(waiting.retry_at),
            Phase::Mending(mending) => mending.look_at,
        }
    }
}
