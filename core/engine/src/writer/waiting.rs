//! Clients that wait for the writer, and for how long.

use std::time::Duration;

use ha_core::{AttemptId, Error};
use tokio::time::Instant;

use super::Writer;
use super::job::{Job, Lease};

/// What waits for the writer.
#[derive(Debug)]
pub(super) enum Work {
    Job(Job),
    Lease(Lease),
}

impl Writer {
    /// Answers those who have waited long enough.
    pub(super) fn expire(&mut self) {
        self.expire_strong();
        self.fail_withheld();
        let now = Instant::now();
        let stopped = self.machine.stopped().is_some();
        let late = |work: &Work| stopped || work.deadline() <= now;
        for work in std::mem::take(&mut self.queue) {
            match work {
                work if !late(&work) => self.queue.push_back(work),
                Work::Job(job) => self.fail(job, self.why_waiting()),
                Work::Lease(lease) => {
                    let _ = lease.granted.send(Err(self.why_waiting()));
                }
            }
        }
        for (name, job) in std::mem::take(&mut self.applying) {
            if stopped || job.deadline <= now {
                self.unknown(job, name);
            } else {
                self.applying.push((name, job));
            }
        }
    }

    pub(super) fn why_waiting(&self) -> Error {
        if self.verifying && self.machine.stopped().is_none() {
            return Error::NotSent("the log is being compared after an interruption".to_owned());
        }
        match self.machine.why_waiting() {
            Error::NotSent(reason) => Error::NotSent(self.with_warnings(reason)),
            other => other,
        }
    }

    /// What is wrong with the log may be why it does not answer.
    fn with_warnings(&self, reason: String) -> String {
        let warnings = self.link.transport().warnings();
        let others = warnings.into_iter().chain(self.shared.stall.reason());
        std::iter::once(reason).chain(others).collect::<Vec<_>>().join("; ")
    }

    /// Those who wait are not charged for the time that others execute: the deadline is one
    /// for the log.
    pub(super) fn excuse(&mut self, spent: Duration) {
        for work in &mut self.queue {
            match work {
                Work::Job(job) => job.deadline += spent,
                Work::Lease(lease) => lease.deadline += spent,
            }
        }
    }

    /// Who comes now is not charged for the time that a large entry takes.
    pub(super) fn deadline_of_new(&self) -> Instant {
        let now = Instant::now();
        let busy = self.open.is_some() || self.machine.holds();
        let from = if busy { self.busy_until.max(now) } else { now };
        from + self.patience
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        let applying = self.applying.iter().map(|(_, job)| job.deadline);
        let withheld = self.withheld.iter().map(|withheld| withheld.until);
        self.queue.iter().map(Work::deadline).chain(applying).chain(withheld).min()
    }
}

impl Work {
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::Job(job) => job.deadline,
            Self::Lease(lease) => lease.deadline,
        }
    }

    /// Attempts that it was part of, and that may be stored.
    pub(super) fn attempts(&self) -> &[AttemptId] {
        match self {
            Self::Job(job) => &job.attempts,
            // Nothing of it was sent.
            Self::Lease(_) => &[],
        }
    }
}
