//! Entries of several parts. Each part has a place of its own in the log; the position moves
//! with the last one only. Until then the parts are applied in a transaction that stays open.
//!
//! A run of parts that another entry cuts is void on every node: its parts are passed one by
//! one, as entries that change nothing. If the log ends inside a run, a no-op cuts it.

use std::time::Duration;

use bytes::Bytes;
use ha_changes::{Kind, Meta};
use ha_core::{AppendError, Appended, AttemptId, Draft, RunningHash, Seq, Stored};

use super::phase::{Attempt, Phase, Settling, WaitReason, Waiting};
use super::{Action, How, Machine, Position};

/// So long may the next part take, before a no-op is tried in its place. As long as there is
/// a next part, that is refused. One that the log has lost may be given back.
const PATIENCE: Duration = Duration::from_secs(1);

/// The first parts of an entry have come, and not all.
#[derive(Debug, Clone)]
pub(super) struct Receiving {
    /// What the newest part says.
    meta: Meta,
    /// Where it stands.
    pub(super) end: Seq,
    /// Its bytes.
    payload: Bytes,
    /// The hash after it.
    hash: RunningHash,
    /// What the node was waiting for before.
    waiting: Option<Waiting>,
    /// When a no-op is tried in the place of the next part.
    pub(super) plug_at: Duration,
}

impl Receiving {
    /// What the node goes on waiting for at `position`.
    pub(super) fn then_waits(self, position: Seq) -> Option<Waiting> {
        self.waiting.filter(|waiting| waiting.target.is_some_and(|target| target > position))
    }
}

impl Machine {
    /// The place of what comes next: after the parts that have come.
    pub(super) fn next_seq(&self) -> Seq {
        match &self.phase {
            Phase::Receiving(run) => run.end.next(),
            Phase::Appending(attempt) | Phase::Settling(Settling { attempt, .. }) => {
                self.place(attempt.seen).next()
            }
            Phase::Idle
            | Phase::Blocked(_)
            | Phase::Waiting(_)
            | Phase::Mending(_)
            | Phase::Reseeding(_)
            | Phase::Stopped(_) => self.position.seq.next(),
        }
    }

    /// Where the `number`th part of an attempt on the position stands.
    pub(super) fn place(&self, number: usize) -> Seq {
        Seq(self.position.seq.0 + number as u64)
    }

    /// Whether this part begins an entry on the position.
    pub(super) fn begins_run(&self, meta: &Meta, seq: Seq) -> bool {
        meta.part.0 == 1
            && matches!(meta.kind, Kind::Transactions(_))
            && self.follows(meta)
            && !self.is_torn(meta, seq)
    }

    /// Whether this part ends an entry at the place where it belongs, so that those before it may
    /// have been passed because of something that the log has lost since.
    pub(super) fn completes_what_was_passed(&self, meta: &Meta, seq: Seq) -> bool {
        let (number, of) = meta.part;
        number == of && end_of(meta) == seq && !self.is_torn(meta, seq)
    }

    fn is_torn(&self, meta: &Meta, seq: Seq) -> bool {
        self.torn.is_some_and(|(id, end)| id == meta.id && seq <= end)
    }

    /// Notes the part that is applied next.
    pub(super) fn receive(&mut self, meta: &Meta, stored: Stored, hash: RunningHash) {
        let waiting = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Receiving(run) => run.waiting,
            Phase::Waiting(waiting) => Some(waiting),
            _ => None,
        };
        let plug_at = self.now + PATIENCE;
        self.phase = Phase::Receiving(Box::new(Receiving {
            meta: meta.clone(),
            end: stored.seq,
            payload: stored.payload,
            hash,
            waiting,
            plug_at,
        }));
    }

    /// Something stands after the parts that have come.
    pub(super) fn received(&mut self, run: &Receiving, stored: Stored) -> Vec<Action> {
        match ha_changes::decode_part(&stored.payload) {
            Ok(part) if part.continues(&run.meta) => {
                let Stored { seq, payload } = stored.clone();
                let hash = run.hash.extend(seq, &payload);
                if let Some(meta) = part.meta() {
                    self.receive(meta, stored, hash);
                }
                vec![Action::Apply { seq, hash, payload, how: How::Part(Box::new(part)) }]
            }
            // What it is is judged when it comes again, after the parts.
            Ok(_) | Err(_) => self.tear(run.end),
        }
    }

    /// The parts that have come contradict each other, whatever comes after them.
    pub(super) fn parts_differ(&mut self) -> Vec<Action> {
        let Phase::Receiving(run) = &self.phase else { return Vec::new() };
        self.tear(end_of(&run.meta))
    }

    /// The parts that have come, and those up to `end`, are no entry: they are taken back, and
    /// passed when they come again.
    fn tear(&mut self, end: Seq) -> Vec<Action> {
        let Phase::Receiving(run) = &self.phase else { return Vec::new() };
        tracing::warn!(parts = run.meta.part.0, end = %run.end, "an entry of several parts is torn");
        self.torn = Some((run.meta.id, end));
        self.receive_again()
    }

    fn receive_again(&mut self) -> Vec<Action> {
        let Phase::Receiving(run) = &self.phase else { return Vec::new() };
        let waited_for = run.waiting.as_ref().and_then(|waiting| waiting.target);
        self.next.clear();
        self.wait(waited_for.max(Some(self.position.seq.next())), WaitReason::Behind);
        vec![Action::Unstage, Action::Resubscribe(self.position.seq.next())]
    }

    /// The next part of the attempt was found in its place.
    pub(super) fn found_own(&mut self, mut attempt: Attempt) -> Vec<Action> {
        attempt.seen += 1;
        attempt.seen_at = self.now;
        if attempt.seen == attempt.parts.len() {
            return self.commit(&attempt);
        }
        let next = self.place(attempt.seen).next();
        match &mut self.phase {
            Phase::Settling(settling) => {
                *settling = Settling { attempt, retry_at: None, ..settling.clone() };
                vec![Action::Read(next)]
            }
            phase => {
                *phase = Phase::Appending(attempt);
                Vec::new()
            }
        }
    }

    /// The newest part that the log had of an entry that is not complete, and where it stood. Nothing
    /// comes to stand there but behind those before it.
    #[must_use]
    pub fn newest_part(&self) -> Option<(Position, Bytes)> {
        match &self.phase {
            Phase::Receiving(run) => {
                let at = Position { seq: run.end, hash: run.hash, ..self.position };
                Some((at, run.payload.clone()))
            }
            Phase::Appending(attempt) | Phase::Settling(Settling { attempt, .. }) => {
                let payload = attempt.parts[..attempt.seen].last()?.clone();
                let (seq, hash) = (self.place(attempt.seen), self.hash_over(attempt, attempt.seen));
                Some((Position { seq, hash, ..self.position }, payload))
            }
            Phase::Idle
            | Phase::Blocked(_)
            | Phase::Waiting(_)
            | Phase::Mending(_)
            | Phase::Reseeding(_)
            | Phase::Stopped(_) => None,
        }
    }

    /// The hash after the first parts of an attempt.
    pub(super) fn hash_over(&self, attempt: &Attempt, count: usize) -> RunningHash {
        let parts = (1..).zip(&attempt.parts[..count]);
        parts.fold(self.position.hash, |hash, (number, part)| hash.extend(self.place(number), part))
    }

    /// The parts of the attempt that were found.
    pub(super) fn seen(&self, attempt: &Attempt) -> Vec<Stored> {
        self.stored_parts(attempt, attempt.seen)
    }

    /// The first parts of the attempt, at their places.
    pub(super) fn stored_parts(&self, attempt: &Attempt, count: usize) -> Vec<Stored> {
        let parts = (1..).zip(&attempt.parts[..count]);
        parts
            .map(|(number, payload)| Stored { seq: self.place(number), payload: payload.clone() })
            .collect()
    }

    pub(super) fn receiving_tick(&mut self, run: Receiving) -> Vec<Action> {
        if run.plug_at > self.now {
            return Vec::new();
        }
        let (end, waits_until) = (run.end, self.lost_end.filter(|until| *until > self.now));
        let plug_at = waits_until.unwrap_or(self.now + PATIENCE);
        self.phase = Phase::Receiving(Box::new(Receiving { plug_at, ..run }));
        if waits_until.is_some() { Vec::new() } else { self.plug(end) }
    }

    /// The log ends inside the attempt, as far as a read tells.
    pub(super) fn ends_inside(&mut self, mut settling: Settling) -> Vec<Action> {
        let end = self.place(settling.attempt.seen);
        let is_due = settling.attempt.seen_at + PATIENCE <= self.now;
        if is_due {
            settling.attempt.seen_at = self.now;
        }
        self.look_again(settling);
        if is_due { self.plug(end) } else { Vec::new() }
    }

    /// Tries to cut what ends at `end`.
    fn plug(&mut self, end: Seq) -> Vec<Action> {
        let noop = match self.noop() {
            Ok(noop) => noop,
            Err(error) => return self.stop(error.to_string()),
        };
        self.plug = Some((noop.id, end));
        vec![Action::Append(Draft { expect: Some(end), attempt: noop.id, parts: noop.parts })]
    }

    /// Whether the answer is to such a no-op; if so, what follows. If it was stored it comes.
    pub(super) fn plug_answered(
        &mut self,
        id: AttemptId,
        result: &Result<Appended, AppendError>,
    ) -> Option<Vec<Action>> {
        let (_, end) = self.plug.take_if(|(plug, _)| *plug == id)?;
        let is_lost = matches!(
            result,
            Err(AppendError::Refused { last: Some(last) }) if *last < end
        );
        Some(if is_lost { self.lost_parts(end) } else { Vec::new() })
    }

    /// The log has lost parts that had come.
    fn lost_parts(&mut self, end: Seq) -> Vec<Action> {
        let first = self.position.seq.next();
        match &mut self.phase {
            Phase::Receiving(run) if run.end == end => self.receive_again(),
            Phase::Settling(settling) if settling.attempt.seen > 0 => {
                (settling.attempt.seen, settling.retry_at) = (0, None);
                vec![Action::Read(first)]
            }
            _ => Vec::new(),
        }
    }
}

/// The place of the last part.
fn end_of(Meta { base, part, .. }: &Meta) -> Seq {
    Seq(base.seq.0.saturating_add(u64::from(part.1)))
}

/// Why a part is passed: the same words on each node, however much of its entry it has seen.
pub(super) fn not_whole((part, of): (u32, u32)) -> String {
    format!("part {part} of {of} of an entry that is not whole")
}
