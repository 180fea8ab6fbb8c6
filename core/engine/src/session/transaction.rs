use std::sync::mpsc::Sender;

use ha_core::{
    Batch, Description, Error, Reply, Result, ResultSet, Token, TransactionOptions,
    TransactionState,
};
use ha_sqlite::Interrupt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Surroundings;
use super::script::Script;
use crate::claim::Claim;
use crate::host;
use crate::readers::{Lent, Read, surely_writes};
use crate::writer::{Command, Job, Lease, LeaseId, Message, Ran, ReadOf, Step};

/// An interactive transaction. Dropping it rolls it back.
#[derive(Debug)]
pub(super) struct Transaction {
    options: TransactionOptions,
    stage: Stage,
    script: Script,
}

/// How far a transaction has come.
#[derive(Debug)]
enum Stage {
    /// Nothing was read yet.
    Fresh,
    /// It has read from this snapshot.
    Reading(Lent),
    /// It is open on the writer, unless it has made way for others.
    Writing(Hold),
    /// It is gone.
    Lost(Error),
}

/// A place on the writer; given back when it is dropped.
#[derive(Debug)]
struct Hold {
    id: LeaseId,
    inbox: Sender<Message>,
    /// When the client's last call was answered.
    idle_since: Instant,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // A writer that is gone holds nothing.
        let _ = self.inbox.send(Message::Release(self.id));
    }
}

impl Transaction {
    pub(super) fn new(options: TransactionOptions) -> Self {
        Self { options, stage: Stage::Fresh, script: Script::new() }
    }

    /// One that is gone for this reason.
    pub(super) fn lost(error: Error) -> Self {
        let options = TransactionOptions::default();
        Self { options, stage: Stage::Lost(error), script: Script::new() }
    }

    pub(super) fn state(&self) -> TransactionState {
        match self.stage {
            Stage::Lost(_) => TransactionState::Lost,
            Stage::Fresh | Stage::Reading(_) | Stage::Writing(_) => TransactionState::Open,
        }
    }

    pub(super) async fn run(
        &mut self,
        node: &Surroundings,
        mut batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<Reply> {
        if batch.key.is_some() {
            return Err(Error::invalid(
                "an idempotency key is for a request that is a transaction of its own",
            ));
        }
        if matches!(self.stage, Stage::Fresh) {
            node.fresh(self.options.reads).await?;
        }
        let defaults = self.options.limits;
        batch.limits.time = batch.limits.time.or(defaults.time);
        batch.limits.rows = batch.limits.rows.or(defaults.rows);
        batch.limits.bytes = batch.limits.bytes.or(defaults.bytes);
        self.refuse_idle(node)?;
        let step = self.script.next(batch, self.options.hides_rowids);
        let may_read = !matches!(self.stage, Stage::Writing(_)) && !surely_writes(&step.batch);
        if may_read && let Some(reply) = self.read(node, &step, interrupt).await? {
            return Ok(reply);
        }
        let outcome = self.write(node, &step, interrupt).await?;
        self.script.add(step, &outcome, None);
        Ok(Reply { results: outcome?, position: node.shared.token() })
    }

    pub(super) async fn commit(mut self, node: &Surroundings) -> Result<Token> {
        self.refuse_idle(node)?;
        let hold = match &self.stage {
            Stage::Fresh | Stage::Reading(_) => return Ok(node.shared.token()),
            Stage::Lost(error) => return Err(error.clone()),
            Stage::Writing(hold) => hold,
        };
        let (reply, answer) = oneshot::channel();
        let (script, claim) = (self.script.whole(), Claim::default());
        let commit = Command::Commit { script, claim: claim.clone(), reply };
        node.send(Message::Command(hold.id, commit))?;
        let answer = node.hear(answer).await.map_err(|reason| claim.leave(reason))?;
        if let Some(committed) = answer {
            return Ok(committed?.position);
        }
        // It has made way for others: everything is executed again.
        let (reply, answer) = oneshot::channel();
        let script = self.script.whole().ok_or(Error::Conflict)?;
        let job = Job::new(script, Interrupt::default(), reply);
        let claim = job.claim.clone();
        node.send(Message::Job(job))?;
        let answer = node.hear(answer).await.map_err(|reason| claim.leave(reason))?;
        Ok(answer.ok_or(Error::Closed)??.position)
    }

    pub(super) async fn rollback(self, node: &Surroundings) {
        let Stage::Writing(hold) = &self.stage else { return };
        let (reply, answer) = oneshot::channel();
        if hold.inbox.send(Message::Command(hold.id, Command::Rollback { reply })).is_ok() {
            // It was rolled back before, if nobody answers.
            let _ = node.hear(answer).await;
        }
    }

    pub(super) async fn describe(
        &mut self,
        node: &Surroundings,
        sql: String,
    ) -> Result<Description> {
        match self.stage {
            Stage::Fresh | Stage::Lost(_) => node.describe(sql).await,
            Stage::Reading(_) => {
                let mut lent = self.snapshot(node).await?;
                let describe = move || {
                    let description = lent.reader().and_then(|reader| reader.describe(&sql));
                    (description, lent)
                };
                let (description, lent) = node.shared.stall.read(describe).await?;
                self.stage = Stage::Reading(lent);
                description
            }
            Stage::Writing(_) => {
                self.refuse_idle(node)?;
                self.ask(node, |reply| Command::Describe { sql: sql.clone(), reply }).await?
            }
        }
    }

    /// Runs the step on the transaction's snapshot; `None` if it writes.
    async fn read(
        &mut self,
        node: &Surroundings,
        step: &Step,
        interrupt: &Interrupt,
    ) -> Result<Option<Reply>> {
        let mut lent = self.snapshot(node).await?;
        let (interrupt, again) = (interrupt.clone(), step.clone());
        let read = move || {
            let read = lent.reader().and_then(|reader| {
                let read = again.during(|| reader.read_on(&again.batch, &interrupt))?;
                // What writes is executed elsewhere.
                let read_something = matches!(read, Read::Done(_));
                let tables = if read_something { reader.tables(&again.batch) } else { None };
                Ok((read, tables))
            });
            (read, lent)
        };
        let (read, lent) = node.shared.stall.read(read).await?;
        self.stage = Stage::Reading(lent);
        let (outcome, read) = match read {
            Ok((Read::Writes, _)) => return Ok(None),
            Ok((Read::Done(reply), tables)) => {
                let at = reply.position;
                (Ok(reply), Some(ReadOf { at, tables }))
            }
            Err(error) => (Err(error), None),
        };
        let shown = outcome.as_ref().map(|reply| reply.results.clone()).map_err(Clone::clone);
        self.script.add(step.clone(), &shown, read);
        outcome.map(Some)
    }

    /// The transaction's snapshot, which is opened now if there is none. Until it is given
    /// back the transaction counts as lost.
    async fn snapshot(&mut self, node: &Surroundings) -> Result<Lent> {
        match std::mem::replace(&mut self.stage, Stage::Lost(Error::Closed)) {
            Stage::Reading(lent) => Ok(lent),
            Stage::Lost(error) => Err(self.lose(error)),
            Stage::Fresh | Stage::Writing(_) => {
                self.stage = Stage::Fresh;
                node.serving().await?;
                let mut lent = node.readers.lend_for_long();
                let begin = move || lent.reader().and_then(|reader| reader.begin()).map(|()| lent);
                node.shared.stall.read(begin).await?
            }
        }
    }

    /// Runs the step on the writer. An error apart from the inner one means that the
    /// transaction is gone.
    async fn write(
        &mut self,
        node: &Surroundings,
        step: &Step,
        interrupt: &Interrupt,
    ) -> Result<Result<Vec<ResultSet>>> {
        let repeatable = self.script.has_room_for(step);
        let run = |reply| {
            let (step, interrupt) = (step.clone(), interrupt.clone());
            Command::Run { step: Box::new(step), repeatable, interrupt, reply }
        };
        match self.ask(node, run).await? {
            Ran { outcome: Err(error), lost: true } => Err(self.lose(error)),
            Ran { outcome, .. } => Ok(outcome),
        }
    }

    /// Asks the writer, where the transaction is opened again if it is not open now.
    async fn ask<T>(
        &mut self,
        node: &Surroundings,
        command: impl Fn(oneshot::Sender<T>) -> Command,
    ) -> Result<T> {
        if let Stage::Writing(hold) = &self.stage {
            let (reply, answer) = oneshot::channel();
            node.send(Message::Command(hold.id, command(reply)))?;
            let answer =
                node.hear(answer).await.map_err(|reason| self.lose(Error::NotReady(reason)))?;
            if let Some(answer) = answer {
                self.awake();
                return Ok(answer);
            }
        }
        let (reply, answer) = oneshot::channel();
        self.take_writer(node, command(reply)).await?;
        let answer =
            node.hear(answer).await.map_err(|reason| self.lose(Error::NotReady(reason)))?;
        let answer = answer.ok_or_else(|| self.lose(Error::Closed))?;
        self.awake();
        Ok(answer)
    }

    /// Gets the writer for the transaction, with everything it did repeated there, and the
    /// command done.
    async fn take_writer(&mut self, node: &Surroundings, command: Command) -> Result<()> {
        if let Stage::Lost(error) = &self.stage {
            return Err(error.clone());
        }
        node.refuse_read_only(self.options.read_only)?;
        let Some(script) = self.script.whole() else { return Err(self.lose(Error::Conflict)) };
        node.serving().await?;
        let (granted, answer) = oneshot::channel();
        let id = host::chance();
        let hold = Hold { id, inbox: node.inbox.clone(), idle_since: Instant::now() };
        let deadline = Instant::now();
        node.send(Message::Lease(Lease { id, script, command, deadline, granted }))?;
        self.stage = Stage::Writing(hold);
        match node.hear(answer).await {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(error))) => Err(self.lose(error)),
            Ok(None) => Err(self.lose(Error::Closed)),
            Err(reason) => Err(self.lose(Error::NotReady(reason))),
        }
    }

    fn awake(&mut self) {
        if let Stage::Writing(hold) = &mut self.stage {
            hold.idle_since = Instant::now();
        }
    }

    /// A transaction that wrote must not be idle for long, whoever waits.
    fn refuse_idle(&mut self, node: &Surroundings) -> Result<()> {
        let limit = node.options.idle_timeout;
        match &self.stage {
            Stage::Writing(hold) if hold.idle_since.elapsed() >= limit => {
                Err(self.lose(Error::IdleTransaction(limit)))
            }
            _ => Ok(()),
        }
    }

    /// The transaction is gone; the error again.
    fn lose(&mut self, error: Error) -> Error {
        self.stage = Stage::Lost(error.clone());
        error
    }
}
