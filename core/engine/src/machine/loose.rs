//! Attempts that may be stored although another entry was seen in their places.
//!
//! What was seen is the log as it was then. One that has lost its end since takes an attempt that is
//! still on its way. Nothing waits for that: a state that goes on from the other entry excludes
//! the attempt, and whatever is made on that state names its hash, so that of an attempt and a later one of the
//! same transactions no history has both in effect. But until the log has answered that it took nothing, or
//! its place was read after it had given no answer, no client is told so; and on another history
//! nothing of it is executed again.

use std::time::Duration;

use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, AttemptName, Error, Seq, Stored, TransactionName};

use super::phase::{Attempt, Settling};
use super::waits::RETRY;
use super::{Action, Machine, Phase};
use crate::planted::{Bug, planted};

/// Such an attempt.
#[derive(Debug)]
pub(super) struct Loose {
    name: AttemptName,
    places: Appended,
    /// Where something else was seen, and its part that would stand there.
    missing: (Seq, Bytes),
    proof: Proof,
    /// The state goes on from something else in its place.
    excluded: bool,
}

/// What will tell whether it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// It was sent once, and that was not answered.
    Answer,
    /// It was sent again, and the last send was not answered: it is on its way, and what is read before
    /// tells nothing.
    LaterAnswer,
    /// What is read in its place.
    Read,
    /// The same, once it is time to read again.
    ReadAt(Duration),
    /// The log has told that it is.
    Told,
}

impl Machine {
    /// Whether the transactions of these attempts can be executed again: none of the attempts is part
    /// of the state, and one more can be named.
    #[must_use]
    pub fn may_repeat(&self, attempts: &[AttemptId]) -> bool {
        self.loose_of(attempts).all(|loose| loose.excluded)
            && self.loose_of(attempts).count() < TransactionName::MOST
    }

    /// Whether of what is open so many attempts may be stored that no further one could be named.
    pub(super) fn is_loose_enough(&self) -> bool {
        self.loose.len() >= TransactionName::MOST
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_any_loose(&self) -> bool {
        !self.loose.is_empty()
    }

    /// Whether one of the attempts may be stored although the machine has gone on without it.
    #[must_use]
    pub fn has_loose(&self, attempts: &[AttemptId]) -> bool {
        self.loose_of(attempts).next().is_some()
    }

    /// Whether the log has yet to tell of one of the attempts.
    #[must_use]
    pub fn awaits_word(&self, attempts: &[AttemptId]) -> bool {
        self.loose_of(attempts).any(|loose| loose.proof != Proof::Told)
    }

    /// What clients are told who would be told that nothing of these attempts is stored, or that it
    /// is not known of the `last` one: all that may be stored. Whichever the log has now, if it is rewound
    /// it may take another one. `None` if nothing is stored.
    #[must_use]
    pub fn name_of(
        &self,
        attempts: &[AttemptId],
        last: Option<AttemptName>,
    ) -> Option<TransactionName> {
        let earlier = self.loose_of(attempts).map(|loose| loose.name);
        TransactionName::of(earlier.filter(|name| Some(*name) != last).chain(last))
    }

    /// Forgets the attempts that nobody waits for any more.
    pub(crate) fn forget_loose(&mut self, is_needed: impl Fn(AttemptId) -> bool) {
        self.loose.retain(|loose| is_needed(loose.name.attempt));
    }

    /// Another entry was seen in the place of the attempt.
    pub(super) fn loosen(&mut self, attempt: &Attempt) {
        if planted(Bug::SeenIsRefused) {
            return;
        }
        let at = self.place(attempt.seen + 1);
        let proof = match &self.phase {
            Phase::Appending(_) => Proof::Answer,
            Phase::Settling(Settling { is_sent: true, .. }) => Proof::LaterAnswer,
            _ => Proof::ReadAt(self.now + RETRY),
        };
        self.loose.push(Loose {
            name: self.name(attempt.id),
            places: self.places(attempt),
            missing: (at, attempt.parts.get(attempt.seen).cloned().unwrap_or_default()),
            proof,
            excluded: true,
        });
    }

    /// The state is another one than what took the attempts' places has led to.
    pub(super) fn include_loose(&mut self) {
        self.loose.iter_mut().for_each(|loose| loose.excluded = false);
    }

    /// The entry becomes a part of the state; it may be one of the attempts after all.
    pub(super) fn look_for_loose(&mut self, stored: &Stored) {
        let Some(loose) = self.loose.iter_mut().find(|loose| loose.places.first == stored.seq)
        else {
            return;
        };
        let part = ha_changes::decode_part(&stored.payload).ok();
        if part.is_some_and(|part| part.meta().is_some_and(|meta| meta.id == loose.name.attempt)) {
            loose.excluded = false;
        }
    }

    /// Whether the answer is to such an attempt; if so, what follows.
    pub(super) fn loose_answered(
        &mut self,
        id: AttemptId,
        result: &Result<Appended, AppendError>,
    ) -> Option<Vec<Action>> {
        let at = self.loose.iter().position(|loose| loose.name.attempt == id)?;
        let loose = &mut self.loose[at];
        let is_first = loose.proof == Proof::Answer;
        Some(match result {
            Ok(appended) if *appended == loose.places => self.is_stored(at),
            Ok(_) | Err(AppendError::Unknown { .. }) if is_first => {
                loose.proof = Proof::ReadAt(self.now + RETRY);
                Vec::new()
            }
            Ok(_) | Err(_) if loose.proof == Proof::LaterAnswer => {
                loose.proof = Proof::ReadAt(self.now + RETRY);
                Vec::new()
            }
            // Every other error of a first send says that it was not stored.
            Err(_) if is_first => {
                self.loose.remove(at);
                Vec::new()
            }
            Ok(_) | Err(_) => Vec::new(),
        })
    }

    /// What was read, if it is in the place of such an attempt.
    pub(super) fn loose_read(
        &mut self,
        seq: Seq,
        result: &Result<Option<Stored>, Error>,
    ) -> Vec<Action> {
        let is_read = |loose: &Loose| {
            loose.missing.0 == seq && matches!(loose.proof, Proof::Read | Proof::ReadAt(_))
        };
        let Some(at) = self.loose.iter().position(is_read) else { return Vec::new() };
        match result {
            Ok(Some(stored)) if stored.payload == self.loose[at].missing.1 => {
                return self.is_stored(at);
            }
            Ok(Some(_)) => drop(self.loose.remove(at)),
            Ok(None) | Err(_) => self.loose[at].proof = Proof::ReadAt(self.now + RETRY),
        }
        Vec::new()
    }

    /// When [`Self::loose_tick`] has to do something.
    pub(super) fn loose_wakes_at(&self) -> Option<Duration> {
        let read_at = |loose: &Loose| match loose.proof {
            Proof::ReadAt(at) => Some(at),
            Proof::Answer | Proof::LaterAnswer | Proof::Read | Proof::Told => None,
        };
        self.loose.iter().filter_map(read_at).min()
    }

    pub(super) fn loose_tick(&mut self) -> Vec<Action> {
        let now = self.now;
        let due = |loose: &&mut Loose| matches!(loose.proof, Proof::ReadAt(at) if at <= now);
        let read_again = |loose: &mut Loose| {
            loose.proof = Proof::Read;
            Action::Read(loose.missing.0)
        };
        self.loose.iter_mut().filter(due).map(read_again).collect()
    }

    /// The attempt is stored, where something else was.
    fn is_stored(&mut self, at: usize) -> Vec<Action> {
        let loose = &mut self.loose[at];
        let seq = loose.places.first;
        (loose.excluded, loose.proof) = (false, Proof::Told);
        if self.position.seq < seq {
            return Vec::new();
        }
        self.misfit(format!(
            "the stream has stored an entry of this node at {seq}, where it had another one: it was \
             rewound meanwhile"
        ))
    }

    fn loose_of(&self, attempts: &[AttemptId]) -> impl Iterator<Item = &Loose> {
        self.loose.iter().filter(move |loose| attempts.contains(&loose.name.attempt))
    }
}
