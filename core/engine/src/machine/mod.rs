//! The decisions of a node: a state machine without clock, threads or I/O.
//!
//! It is told what happened ([`Event`]) and says what to do ([`Action`]); whoever drives it
//! gives it SQLite, time and the transport. All rules about what may be committed, when, and
//! what a client may be told live here.

mod absorb;
mod append;
mod barrier;
mod blocked;
mod bounds;
mod event;
mod loose;
mod mend;
mod own;
mod phase;
mod reseed;
mod runs;
mod settle;
mod turns;
mod waits;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ha_core::{AttemptId, Lineage, RunningHash, Seq, Stored};

pub use bounds::compare;
pub use event::{Action, Event, Fate, Folded, Heard, How};
pub use reseed::{COPY, NEWER_COPY, NoSeed, Reseed, Target};

use barrier::Reads;
use loose::Loose;
use phase::{Attempt, Blocked, Phase, Settling, WaitReason, Waiting};
use turns::Turns;
use waits::RETRY;

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
    /// Known to follow; applied once the database stands at the position.
    next: VecDeque<Stored>,
    phase: Phase,
    reads: Reads,
    turns: Turns,
    /// Where the log ended when it was longest.
    heard: Seq,
    /// The last position that was compared with the log, entry by entry.
    vouched: Seq,
    /// What the database was made last, if it was.
    restored: Option<reseed::Restored>,
    /// Until when an end that the log has lost is waited for.
    lost_end: Option<Duration>,
    /// Up to there the parts of this attempt are no entry.
    torn: Option<(AttemptId, Seq)>,
    /// Attempts of which it is not known that they are not stored.
    loose: Vec<Loose>,
    /// A no-op on its way that may cut the parts that end there.
    plug: Option<(AttemptId, Seq)>,
    attempts: u64,
    now: Duration,
    /// What is appended can be read back; otherwise this database is the only copy.
    readable: bool,
    /// The database has not the whole log.
    partial: bool,
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
            next: VecDeque::new(),
            phase,
            reads: Reads::default(),
            turns: Turns::default(),
            heard: end,
            vouched: Seq::ZERO,
            restored: None,
            lost_end: None,
            torn: None,
            loose: Vec::new(),
            plug: None,
            attempts: 0,
            now: Duration::ZERO,
            readable: true,
            partial: false,
        }
    }

    /// Tells whether what is appended can be read back.
    #[must_use]
    pub fn with_readable_log(self, readable: bool) -> Self {
        Self { readable, ..self }
    }

    /// Tells whether the database has only a part of the log, so that entries are applied to it
    /// as far as they can be.
    #[must_use]
    pub fn with_part_of_the_log(self, partial: bool) -> Self {
        Self { partial, ..self }
    }

    /// Whether the database has only a part of the log.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Where the node stands. While a group is open this may be further than the database, by
    /// entries that change nothing.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The entries up to the position that are folded and that the database has not, and where each
    /// stands.
    pub fn folded(&self) -> impl Iterator<Item = (Position, Bytes)> {
        self.folded.iter().scan(self.ground, |at, Folded { stored, .. }| {
            let hash = at.hash.extend(stored.seq, &stored.payload);
            *at = Position { seq: stored.seq, hash, ..*at };
            Some((*at, stored.payload.clone()))
        })
    }

    /// Whether a group may be executed now.
    #[must_use]
    pub fn can_execute(&self) -> bool {
        matches!(self.phase, Phase::Idle) && !self.holds()
    }

    /// Why the node stands still until somebody acts.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        match &self.phase {
            Phase::Stopped(reason)
            | Phase::Mending(phase::Mending { reason, hopeless: true, .. }) => Some(reason),
            _ => None,
        }
    }

    /// Tells what happened at `now` (since any fixed moment) and returns what to do, in
    /// order. Each action is to be carried out before the next event is told.
    pub fn on(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Executed { id, parts, deadline } => self.executed(id, parts, deadline),
            Event::Withdrawn => self.roll_back(Fate::Again),
            Event::Acked { id, result } => self.acked(id, result),
            Event::ReadBack { seq, result } => {
                let mut actions = self.read_back(seq, result.clone());
                actions.extend(self.loose_read(seq, &result));
                actions
            }
            Event::Delivered(stored) => self.delivered(stored),
            Event::Moved { seq, hash } => self.moved(seq, hash),
            Event::Staged => self.proceed(),
            Event::Torn => self.parts_differ(),
            Event::Reseed(reseed) => self.reseed(reseed),
            Event::Fetching { done, total } => {
                self.fetching(done, total);
                Vec::new()
            }
            Event::NoSeed(why) => self.no_seed(why),
            Event::Adopted(position) => self.adopted(position),
            Event::Misfit(reason) => self.misfit(reason),
            Event::Mended => self.mended(),
            Event::NotMended { reason, hopeless } => self.not_mended(reason, hopeless),
            Event::CommitFailed { reason } => self.commit_failed(&reason),
            Event::Bounds(bounds) => self.bounds(bounds),
            Event::Unreachable(reason) => self.unreachable(reason),
            Event::Stuck(reason) => self.stuck(reason),
            Event::Failed(reason) => self.stop(reason),
            Event::Recorded => self.recorded(),
            Event::Asked { read } => self.asked(read),
            Event::AskTurn(time) => self.ask_turn(time),
            Event::Quiet => self.quiet(),
            Event::Tick => self.tick(),
        }
    }

    fn moved(&mut self, seq: Seq, hash: RunningHash) -> Vec<Action> {
        self.stand_at(Position { seq, hash, ..self.position });
        self.go_on();
        let mut actions = self.serve();
        actions.extend(self.proceed());
        actions
    }

    /// After the position moved: what was waited for may have come.
    fn go_on(&mut self) {
        let position = self.position.seq;
        match &self.phase {
            Phase::Waiting(Waiting { target: Some(target), .. }) if *target > position => {}
            Phase::Mending(_) | Phase::Stopped(_) => {}
            Phase::Receiving(run) => {
                self.phase = run.clone().then_waits(position).map_or(Phase::Idle, Phase::Waiting);
            }
            Phase::Idle
            | Phase::Appending(_)
            | Phase::Blocked(_)
            | Phase::Settling(_)
            | Phase::Reseeding(_)
            | Phase::Waiting(_) => self.phase = Phase::Idle,
        }
    }

    fn tick(&mut self) -> Vec<Action> {
        self.turns_pass();
        let mut actions = self.loose_tick();
        actions.extend(self.phase_tick());
        actions
    }

    fn phase_tick(&mut self) -> Vec<Action> {
        match self.phase.clone() {
            Phase::Idle | Phase::Stopped(_) => Vec::new(),
            Phase::Appending(attempt) if attempt.deadline <= self.now => {
                self.give_up(&attempt, None)
            }
            Phase::Appending(_) => Vec::new(),
            Phase::Blocked(blocked) => self.blocked_tick(&blocked),
            Phase::Settling(settling) => self.settling_tick(settling),
            Phase::Receiving(run) => self.receiving_tick(*run),
            Phase::Reseeding(reseeding) => self.reseeding_tick(reseeding),
            Phase::Waiting(waiting) if waiting.retry_at <= self.now => self.waited(&waiting),
            Phase::Waiting(_) => Vec::new(),
            Phase::Mending(mending) => self.mending_tick(&mending),
        }
    }

    /// Stops for good. A write that was handed over is "unknown" to its clients.
    fn stop(&mut self, reason: String) -> Vec<Action> {
        if self.stopped().is_some() {
            return Vec::new();
        }
        let (fate, staged) = (self.fate_of_open(), self.unstaging());
        self.phase = Phase::Stopped(reason.clone());
        self.next.clear();
        fate.map(Action::Rollback).into_iter().chain(staged).chain([Action::Stop(reason)]).collect()
    }
}

#[cfg(test)]
mod tests;
