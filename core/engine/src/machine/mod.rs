//! The decisions of a node: a state machine without clock, threads or I/O.
//!
//! It is told what happened ([`Event`]) and says what to do ([`Action`]); whoever drives it
//! gives it SQLite, time and the transport. All rules about what may be committed, when, and
//! what a client may be told live here.

mod absorb;
mod barrier;
mod blocked;
mod bounds;
mod event;
mod phase;
mod settle;

use std::time::Duration;

use bytes::Bytes;
use ha_changes::{Base, Entry, Kind, Meta};
use ha_core::{
    AppendError, Appended, AttemptId, AttemptName, Draft, Error, Lineage, RunningHash, Seq, Stored,
};

pub use bounds::compare;
pub use event::{Action, Event, Fate, Folded, How};

use barrier::Reads;
use phase::{Attempt, Blocked, Phase, Settling, WaitReason, Waiting};

/// How soon the log's end is asked for again after a refusal, and a send is tried again while
/// the log is out of reach.
const RETRY: Duration = Duration::from_millis(50);

/// How soon an entry that could not be applied is asked for again.
const STUCK_RETRY: Duration = Duration::from_secs(1);

/// A place in the log, with the hash over everything up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The log.
    pub lineage: Lineage,
    /// The last folded entry.
    pub seq: Seq,
    /// The running hash after it.
    pub hash: RunningHash,
}

/// Who this node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name.
    pub node: String,
    /// Nanoseconds since the epoch at process start; v0.0.7 tells processes apart by it.
    pub process_id: i64,
    /// Random, names the attempts of this process.
    pub boot: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    identity: Identity,
    position: Position,
    /// Where the database stands: behind the position by what is folded.
    ground: Position,
    /// What the open group stands on and the database has not.
    folded: Vec<Folded>,
    /// Applied once the database stands at the position.
    next: Option<Stored>,
    phase: Phase,
    reads: Reads,
    attempts: u64,
    now: Duration,
    /// What is appended can be read back; otherwise this database is the only copy.
    readable: bool,
}

impl Machine {
    /// A node that stands at `position` and has to reach `end` before it executes anything.
    #[must_use]
    pub fn new(identity: Identity, position: Position, end: Seq) -> Self {
        let phase = if end > position.seq {
            Phase::Waiting(Waiting {
                target: Some(end),
                retry_at: Duration::MAX,
                reason: WaitReason::Behind,
            })
        } else {
            Phase::Idle
        };
        Self {
            identity,
            position,
            ground: position,
            folded: Vec::new(),
            next: None,
            phase,
            reads: Reads::default(),
            attempts: 0,
            now: Duration::ZERO,
            readable: true,
        }
    }

    /// Tells whether what is appended can be read back.
    #[must_use]
    pub fn with_readable_log(self, readable: bool) -> Self {
        Self { readable, ..self }
    }

    /// Where the node stands. While a group is open this may be further than the database, by
    /// entries that change nothing.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether a group may be executed now.
    #[must_use]
    pub fn can_execute(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Why the node stopped for good.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        match &self.phase {
            Phase::Stopped(reason) => Some(reason),
            _ => None,
        }
    }

    /// The header of the next entry that this node makes on its position. Each call names a
    /// new attempt.
    pub fn next_meta(&mut self, kind: Kind) -> Meta {
        self.attempts += 1;
        Meta {
            version: ha_changes::FORMAT_VERSION,
            id: AttemptId { boot: self.identity.boot, counter: self.attempts },
            part: (1, 1),
            base: Base {
                lineage: self.position.lineage,
                seq: self.position.seq,
                hash: self.position.hash,
            },
            kind,
            sqlite: None,
            functions: Vec::new(),
            modules: Vec::new(),
        }
    }

    /// Tells what happened at `now` (since any fixed moment) and returns what to do, in
    /// order. Each action is to be carried out before the next event is told.
    pub fn on(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Executed { id, payload, deadline } => self.executed(id, payload, deadline),
            Event::Acked { id, result } => self.acked(id, result),
            Event::ReadBack { seq, result } => self.read_back(seq, result),
            Event::Delivered(stored) => self.delivered(stored),
            Event::Moved { seq, hash } => self.moved(seq, hash),
            Event::Adopted(position) => self.adopted(position),
            Event::CommitFailed { stored, reason } => self.commit_failed(stored, &reason),
            Event::Bounds(bounds) => self.bounds(bounds),
            Event::Unreachable(reason) => self.unreachable(reason),
            Event::Stuck(reason) => self.stuck(reason),
            Event::Failed(reason) => self.stop(reason),
            Event::Recorded => self.recorded(),
            Event::Asked { read } => self.asked(read),
            Event::Quiet => self.quiet(),
            Event::Tick => self.tick(),
        }
    }

    fn executed(&mut self, id: AttemptId, payload: Bytes, deadline: Duration) -> Vec<Action> {
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

    fn acked(&mut self, id: AttemptId, result: Result<Appended, AppendError>) -> Vec<Action> {
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

    fn commit(&mut self, attempt: &Attempt) -> Vec<Action> {
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

    fn moved(&mut self, seq: Seq, hash: RunningHash) -> Vec<Action> {
        self.stand_at(Position { seq, hash, ..self.position });
        self.go_on();
        self.serve()
    }

    fn adopted(&mut self, position: Position) -> Vec<Action> {
        self.stand_at(position);
        self.go_on();
        self.serve()
    }

    /// After the position moved: what was waited for may have come.
    fn go_on(&mut self) {
        match &self.phase {
            Phase::Waiting(Waiting { target: Some(target), .. }) if *target > self.position.seq => {
            }
            Phase::Stopped(_) => {}
            Phase::Idle
            | Phase::Appending(_)
            | Phase::Blocked(_)
            | Phase::Settling(_)
            | Phase::Waiting(_) => self.phase = Phase::Idle,
        }
    }

    fn commit_failed(&mut self, stored: ha_core::Stored, reason: &str) -> Vec<Action> {
        // The log has the entry, so it is committed whatever the disk says: the execution is
        // dropped and the entry is applied like anybody's.
        let fate = match &self.phase {
            _ if !self.readable => Fate::Failed(Error::NotSent(reason.to_owned())),
            Phase::Appending(Attempt { id, .. })
            | Phase::Settling(Settling { attempt: Attempt { id, .. }, .. }) => {
                Fate::Applying(self.name(*id))
            }
            Phase::Idle | Phase::Blocked(_) | Phase::Waiting(_) | Phase::Stopped(_) => {
                return Vec::new();
            }
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

    /// The entry after the position has to wait, and with it everything.
    fn stuck(&mut self, reason: String) -> Vec<Action> {
        tracing::warn!(reason, "waiting");
        // What was folded and could not be recorded comes again.
        self.next = None;
        self.stand_at(self.ground);
        self.phase = Phase::Waiting(Waiting {
            target: Some(self.position.seq.next()),
            retry_at: self.now + STUCK_RETRY,
            reason: WaitReason::Stuck(reason),
        });
        Vec::new()
    }

    fn unreachable(&mut self, reason: String) -> Vec<Action> {
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

    fn wait(&mut self, target: Option<Seq>, reason: WaitReason) {
        self.phase = Phase::Waiting(Waiting { target, retry_at: self.now + RETRY, reason });
    }

    fn tick(&mut self) -> Vec<Action> {
        match self.phase.clone() {
            Phase::Idle | Phase::Stopped(_) => Vec::new(),
            Phase::Appending(attempt) if attempt.deadline <= self.now => {
                self.give_up(&attempt, None)
            }
            Phase::Appending(_) => Vec::new(),
            Phase::Blocked(blocked) => self.blocked_tick(&blocked),
            Phase::Settling(settling) => self.settling_tick(settling),
            Phase::Waiting(waiting) if waiting.retry_at <= self.now => self.waited(&waiting),
            Phase::Waiting(_) => Vec::new(),
        }
    }

    fn waited(&mut self, waiting: &Waiting) -> Vec<Action> {
        match waiting.reason {
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

    /// Stops for good. A write that was handed over is "unknown" to its clients.
    fn stop(&mut self, reason: String) -> Vec<Action> {
        let fate = match &self.phase {
            Phase::Stopped(_) => return Vec::new(),
            Phase::Appending(attempt) | Phase::Settling(Settling { attempt, open: true, .. }) => {
                Some(Fate::Failed(Error::OutcomeUnknown(self.name(attempt.id))))
            }
            Phase::Blocked(_) => Some(Fate::Again),
            Phase::Idle | Phase::Settling(_) | Phase::Waiting(_) => None,
        };
        self.phase = Phase::Stopped(reason.clone());
        self.next = None;
        fate.map(Action::Rollback).into_iter().chain([Action::Stop(reason)]).collect()
    }

    fn draft(&self, attempt: &Attempt) -> Draft {
        Draft {
            expect: Some(self.position.seq),
            attempt: attempt.id,
            parts: vec![attempt.payload.clone()],
        }
    }

    fn name(&self, attempt: AttemptId) -> AttemptName {
        AttemptName { lineage: self.position.lineage, base: self.position.seq, attempt }
    }

    fn noop(&mut self) -> Result<Attempt, ha_changes::Error> {
        let meta = self.next_meta(Kind::Noop);
        let id = meta.id;
        let entry = Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: 0,
            meta: Some(meta),
            changes: Vec::new(),
        };
        let payload = ha_changes::encode(&entry)?.into();
        Ok(Attempt { id, payload, deadline: Duration::MAX })
    }
}

fn too_large(size: usize, limit: usize) -> Error {
    Error::TooLarge {
        what: format!("the transaction takes {size} bytes in the log, which"),
        limit: limit as u64,
        hint: "write less in one transaction, or raise max_payload of the NATS server".to_owned(),
    }
}

#[cfg(test)]
mod tests;
