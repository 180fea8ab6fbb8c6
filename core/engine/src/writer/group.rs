//! Executing waiting transactions as one entry of the log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ha_changes::{Change, Entry, Form, Kind, RowOp, TransactionMark};
use ha_core::{AttemptId, Error, Result, ResultSet, RunningHash, Seq, Value};
use ha_sqlite::Interrupt;

use super::job::ReadOf;
use super::touched::Touches;
use super::{Job, Step, Work, Writer};
use crate::machine::{Event, Position};
use crate::store::{Execution, Record, Transaction};

/// How many transactions one entry may hold.
const GROUP: usize = 512;

/// Transactions that are executed and open, in the order of execution.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) jobs: Vec<Job>,
    transactions: u32,
    staged: Option<Record>,
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
        jobs.iter_mut().for_each(|job| job.deadline += spent);
        self.excuse(spent);
        match executed {
            Ok(execution) => self.offer(execution, jobs),
            Err(error) => {
                tracing::error!(%error, "a group of writes failed");
                let _ = self.store.roll_back();
                jobs.into_iter().for_each(|job| job.fail(error.clone()));
            }
        }
    }

    /// Offers an executed group to the log; one that ships nothing is answered at once.
    pub(super) fn offer(&mut self, execution: Execution, mut jobs: Vec<Job>) {
        if execution.shipped.is_empty() {
            let rolled_back = self.store.roll_back();
            let token = self.token();
            for mut job in jobs {
                job.n = token.n;
                job.finish(token);
            }
            if let Err(error) = rolled_back {
                self.tell(Event::Failed(error.to_string()));
            }
            return;
        }
        let begun = Instant::now();
        let transactions = u32::try_from(execution.shipped.len()).unwrap_or(u32::MAX);
        let touches = Touches::of(execution.shipped.iter().flatten());
        let (id, payload) = match self.encode(execution) {
            Ok(encoded) => encoded,
            Err(error) => {
                let _ = self.store.roll_back();
                jobs.drain(..).for_each(|job| job.fail(error.clone()));
                return;
            }
        };
        if payload.len() > self.max_entry {
            return self.too_large(payload.len(), jobs);
        }
        let deadline = jobs.iter().map(|job| job.deadline).min().unwrap_or_else(Instant::now);
        let deadline = deadline.saturating_duration_since(self.started);
        self.stages.offered(begun.elapsed());
        self.open = Some(Group { jobs, transactions, staged: None, touches });
        self.tell(Event::Executed { id, payload: payload.clone().into(), deadline });
        self.stage_early(&payload);
    }

    /// Writes the place that the open group will have if the log takes it. Done while the log
    /// is asked; a failure shows again at the commit.
    fn stage_early(&mut self, payload: &[u8]) {
        let Some(mut group) = self.open.take() else { return };
        let Position { seq, hash, .. } = self.machine.position();
        let next = seq.next();
        if let Err(error) = self.stage(&mut group, next, hash.extend(next, payload), payload) {
            tracing::warn!(%error, "the group's place could not be written");
        }
        self.open = Some(group);
    }

    pub(super) fn stage(
        &mut self,
        group: &mut Group,
        seq: Seq,
        hash: RunningHash,
        payload: &[u8],
    ) -> Result<Record> {
        let lineage = self.machine.position().lineage;
        let record =
            Record { position: Position { lineage, seq, hash }, transactions: group.transactions };
        if group.staged != Some(record) {
            self.store.stage(&record, payload)?;
            group.staged = Some(record);
        }
        Ok(record)
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let most = if self.alone > 0 { 1 } else { GROUP };
        self.alone = self.alone.saturating_sub(1);
        while jobs.len() < most {
            match self.queue.pop_front() {
                Some(Work::Job(job)) if job.interrupt.is_requested() => {
                    job.fail(Error::Interrupted);
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
            jobs.remove(culprit).fail(error);
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
        while index < jobs.len() && size < self.max_entry / 2 {
            let shipped = execution.shipped.len();
            let outcome = self.execute_job(execution, &jobs[index]);
            if self.store.is_lost() {
                return Ok(Some((index, outcome.err().unwrap_or(Error::Interrupted))));
            }
            size += execution.shipped[shipped..].iter().map(|tx| estimate(tx)).sum::<usize>();
            jobs[index].ships = execution.shipped.len() > shipped;
            jobs[index].n = u32::try_from(execution.shipped.len()).unwrap_or(u32::MAX);
            jobs[index].outcome = Some(outcome);
            index += 1;
        }
        for job in jobs.drain(index..).rev() {
            self.queue.push_front(Work::Job(job));
        }
        Ok(None)
    }

    fn execute_job(&mut self, execution: &mut Execution, job: &Job) -> Result<Vec<ResultSet>> {
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
        self.store.end_transaction(execution, transaction)?;
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
        read.at == self.token() || self.touched.is_fresh(read)
    }

    /// A single transaction that is too large is refused; of several, each is tried alone.
    fn too_large(&mut self, size: usize, mut jobs: Vec<Job>) {
        if let Err(error) = self.store.roll_back() {
            return self.tell(Event::Failed(error.to_string()));
        }
        if jobs.len() == 1 {
            let limit = self.max_entry as u64;
            jobs.remove(0).fail(Error::TooLarge {
                what: format!("the transaction takes {size} bytes in the log, which"),
                limit,
                hint: "write less in one transaction".to_owned(),
            });
            return;
        }
        let jobs_again = jobs.len();
        for job in jobs.into_iter().rev() {
            self.queue.push_front(Work::Job(job));
        }
        self.alone = jobs_again;
    }

    fn encode(&mut self, execution: Execution) -> Result<(AttemptId, Vec<u8>)> {
        let marks = execution
            .shipped
            .iter()
            .map(|changes| TransactionMark { changes: changes.len(), id: None })
            .collect();
        let mut meta = self.machine.next_meta(Kind::Transactions(marks));
        let id = meta.id;
        let changes: Vec<Change> = execution.shipped.into_iter().flatten().collect();
        if changes.iter().any(|change| matches!(change, Change::Sql(_))) {
            meta.sqlite = Some(rusqlite::version().to_owned());
        }
        let entry = Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: now_ns(),
            meta: Some(meta),
            changes,
        };
        let form =
            if self.compat_v007 { Form::V007Exact(self.store.triggers()) } else { Form::Own };
        let payload = ha_changes::encode_for(&entry, form)
            .map_err(|error| Error::Corrupt(error.to_string()))?;
        Ok((id, payload))
    }
}

/// The wall clock, for information only.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// About how many bytes the changes take in an entry; rather too few.
fn estimate(changes: &[Change]) -> usize {
    let values = |values: &[Value]| values.iter().map(Value::size).sum::<usize>();
    changes
        .iter()
        .map(|change| match change {
            Change::Sql(sql) | Change::SqlWith(sql, _) => sql.len() + 64,
            Change::Row(row) => {
                200 + match &row.op {
                    RowOp::Insert { new, .. } => values(new),
                    RowOp::Update { old, new, .. } => values(old) + values(new),
                    RowOp::Delete { old, .. } => values(old),
                }
            }
        })
        .sum()
}
