//! A session's transaction that holds the writer while its client thinks.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use ha_core::{Error, Result};
use ha_sqlite::Interrupt;
use tokio::sync::oneshot;

use super::{Command, Job, Lease, Ran, Step, Work, Writer};
use crate::store::{Execution, Transaction};

/// What a lease came to.
enum End {
    /// It is rolled back or to be rolled back.
    Over,
    /// Its client commits.
    Commit(Job),
}

impl Writer {
    /// Serves the lease at the head of the queue until its transaction is over.
    pub(super) fn serve_lease(&mut self) {
        let Some(Work::Lease(lease)) = self.queue.pop_front() else { return };
        let begun = Instant::now();
        self.serve(lease);
        self.excuse(begun.elapsed());
    }

    fn serve(&mut self, lease: Lease) {
        let Lease { script, granted, commands, .. } = lease;
        let (mut execution, mut transaction) = match self.grant(&script) {
            Ok(opened) => opened,
            Err(error) => {
                self.give_back();
                let _ = granted.send(Err(error));
                return;
            }
        };
        if granted.send(Ok(())).is_err() {
            return self.give_back();
        }
        match self.obey(&mut transaction, &commands) {
            End::Over => self.give_back(),
            End::Commit(job) => {
                let ended = self.store.end_transaction(&mut execution, transaction, None);
                self.commit_lease(execution, ended, job);
            }
        }
    }

    /// Opens the transaction and repeats what it did on its snapshot.
    fn grant(&mut self, script: &[Step]) -> Result<(Execution, Transaction)> {
        let execution = self.store.begin()?;
        let mut transaction = self.store.begin_transaction()?;
        for step in script {
            self.run_step(&mut transaction, step, &Interrupt::default())?;
        }
        Ok((execution, transaction))
    }

    fn obey(
        &mut self,
        transaction: &mut Transaction,
        commands: &std::sync::mpsc::Receiver<Command>,
    ) -> End {
        loop {
            match commands.recv_timeout(self.idle_timeout) {
                Ok(Command::Run { batch, interrupt, reply }) => {
                    let outcome = self.store.run_undoable(transaction, &batch, &interrupt);
                    let lost = self.store.is_lost();
                    // A client that is gone ends the lease by that.
                    let _ = reply.send(Ran { outcome, lost });
                    if lost {
                        return End::Over;
                    }
                }
                Ok(Command::Describe { sql, reply }) => {
                    let _ = reply.send(self.store.describe(&sql));
                }
                Ok(Command::Commit { script, reply }) => {
                    return End::Commit(self.committing(script, reply));
                }
                Ok(Command::Rollback { reply }) => {
                    self.give_back();
                    let _ = reply.send(Ok(()));
                    return End::Over;
                }
                Err(RecvTimeoutError::Timeout) => {
                    tracing::info!(timeout = ?self.idle_timeout, "an idle transaction was rolled back");
                    return End::Over;
                }
                Err(RecvTimeoutError::Disconnected) => return End::Over,
            }
        }
    }

    fn commit_lease(&mut self, execution: Execution, ended: Result<()>, mut job: Job) {
        if let Err(error) = ended {
            self.give_back();
            return job.fail(error);
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

impl Step {
    /// A step that no replay can agree with.
    fn irrepeatable() -> Self {
        Self { batch: ha_core::Batch::default(), shown: Some(super::digest(&Err(Error::Closed))) }
    }
}
