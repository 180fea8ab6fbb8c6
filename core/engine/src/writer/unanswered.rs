//! Telling clients no more than is known of the attempts that their transactions were part of.

use std::collections::HashSet;

use ha_core::{AttemptName, Error, Token};
use tokio::time::Instant;

use super::group::Group;
use super::{Job, Work, Writer};

/// An error that says that nothing is stored, of a transaction of which that is not known yet. Most
/// often the log's word on it is on its way.
#[derive(Debug)]
pub(super) struct Withheld {
    job: Job,
    error: Error,
    pub(super) until: Instant,
}

impl Writer {
    /// Tells the client the error, unless the transaction may be stored; once that is known, or the log
    /// has not answered for too long.
    pub(super) fn fail(&mut self, job: Job, error: Error) {
        if self.machine.awaits_word(&job.attempts) {
            let until = Instant::now() + self.patience;
            return self.withheld.push(Withheld { job, error, until });
        }
        self.fail_now(job, error);
    }

    /// Tells the errors that have waited for the log's word.
    pub(super) fn fail_withheld(&mut self) {
        if self.open.is_none() {
            self.forget_attempts();
        }
        let (now, stopped) = (Instant::now(), self.machine.stopped().is_some());
        for withheld in std::mem::take(&mut self.withheld) {
            let waits = self.machine.awaits_word(&withheld.job.attempts);
            if waits && !stopped && now < withheld.until {
                self.withheld.push(withheld);
            } else {
                self.fail_now(withheld.job, withheld.error);
            }
        }
    }

    fn fail_now(&self, job: Job, error: Error) {
        let error = self.machine.name_of(&job.attempts, None).map_or(error, Error::OutcomeUnknown);
        job.fail(error);
    }

    /// Tells the client that it is not known whether the group it was executed in last is stored.
    pub(super) fn unknown(&self, job: Job, name: AttemptName) {
        let name = self.machine.name_of(&job.attempts, job.ships.then_some(name));
        job.unknown(name);
    }

    /// Tells the client what the execution gave.
    pub(super) fn finish(&mut self, job: Job, position: Token) {
        match &job.outcome {
            Some(Err(error)) => {
                let error = error.clone();
                self.fail(job, error);
            }
            Some(Ok(_)) | None => job.finish(position),
        }
    }

    /// The group is about to be handed to the log. `false` if it must not be, because a client has left.
    pub(super) fn hand_over(&self, group: &Group) -> bool {
        let name = group.encoded.head().meta.as_ref().map(|meta| self.machine.name(meta.id));
        group.jobs.iter().all(|job| {
            let attempt = name.filter(|_| job.ships);
            job.claim.may_be(self.machine.name_of(&job.attempts, attempt))
        })
    }

    /// The group it was in is not stored; it may be as an attempt before that.
    pub(super) fn hand_back(&self, job: &Job) {
        job.claim.may_be(self.machine.name_of(&job.attempts, None));
    }

    /// The group goes on under another name; what was sent of it may be stored.
    pub(super) fn note_attempt(&self, group: &mut Group) {
        let Some(meta) = &group.encoded.head().meta else { return };
        if self.machine.has_loose(&[meta.id]) {
            let shipped = group.jobs.iter_mut().filter(|job| job.ships);
            shipped.for_each(|job| job.attempts.push(meta.id));
        }
    }

    /// Forgets the attempts of which no client waits any more. No group is open.
    pub(super) fn forget_attempts(&mut self) {
        if !self.machine.has_any_loose() {
            return;
        }
        let applying = self.applying.iter().map(|(_, job)| job);
        let jobs = self.withheld.iter().map(|withheld| &withheld.job).chain(applying);
        let attempts = jobs.map(|job| &job.attempts[..]);
        let waiting = self.queue.iter().map(Work::attempts).chain(attempts);
        let needed: HashSet<_> = waiting.flatten().copied().collect();
        self.machine.forget_loose(|id| needed.contains(&id));
    }
}
