use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use async_trait::async_trait;
use ha_core::{
    Batch, Canceller, Description, Error, Reply, Result, ResultSet, Session, SessionOptions, Token,
    TransactionOptions, TransactionState,
};
use ha_sqlite::Interrupt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::options::NodeOptions;
use crate::readers::{Lent, Read, Readers, surely_writes};
use crate::shared::Shared;
use crate::writer::{Command, Job, Lease, Message, Step, digest};

/// How much of a transaction is kept for a replay.
const SCRIPT_STEPS: usize = 10_000;
const SCRIPT_BYTES: usize = 16 << 20;

/// A client's connection to a node.
#[derive(Debug)]
pub(crate) struct NodeSession {
    options: SessionOptions,
    node: NodeOptions,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    inbox: Sender<Message>,
    interrupt: Interrupt,
    /// The interrupt of the running call, for whoever holds a canceller.
    running: Arc<Mutex<Interrupt>>,
    transaction: Option<Transaction>,
}

#[derive(Debug)]
struct Transaction {
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
    Writing(Commands),
    /// It is gone.
    Lost(Error),
}

type Commands = std::sync::mpsc::Sender<Command>;

/// What a transaction did, to be repeated on a newer state.
#[derive(Debug, Default)]
struct Script {
    steps: Vec<Step>,
    bytes: usize,
    too_long: bool,
}

/// Asks the statement to stop if the caller goes away before it is done.
struct StopOnDrop<'a>(Option<&'a Interrupt>);

impl NodeSession {
    pub(crate) fn new(
        options: SessionOptions,
        node: NodeOptions,
        readers: Arc<Readers>,
        shared: Arc<Shared>,
        inbox: Sender<Message>,
    ) -> Self {
        let interrupt = Interrupt::default();
        let running = Arc::default();
        Self { options, node, readers, shared, inbox, interrupt, running, transaction: None }
    }

    async fn run_alone(&mut self, batch: Batch) -> Result<Reply> {
        self.shared.serving(self.node.replication_timeout).await?;
        if surely_writes(&batch) {
            return self.write(batch).await;
        }
        let mut lent = self.readers.lend().await?;
        let interrupt = self.interrupt.clone();
        let (read, batch) = blocking(move || {
            let read = lent.reader().and_then(|reader| reader.read(&batch, &interrupt));
            (read, batch)
        })
        .await?;
        match read? {
            Read::Done(reply) => Ok(reply),
            Read::Writes => self.write(batch).await,
        }
    }

    async fn write(&mut self, batch: Batch) -> Result<Reply> {
        self.refuse_read_only(self.options.read_only)?;
        let (reply, answer) = oneshot::channel();
        let job = Job::new(vec![Step::new(batch)], self.deadline(), self.interrupt.clone(), reply);
        self.send(Message::Job(job))?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn run_in_transaction(&mut self, mut batch: Batch) -> Result<Reply> {
        let Some(transaction) = &mut self.transaction else { return Err(Error::Closed) };
        let defaults = transaction.options.limits;
        batch.limits.time = batch.limits.time.or(defaults.time);
        batch.limits.rows = batch.limits.rows.or(defaults.rows);
        batch.limits.bytes = batch.limits.bytes.or(defaults.bytes);
        let may_read = !matches!(transaction.stage, Stage::Writing(_)) && !surely_writes(&batch);
        if may_read && let Some(reply) = self.read_in_transaction(&batch).await? {
            return Ok(reply);
        }
        self.take_writer().await?;
        let outcome = self.run_on_writer(batch.clone()).await;
        self.note(batch, &outcome);
        Ok(Reply { results: outcome?, position: self.shared.token() })
    }

    /// Runs the batch on the transaction's snapshot; `None` if it writes.
    async fn read_in_transaction(&mut self, batch: &Batch) -> Result<Option<Reply>> {
        let mut lent = self.snapshot().await?;
        let (interrupt, again) = (self.interrupt.clone(), batch.clone());
        let (read, lent) = blocking(move || {
            let read = lent.reader().and_then(|reader| reader.read_on(&again, &interrupt));
            (read, lent)
        })
        .await?;
        self.keep(lent);
        let outcome = match read {
            Ok(Read::Writes) => return Ok(None),
            Ok(Read::Done(reply)) => Ok(reply),
            Err(error) => Err(error),
        };
        let shown = outcome.as_ref().map(|reply| reply.results.clone()).map_err(Clone::clone);
        self.note(batch.clone(), &shown);
        outcome.map(Some)
    }

    /// The transaction's snapshot, which is opened now if there is none.
    async fn snapshot(&mut self) -> Result<Lent> {
        let stage = self.transaction.as_mut().map(|transaction| &mut transaction.stage);
        match stage.map(|stage| std::mem::replace(stage, Stage::Fresh)) {
            Some(Stage::Reading(lent)) => Ok(lent),
            Some(Stage::Lost(error)) => Err(self.lose(error)),
            Some(Stage::Fresh | Stage::Writing(_)) | None => {
                self.shared.serving(self.node.replication_timeout).await?;
                let mut lent = self.readers.lend().await?;
                blocking(move || lent.reader().and_then(|reader| reader.begin()).map(|()| lent))
                    .await?
            }
        }
    }

    fn keep(&mut self, lent: Lent) {
        if let Some(transaction) = &mut self.transaction {
            transaction.stage = Stage::Reading(lent);
        }
    }

    /// Gets the writer for the transaction, with everything it did repeated there.
    async fn take_writer(&mut self) -> Result<()> {
        let read_only = self.options.read_only;
        let deadline = self.deadline();
        let Some(transaction) = &mut self.transaction else { return Err(Error::Closed) };
        match &transaction.stage {
            Stage::Writing(_) => return Ok(()),
            Stage::Lost(error) => return Err(error.clone()),
            Stage::Fresh | Stage::Reading(_) => {}
        }
        let read_only = read_only || transaction.options.read_only;
        if transaction.script.too_long {
            return Err(self.lose(Error::Conflict));
        }
        let script = transaction.script.steps.clone();
        self.refuse_read_only(read_only)?;
        self.shared.serving(self.node.replication_timeout).await?;
        let (granted, answer) = oneshot::channel();
        let (sender, commands) = std::sync::mpsc::channel();
        self.send(Message::Lease(Lease { script, deadline, granted, commands }))?;
        match answer.await.map_err(|_| Error::Closed)? {
            Ok(()) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.stage = Stage::Writing(sender);
                }
                Ok(())
            }
            Err(error) => Err(self.lose(error)),
        }
    }

    async fn run_on_writer(&mut self, batch: Batch) -> Result<Vec<ResultSet>> {
        let (reply, answer) = oneshot::channel();
        let interrupt = self.interrupt.clone();
        self.command(Command::Run { batch, interrupt, reply })?;
        match answer.await {
            // An interrupt takes the transaction with it.
            Ok(Err(error @ (Error::Interrupted | Error::Timeout(_)))) => Err(self.lose(error)),
            Ok(outcome) => outcome,
            Err(_) => Err(self.lose(Error::IdleTransaction(self.node.idle_timeout))),
        }
    }

    fn command(&mut self, command: Command) -> Result<()> {
        let sent = match self.transaction.as_ref().map(|transaction| &transaction.stage) {
            Some(Stage::Writing(commands)) => commands.send(command).is_ok(),
            Some(Stage::Lost(error)) => return Err(error.clone()),
            Some(Stage::Fresh | Stage::Reading(_)) | None => false,
        };
        if sent { Ok(()) } else { Err(self.lose(Error::IdleTransaction(self.node.idle_timeout))) }
    }

    fn note(&mut self, batch: Batch, outcome: &Result<Vec<ResultSet>>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.script.add(batch, outcome);
        }
    }

    /// The transaction is gone; the error again.
    fn lose(&mut self, error: Error) -> Error {
        if let Some(transaction) = &mut self.transaction {
            transaction.stage = Stage::Lost(error.clone());
        }
        error
    }

    fn refuse_read_only(&self, session: bool) -> Result<()> {
        if session {
            return Err(Error::ReadOnly("the session or transaction was opened so".to_owned()));
        }
        self.node.read_only.as_ref().map_or(Ok(()), |reason| Err(Error::ReadOnly(reason.clone())))
    }

    fn send(&self, message: Message) -> Result<()> {
        self.inbox.send(message).map_err(|_| Error::Closed)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.node.replication_timeout
    }
}

#[async_trait]
impl Session for NodeSession {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        self.interrupt = Interrupt::default();
        let interrupt = self.interrupt.clone();
        *self.running.lock() = interrupt.clone();
        let mut stop = StopOnDrop(Some(&interrupt));
        let reply = match &self.transaction {
            None => self.run_alone(batch).await,
            Some(_) => self.run_in_transaction(batch).await,
        };
        stop.0 = None;
        reply
    }

    async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        if self.transaction.is_some() {
            return Err(Error::NoTransaction("a transaction is open already".to_owned()));
        }
        let (stage, script) = (Stage::Fresh, Script::default());
        self.transaction = Some(Transaction { options, stage, script });
        Ok(())
    }

    async fn commit(&mut self) -> Result<Token> {
        let deadline = self.deadline();
        let Some(transaction) = self.transaction.take() else {
            return Err(Error::NoTransaction("no transaction is open".to_owned()));
        };
        let commands = match transaction.stage {
            Stage::Fresh | Stage::Reading(_) => return Ok(self.shared.token()),
            Stage::Lost(error) => return Err(error),
            Stage::Writing(commands) => commands,
        };
        let (reply, answer) = oneshot::channel();
        let script = transaction.script.whole();
        let idle = || Error::IdleTransaction(self.node.idle_timeout);
        commands.send(Command::Commit { script, deadline, reply }).map_err(|_| idle())?;
        Ok(answer.await.map_err(|_| idle())??.position)
    }

    async fn rollback(&mut self) -> Result<()> {
        let Some(Transaction { stage: Stage::Writing(commands), .. }) = self.transaction.take()
        else {
            return Ok(());
        };
        let (reply, answer) = oneshot::channel();
        if commands.send(Command::Rollback { reply }).is_ok() {
            // It was rolled back before, if nobody answers.
            let _ = answer.await;
        }
        Ok(())
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        let sql = sql.to_owned();
        if matches!(&self.transaction, Some(Transaction { stage: Stage::Writing(_), .. })) {
            let (reply, answer) = oneshot::channel();
            self.command(Command::Describe { sql, reply })?;
            let idle = Error::IdleTransaction(self.node.idle_timeout);
            return answer.await.map_err(|_| self.lose(idle))?;
        }
        self.shared.serving(self.node.replication_timeout).await?;
        let mut lent = self.readers.lend().await?;
        blocking(move || lent.reader()?.describe(&sql)).await?
    }

    fn transaction(&self) -> TransactionState {
        match self.transaction.as_ref().map(|transaction| &transaction.stage) {
            None => TransactionState::None,
            Some(Stage::Lost(_)) => TransactionState::Lost,
            Some(Stage::Fresh | Stage::Reading(_) | Stage::Writing(_)) => TransactionState::Open,
        }
    }

    fn canceller(&self) -> Canceller {
        let running = Arc::clone(&self.running);
        Canceller::new(move || running.lock().request())
    }
}

impl Script {
    fn add(&mut self, batch: Batch, outcome: &Result<Vec<ResultSet>>) {
        let step = Step { batch, shown: Some(digest(outcome)) };
        self.bytes += step.size();
        self.too_long |= self.steps.len() >= SCRIPT_STEPS || self.bytes > SCRIPT_BYTES;
        if self.too_long {
            self.steps = Vec::new();
        } else {
            self.steps.push(step);
        }
    }

    fn whole(self) -> Option<Vec<Step>> {
        (!self.too_long).then_some(self.steps)
    }
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(interrupt) = self.0 {
            interrupt.request();
        }
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await.map_err(|_| Error::Closed)
}
