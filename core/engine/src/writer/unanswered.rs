//! Telling clients no more than is known of the attempts that their transactions were part of.

use std::collections::HashSet;

use ha_core::{AttemptId, AttemptName, Error, Token};

use super::group::Group;
use super::{Job, Work, Writer};

impl Writer {
    /// Tells the client the error, unless the transaction may be stored.
    pub(super) fn fail(&self, job: Job, error: Error) {
        let error = self.told_instead(&job.attempts, error);
        job.fail(error);
    }

    /// What is told instead of an error that says that nothing is stored.
    pub(super) fn told_instead(&self, attempts: &[AttemptId], error: Error) -> Error {
        self.machine.name_of(attempts, None).map_or(error, Error::OutcomeUnknown)
    }

    /// Tells the client that it is not known whether the group it was executed in last is stored.
    pub(super) fn unknown(&self, job: Job, name: AttemptName) {
        let name = self.machine.name_of(&job.attempts, job.ships.then_some(name));
        job.unknown(name);
    }

    /// Tells the client what the execution gave.
    pub(super) fn finish(&self, job: Job, position: Token) {
        match &job.outcome {
            Some(Err(error)) => {
                let error = error.clone();
                self.fail(job, error);
            }
            Some(Ok(_)) | None => job.finish(position),
        }
    }

    /// The group goes on under another name; what was sent of it may be stored.
    pub(super) fn note_attempt(&self, group: &mut Group) {
        let Some(meta) = &group.encoded.head().meta else { return };
        if self.machine.is_loose(meta.id) {
            let shipped = group.jobs.iter_mut().filter(|job| job.ships);
            shipped.for_each(|job| job.attempts.push(meta.id));
        }
    }

    /// Forgets the attempts of which no client waits any more. No group is open.
    pub(super) fn forget_attempts(&mut self) {
        let applying = self.applying.iter().map(|(_, job)| &job.attempts[..]);
        let waiting = self.queue.iter().map(Work::attempts).chain(applying);
        let needed: HashSet<_> = waiting.flatten().copied().collect();
        self.machine.forget_loose(|id| needed.contains(&id));
    }
}
