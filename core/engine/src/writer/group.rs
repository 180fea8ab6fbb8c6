//! Executing waiting transactions as one entry of the log.

use ha_changes::Encoded;
use ha_core::{Error, Result, ResultSet};
use ha_sqlite::Interrupt;
use tokio::time::Instant;

use super::encoding::estimate;
use super::job::ReadOf;
use super::touched::Touches;
use super::{Job, Step, Work, Writer};
use crate::planted::{Bug, planted};
use crate::store::{Answered, Execution, Record, Transaction};

/// How many transactions one entry may hold.
const GROUP: usize = 512;

/// Transactions that are executed and open, in the order of execution.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) jobs: Vec<Job>,
    pub(super) encoded: Encoded,
    pub(super) staged: Option<Record>,
    pub(super) touches: Touches,
}

impl Writer {
    /// Executes the jobs at the head of the queue and offers them to the log.
    pub(super) fn execute_group(&mut self) {
        let mut jobs = self.take_jobs();
        let begun = Instant::now();
        let executed = self.execute(&mut jobs);
        let spent = begun.elapsed();
        self.stages.executed(spent);
        for job in &mut jobs {
            job.deadline += spent;
            job.effort.add(spent);
        }
        self.excuse(spent);
        match executed {
            Ok(execution) => self.offer(execution, jobs),
            Err(error) => {
                tracing::error!(%error, "a group of writes failed");
                let _ = self.store.roll_back();
                jobs.into_iter().for_each(|job| self.fail(job, error.clone()));
            }
        }
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let most = if self.alone > 0 { 1 } else { GROUP };
        self.alone = self.alone.saturating_sub(1);
        while jobs.len() < most {
            match self.queue.pop_front() {
                Some(Work::Job(job)) if job.interrupt.is_requested() || job.claim.has_left() => {
                    self.fail(job, Error::Interrupted);
                }
                Some(Work::Job(job)) if !self.machine.may_repeat(&job.attempts) => {
                    self.fail(job, Error::Conflict);
                }
                Some(Work::Job(job)) => jobs.push(job),
                Some(lease) => {
                    self.queue.push_front(lease);
                    break;
                }
                None => break,
            }
        }
        jobs
    }

    /// Executes all jobs as savepoints of one SQLite transaction. What does not fit into one
    /// entry goes back to the queue.
    fn execute(&mut self, jobs: &mut Vec<Job>) -> Result<Execution> {
        loop {
            let mut execution = self.store.begin()?;
            let Some((culprit, error)) = self.execute_all(&mut execution, jobs)? else {
                return Ok(execution);
            };
            // SQLite took everybody's work back: the others are executed again without the
            // one that did it.
            self.store.roll_back()?;
            let culprit = jobs.remove(culprit);
            self.fail(culprit, error);
        }
    }

    /// Executes the jobs in turn; the one that made SQLite take the transaction back, if one
    /// did.
    fn execute_all(
        &mut self,
        execution: &mut Execution,
        jobs: &mut Vec<Job>,
    ) -> Result<Option<(usize, Error)>> {
        let mut size = 0;
        let mut index = 0;
        while index < jobs.len() && size < self.limits.enough() {
            let shipped = execution.shipped.len();
            let outcome = self.execute_job(execution, &mut jobs[index]);
            if self.store.is_lost() {
                return Ok(Some((index, outcome.err().unwrap_or(Error::Interrupted))));
            }
            size += execution.shipped[shipped..].iter().map(estimate).sum::<usize>();
            jobs[index].outcome = Some(outcome);
            index += 1;
        }
        for job in jobs.drain(index..).rev() {
            self.queue.push_front(Work::Job(job));
        }
        Ok(None)
    }

    /// Executes a job, or finds what it came to when it was executed before.
    fn execute_job(&mut self, execution: &mut Execution, job: &mut Job) -> Result<Vec<ResultSet>> {
        (job.done_at, job.ships) = (None, false);
        if let Some(request) = &job.request
            && !planted(Bug::KeyForgotten)
            && let Some(Answered { results, seq, n }) = self.store.answered(execution, request)?
        {
            // What stands in the open group shares its fate.
            (job.done_at, job.n, job.ships) = (seq, n, seq.is_none());
            return Ok(results);
        }
        let before = execution.shipped.len();
        let results = self.execute_steps(execution, job);
        job.ships = execution.shipped.len() > before;
        job.n = u32::try_from(execution.shipped.len()).unwrap_or(u32::MAX);
        results
    }

    fn execute_steps(&mut self, execution: &mut Execution, job: &Job) -> Result<Vec<ResultSet>> {
        let mut transaction = self.store.begin_transaction()?;
        let mut last = Vec::new();
        for step in &job.steps {
            match self.run_step(&mut transaction, step, &job.interrupt) {
                Ok(results) => last = results,
                Err(error) => {
                    self.store.abandon_transaction()?;
                    return Err(error);
                }
            }
        }
        let keyed = job.request.as_ref().map(|request| request.answered(&last));
        self.store.end_transaction(execution, transaction, keyed)?;
        Ok(last)
    }

    /// Runs a step; one that shows something else than before is a conflict.
    pub(super) fn run_step(
        &mut self,
        transaction: &mut Transaction,
        step: &Step,
        interrupt: &Interrupt,
    ) -> Result<Vec<ResultSet>> {
        if step.shown.is_none() {
            return self.store.run(transaction, &step.batch, interrupt);
        }
        if step.read.as_ref().is_some_and(|read| self.is_fresh(read)) {
            return Ok(Vec::new());
        }
        let outcome = step.during(|| self.store.run_undoable(transaction, &step.batch, interrupt));
        if interrupt.is_requested() {
            return Err(Error::Interrupted);
        }
        if self.store.is_lost() || !step.agrees(&outcome) {
            return Err(Error::Conflict);
        }
        // A client that was shown an error knows it and went on.
        Ok(outcome.unwrap_or_default())
    }

    fn is_fresh(&self, read: &ReadOf) -> bool {
        self.touched.is_fresh(read, self.token())
    }
}
