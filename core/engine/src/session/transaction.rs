use std::time::Instant;

use ha_core::{
    Batch, Description, Error, Reply, Result, ResultSet, Token, TransactionOptions,
    TransactionState,
};
use ha_sqlite::Interrupt;
use tokio::sync::oneshot;

use super::script::Script;
use super::{Surroundings, blocking};
use crate::readers::{Lent, Read, surely_writes};
use crate::writer::{Command, Lease, Message, Ran};

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
    /// It holds the writer.
    Writing(std::sync::mpsc::Sender<Command>),
    /// It is gone.
    Lost(Error),
}

impl Transaction {
    pub(super) fn new(options: TransactionOptions) -> Self {
        Self { options, stage: Stage::Fresh, script: Script::default() }
    }

    /// One that is gone for this reason.
    pub(super) fn lost(error: Error) -> Self {
        let options = TransactionOptions::default();
        Self { options, stage: Stage::Lost(error), script: Script::default() }
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
        let may_read = !matches!(self.stage, Stage::Writing(_)) && !surely_writes(&batch);
        if may_read && let Some(reply) = self.read(node, &batch, interrupt).await? {
            return Ok(reply);
        }
        self.take_writer(node).await?;
        let outcome = self.write(node, batch.clone(), interrupt).await;
        self.script.add(batch, &outcome);
        Ok(Reply { results: outcome?, position: node.shared.token() })
    }

    pub(super) async fn commit(self, node: &Surroundings) -> Result<Token> {
        let commands = match self.stage {
            Stage::Fresh | Stage::Reading(_) => return Ok(node.shared.token()),
            Stage::Lost(error) => return Err(error),
            Stage::Writing(commands) => commands,
        };
        let (reply, answer) = oneshot::channel();
        let script = self.script.whole();
        let idle = || Error::IdleTransaction(node.options.idle_timeout);
        commands.send(Command::Commit { script, reply }).map_err(|_| idle())?;
        Ok(answer.await.map_err(|_| idle())??.position)
    }

    pub(super) async fn rollback(self) {
        let Stage::Writing(commands) = self.stage else { return };
        let (reply, answer) = oneshot::channel();
        if commands.send(Command::Rollback { reply }).is_ok() {
            // It was rolled back before, if nobody answers.
            let _ = answer.await;
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
                let (description, lent) = blocking(describe).await?;
                self.stage = Stage::Reading(lent);
                description
            }
            Stage::Writing(_) => {
                let (reply, answer) = oneshot::channel();
                self.command(node, Command::Describe { sql, reply })?;
                let idle = Error::IdleTransaction(node.options.idle_timeout);
                answer.await.map_err(|_| self.lose(idle))?
            }
        }
    }

    /// Runs the batch on the transaction's snapshot; `None` if it writes.
    async fn read(
        &mut self,
        node: &Surroundings,
        batch: &Batch,
        interrupt: &Interrupt,
    ) -> Result<Option<Reply>> {
        let mut lent = self.snapshot(node).await?;
        let (interrupt, again) = (interrupt.clone(), batch.clone());
        let read = move || {
            let read = lent.reader().and_then(|reader| reader.read_on(&again, &interrupt));
            (read, lent)
        };
        let (read, lent) = blocking(read).await?;
        self.stage = Stage::Reading(lent);
        let outcome = match read {
            Ok(Read::Writes) => return Ok(None),
            Ok(Read::Done(reply)) => Ok(reply),
            Err(error) => Err(error),
        };
        let shown = outcome.as_ref().map(|reply| reply.results.clone()).map_err(Clone::clone);
        self.script.add(batch.clone(), &shown);
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
                blocking(begin).await?
            }
        }
    }

    /// Gets the writer for the transaction, with everything it did repeated there.
    async fn take_writer(&mut self, node: &Surroundings) -> Result<()> {
        match &self.stage {
            Stage::Writing(_) => return Ok(()),
            Stage::Lost(error) => return Err(error.clone()),
            Stage::Fresh | Stage::Reading(_) => {}
        }
        node.refuse_read_only(self.options.read_only)?;
        let Some(script) = self.script.whole() else { return Err(self.lose(Error::Conflict)) };
        node.serving().await?;
        let (granted, answer) = oneshot::channel();
        let (sender, commands) = std::sync::mpsc::channel();
        let deadline = Instant::now();
        node.send(Message::Lease(Lease { script, deadline, granted, commands }))?;
        match answer.await.map_err(|_| Error::Closed)? {
            Ok(()) => {
                self.stage = Stage::Writing(sender);
                Ok(())
            }
            Err(error) => Err(self.lose(error)),
        }
    }

    async fn write(
        &mut self,
        node: &Surroundings,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<Vec<ResultSet>> {
        let (reply, answer) = oneshot::channel();
        let interrupt = interrupt.clone();
        self.command(node, Command::Run { batch, interrupt, reply })?;
        match answer.await {
            Ok(Ran { outcome: Err(error), lost: true }) => Err(self.lose(error)),
            Ok(Ran { outcome, .. }) => outcome,
            Err(_) => Err(self.lose(Error::IdleTransaction(node.options.idle_timeout))),
        }
    }

    fn command(&mut self, node: &Surroundings, command: Command) -> Result<()> {
        let sent = match &self.stage {
            Stage::Writing(commands) => commands.send(command).is_ok(),
            Stage::Lost(error) => return Err(error.clone()),
            Stage::Fresh | Stage::Reading(_) => false,
        };
        let idle = Error::IdleTransaction(node.options.idle_timeout);
        if sent { Ok(()) } else { Err(self.lose(idle)) }
    }

    /// The transaction is gone; the error again.
    fn lose(&mut self, error: Error) -> Error {
        self.stage = Stage::Lost(error.clone());
        error
    }
}
