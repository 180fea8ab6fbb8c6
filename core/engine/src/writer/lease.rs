//! A session's transaction that is open on the writer.
//!
//! It makes way for others while its client thinks: it is rolled back, and when the session
//! comes again with its script, everything is repeated on the state there is then.

use std::time::Duration;

use ha_core::{Error, Result};
use ha_sqlite::Interrupt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Command, Job, Lease, LeaseId, Ran, Step, Work, Writer};
use crate::store::{Execution, Transaction, is_passing};

/// So long may a client think at least while others wait; a round trip on a busy machine.
const THINKING: Duration = Duration::from_millis(2);

/// So long do others wait for a client that does not pause, besides the time its transaction
/// has executed: at least half of the time is spent on something new.
const TURN: Duration = Duration::from_millis(50);

/// The open transaction.
#[derive(Debug)]
pub(super) struct Leased {
    id: LeaseId,
    execution: Execution,
    transaction: Transaction,
    /// The session can repeat it.
    repeatable: bool,
    /// Since when its client thinks.
    idle_since: Instant,
    /// Since when others wait.
    wanted_since: Option<Instant>,
    /// How long it has executed.
    spent: Duration,
    /// How long it had executed when others began to wait. What it executes after that gives
    /// it no more time.
    spent_before: Duration,
}

impl Leased {
    /// When it is rolled back, if nothing happens until then.
    pub(super) fn ends_at(&self, idle_timeout: Duration) -> Instant {
        let idle = self.idle_since + idle_timeout;
        match self.wanted_since {
            None => idle,
            Some(wanted) if self.repeatable => {
                // What took long to execute takes long to repeat.
                let thinking = (self.spent / 4).clamp(THINKING, TURN);
                (self.idle_since + thinking).min(wanted + TURN + self.spent_before)
            }
            Some(wanted) => idle.min(wanted + idle_timeout),
        }
    }
}

impl Writer {
    /// Opens the transaction of a session, with everything it did repeated, and runs what it
    /// wants next.
    pub(super) fn grant(&mut self, lease: Lease) {
        let Lease { id, script, command, granted, .. } = lease;
        if granted.is_closed() {
            return;
        }
        let begun = Instant::now();
        match self.repeat(&script, command.interrupt()) {
            Ok((execution, transaction)) => {
                self.lease = Some(Leased {
                    id,
                    execution,
                    transaction,
                    repeatable: true,
                    idle_since: begun,
                    wanted_since: None,
                    spent: Duration::ZERO,
                    spent_before: Duration::ZERO,
                });
                self.spent_on_lease(begun);
                let _ = granted.send(Ok(()));
                self.command(id, command);
            }
            Err(error) => {
                self.give_back();
                self.excuse(begun.elapsed());
                let _ = granted.send(Err(error));
            }
        }
    }

    fn repeat(
        &mut self,
        script: &[Step],
        interrupt: &Interrupt,
    ) -> Result<(Execution, Transaction)> {
        let execution = self.store.begin()?;
        let mut transaction = self.store.begin_transaction()?;
        for step in script {
            self.run_step(&mut transaction, step, interrupt)?;
        }
        Ok((execution, transaction))
    }

    /// Does what the session of the open transaction wants. If it is not open, the reply is
    /// dropped.
    pub(super) fn command(&mut self, id: LeaseId, command: Command) {
        let Some(mut lease) = self.lease.take_if(|lease| lease.id == id) else { return };
        let begun = Instant::now();
        match command {
            Command::Run { step, repeatable, interrupt, reply } => {
                let run =
                    || self.store.run_undoable(&mut lease.transaction, &step.batch, &interrupt);
                let outcome = step.during(run);
                let lost = self.store.is_lost();
                lease.repeatable &= repeatable && !outcome.as_ref().is_err_and(is_passing);
                if lost {
                    self.give_back();
                } else {
                    self.lease = Some(lease);
                    self.spent_on_lease(begun);
                }
                let _ = reply.send(Ran { outcome, lost });
            }
            Command::Describe { sql, reply } => {
                let _ = reply.send(self.store.describe(&sql));
                self.lease = Some(lease);
                self.spent_on_lease(begun);
            }
            Command::Commit { script, claim, reply } => {
                let job = Job { claim, ..self.committing(script, reply) };
                self.commit_lease(lease, job);
            }
            Command::Rollback { reply } => {
                self.give_back();
                let _ = reply.send(Ok(()));
            }
        }
        self.take_held();
    }

    /// The session is gone.
    pub(super) fn release(&mut self, id: LeaseId) {
        if self.lease.take_if(|lease| lease.id == id).is_some() {
            self.give_back();
            self.take_held();
        }
    }

    /// Rolls the open transaction back if it has kept others waiting, or was idle, for too
    /// long.
    pub(super) fn mind_lease(&mut self) {
        while self.lease_is_over() {
            self.lease = None;
            self.give_back();
            self.take_held();
            self.work();
        }
    }

    fn lease_is_over(&mut self) -> bool {
        let wanted =
            !self.queue.is_empty() || !self.held.is_empty() || self.strong.somebody_waits();
        let now = Instant::now();
        self.lease.as_mut().is_some_and(|lease| {
            if wanted && lease.wanted_since.is_none() {
                lease.wanted_since = Some(now);
                lease.spent_before = lease.spent;
            }
            lease.ends_at(self.idle_timeout) <= now
        })
    }

    fn spent_on_lease(&mut self, begun: Instant) {
        let spent = begun.elapsed();
        self.excuse(spent);
        if let Some(lease) = &mut self.lease {
            lease.spent += spent;
            lease.idle_since = Instant::now();
        }
    }

    fn commit_lease(&mut self, lease: Leased, mut job: Job) {
        let Leased { mut execution, transaction, .. } = lease;
        if let Err(error) = self.store.end_transaction(&mut execution, transaction, None) {
            self.give_back();
            return job.fail(error);
        }
        if !self.machine.can_execute() {
            self.give_back();
            return self.queue.push_front(Work::Job(job));
        }
        job.n = u32::try_from(execution.shipped.len()).unwrap_or(u32::MAX);
        job.ships = job.n > 0;
        job.outcome = Some(Ok(Vec::new()));
        self.offer(execution, vec![job]);
    }

    /// The committing transaction as a job, which is executed again if another node was first.
    /// A script that was too long to keep cannot be.
    fn committing(
        &self,
        script: Option<Vec<Step>>,
        reply: oneshot::Sender<Result<ha_core::Reply>>,
    ) -> Job {
        let steps = script.unwrap_or_else(|| vec![Step::irrepeatable()]);
        let job = Job::new(steps, Interrupt::default(), reply);
        Job { deadline: Instant::now() + self.patience, ..job }
    }

    fn give_back(&mut self) {
        if let Err(error) = self.store.roll_back() {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

impl Command {
    fn interrupt(&self) -> &Interrupt {
        static NOBODYS: std::sync::LazyLock<Interrupt> =
            std::sync::LazyLock::new(Interrupt::default);
        match self {
            Self::Run { interrupt, .. } => interrupt,
            Self::Describe { .. } | Self::Commit { .. } | Self::Rollback { .. } => &NOBODYS,
        }
    }
}

impl Step {
    /// A step that no replay can agree with.
    fn irrepeatable() -> Self {
        let step = Self::new(ha_core::Batch::default());
        Self { shown: Some(step.digest(&Err(Error::Closed))), ..step }
    }
}
