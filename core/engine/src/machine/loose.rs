//! Attempts that may be stored although another entry was seen in their places.
//!
//! What was seen is the log as it was then. One that has lost its end since takes an attempt that is
//! still on its way. Nothing waits for that: a state that goes on from the other entry excludes
//! the attempt, and whatever is made on that state names its hash, so that of an attempt and a later one of the
//! same transactions no history has both in effect. But as long as the log has not answered that it took nothing, no
//! client is told so; and on another history than that nothing of it is executed again.

use ha_core::{AppendError, Appended, AttemptId, AttemptName, Lineage, Stored};

use super::phase::Attempt;
use super::{Action, Machine, Phase};
use crate::planted::{Bug, planted};

/// No log has it: of an attempt that is named so every node says that nobody can tell any more.
const NOWHERE: Lineage = Lineage([0; 8]);

/// Such an attempt.
#[derive(Debug)]
pub(super) struct Loose {
    name: AttemptName,
    places: Appended,
    /// It was sent once, and that was not answered.
    awaited: bool,
    /// The state goes on from something else in its place.
    excluded: bool,
}

impl Machine {
    /// Whether the transactions of these attempts can be executed again: none of the attempts is part
    /// of the state.
    #[must_use]
    pub fn may_repeat(&self, attempts: &[AttemptId]) -> bool {
        self.loose_of(attempts).all(|loose| loose.excluded)
    }

    /// Whether the attempt may be stored although the machine has gone on without it.
    #[must_use]
    pub fn is_loose(&self, attempt: AttemptId) -> bool {
        self.loose_of(&[attempt]).next().is_some()
    }

    /// Whether the log has yet to answer one of these attempts.
    #[must_use]
    pub fn awaits_answer(&self, attempts: &[AttemptId]) -> bool {
        self.loose_of(attempts).any(|loose| loose.awaited)
    }

    /// What clients are told who would be told that nothing of these attempts is stored, or that it
    /// is not known of the `last` one. `None` if nothing is stored. A name tells of one attempt only:
    /// where several may be stored, nobody can tell what will have become of them.
    #[must_use]
    pub fn name_of(
        &self,
        attempts: &[AttemptId],
        last: Option<AttemptName>,
    ) -> Option<AttemptName> {
        let mut names = self.loose_of(attempts).map(|loose| loose.name).chain(last);
        let name = names.next()?;
        Some(if names.next().is_none() { name } else { AttemptName { lineage: NOWHERE, ..name } })
    }

    /// Forgets the attempts that nobody waits for any more.
    pub fn forget_loose(&mut self, is_needed: impl Fn(AttemptId) -> bool) {
        self.loose.retain(|loose| is_needed(loose.name.attempt));
    }

    /// Another entry has the place of the attempt.
    pub(super) fn loosen(&mut self, attempt: &Attempt) {
        if planted(Bug::SeenIsRefused) {
            return;
        }
        self.loose.push(Loose {
            name: self.name(attempt.id),
            places: self.places(attempt),
            awaited: matches!(self.phase, Phase::Appending(_)),
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
        let is_first = std::mem::take(&mut loose.awaited);
        match result {
            Ok(appended) if *appended == loose.places => {
                let seq = loose.places.first;
                loose.excluded = false;
                if self.position.seq < seq {
                    return Some(Vec::new());
                }
                return Some(self.misfit(format!(
                    "the stream has stored an entry of this node at {seq}, where it had another one: it was \
                     rewound meanwhile"
                )));
            }
            // Every other error of a first send says that it was not stored.
            Ok(_) | Err(AppendError::Unknown { .. }) => {}
            Err(_) if is_first => drop(self.loose.remove(at)),
            Err(_) => {}
        }
        Some(Vec::new())
    }

    fn loose_of(&self, attempts: &[AttemptId]) -> impl Iterator<Item = &Loose> {
        self.loose.iter().filter(move |loose| attempts.contains(&loose.name.attempt))
    }
}
