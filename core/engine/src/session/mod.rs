//! Clients' connections to a node.

mod precursor;
mod script;
mod transaction;

use std::sync::Arc;
use std::sync::mpsc::Sender;

use async_trait::async_trait;
use ha_core::{
    Batch, Canceller, ChangeTransport, Description, Error, ReadLevel, Reply, Result, Session,
    SessionOptions, Token, TransactionOptions, TransactionState,
};
use ha_sqlite::Interrupt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::options::NodeOptions;
use crate::readers::{Read, Readers, surely_writes};
use crate::shared::Shared;
use crate::writer::{Job, Message};

use transaction::Transaction;

/// What a session has of its node.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) options: NodeOptions,
    pub(crate) readers: Arc<Readers>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Arc<dyn ChangeTransport>,
    pub(crate) inbox: Sender<Message>,
}

/// A client's connection to a node.
#[derive(Debug)]
pub(crate) struct NodeSession {
    options: SessionOptions,
    node: Surroundings,
    /// The interrupt of the running call, for whoever holds a canceller.
    running: Arc<Mutex<Interrupt>>,
    transaction: Option<Transaction>,
}

/// Asks the statement to stop if the caller goes away before it is done.
struct StopOnDrop(Option<Interrupt>);

impl NodeSession {
    pub(crate) fn new(options: SessionOptions, node: Surroundings) -> Self {
        Self { options, node, running: Arc::default(), transaction: None }
    }

    async fn run_alone(&mut self, batch: Batch, interrupt: &Interrupt) -> Result<Reply> {
        self.node.session_read(batch.reads).await?;
        if surely_writes(&batch) {
            return self.write(batch, interrupt).await;
        }
        self.node.strong_read(batch.reads).await?;
        let mut lent = self.node.readers.lend().await?;
        let stop = interrupt.clone();
        let reading = move || {
            let read = lent.reader().and_then(|reader| reader.read(&batch, &stop));
            (read, batch)
        };
        let (read, batch) = self.node.shared.stall.read(reading).await?;
        match read? {
            Read::Done(reply) => Ok(reply),
            Read::Writes => self.write(batch, interrupt).await,
        }
    }

    async fn write(&mut self, batch: Batch, interrupt: &Interrupt) -> Result<Reply> {
        self.node.refuse_read_only(self.options.read_only)?;
        if let Some(reason) = self.node.shared.stall.of_writer() {
            return Err(Error::NotSent(reason));
        }
        let (reply, answer) = oneshot::channel();
        let job = Job::alone(batch, interrupt.clone(), reply);
        let claim = job.claim.clone();
        self.node.send(Message::Job(job))?;
        let reply = self.node.hear(answer).await.map_err(|reason| claim.leave(reason))?;
        reply.ok_or(Error::Closed)?
    }

    /// The open transaction, for the time of a call. Who drops the call's future drops it, and
    /// a lost one is left.
    fn borrow(&mut self) -> Option<Transaction> {
        let lost = || Transaction::lost(Error::Interrupted);
        self.transaction.as_mut().map(|transaction| std::mem::replace(transaction, lost()))
    }
}

#[async_trait]
impl Session for NodeSession {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        let interrupt = Interrupt::default();
        *self.running.lock() = interrupt.clone();
        let mut stop = StopOnDrop(Some(interrupt.clone()));
        let reply = match self.borrow() {
            None => self.run_alone(batch, &interrupt).await,
            Some(mut transaction) => {
                let reply = transaction.run(&self.node, batch, &interrupt).await;
                self.transaction = Some(transaction);
                reply
            }
        };
        stop.0 = None;
        reply
    }

    async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        if self.transaction.is_some() {
            return Err(Error::NoTransaction("a transaction is open already".to_owned()));
        }
        let read_only = options.read_only || self.options.read_only;
        self.transaction = Some(Transaction::new(TransactionOptions { read_only, ..options }));
        Ok(())
    }

    async fn commit(&mut self) -> Result<Token> {
        match self.transaction.take() {
            Some(transaction) => transaction.commit(&self.node).await,
            None => Err(Error::NoTransaction("no transaction is open".to_owned())),
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        if let Some(transaction) = self.transaction.take() {
            transaction.rollback(&self.node).await;
        }
        Ok(())
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        let Some(mut transaction) = self.borrow() else {
            return self.node.describe(sql.to_owned()).await;
        };
        let description = transaction.describe(&self.node, sql.to_owned()).await;
        self.transaction = Some(transaction);
        description
    }

    fn transaction(&self) -> TransactionState {
        self.transaction.as_ref().map_or(TransactionState::None, Transaction::state)
    }

    fn canceller(&self) -> Canceller {
        let running = Arc::clone(&self.running);
        Canceller::new(move || running.lock().request())
    }
}

impl Surroundings {
    /// Returns once the node's state is worth reading.
    async fn serving(&self) -> Result<()> {
        self.shared.serving(self.options.replication_timeout).await
    }

    /// Returns once a read may open its snapshot.
    async fn fresh(&self, level: ReadLevel) -> Result<()> {
        self.session_read(level).await?;
        self.strong_read(level).await
    }

    /// Returns once the node has reached the position that the client knows.
    async fn session_read(&self, level: ReadLevel) -> Result<()> {
        self.serving().await?;
        let Some(token) = level.min_position else { return Ok(()) };
        match self.shared.reached(token, self.options.replication_timeout).await {
            Err(Error::OtherLog { token, lineage, .. }) => {
                self.reached_before(token, lineage).await
            }
            reached => reached,
        }
    }

    /// Returns once the node has everything that was acknowledged anywhere before.
    async fn strong_read(&self, level: ReadLevel) -> Result<()> {
        if !level.strong {
            return Ok(());
        }
        let (reader, confirmed) = oneshot::channel();
        self.send(Message::Strong(reader))?;
        let patience = self.options.replication_timeout;
        match tokio::time::timeout(patience, self.hear(confirmed)).await {
            Ok(answer) => answer.map_err(Error::NotReady)?.ok_or(Error::Closed)?,
            Err(_) => Err(Error::NotReady(format!(
                "the log has not confirmed within {patience:?} that this state is the newest"
            ))),
        }
    }

    async fn describe(&self, sql: String) -> Result<Description> {
        self.serving().await?;
        let mut lent = self.readers.lend().await?;
        self.shared.stall.read(move || lent.reader()?.describe(&sql)).await?
    }

    fn refuse_read_only(&self, session: bool) -> Result<()> {
        if session {
            return Err(Error::ReadOnly("the session or transaction was opened so".to_owned()));
        }
        let node = &self.options.read_only;
        node.as_ref().map_or(Ok(()), |reason| Err(Error::ReadOnly(reason.clone())))
    }

    /// The writer's answer; `None` if it drops the question. An error with the reason if the disk
    /// keeps it from answering.
    async fn hear<T>(&self, answer: oneshot::Receiver<T>) -> Result<Option<T>, String> {
        tokio::select! {
            biased;
            answer = answer => Ok(answer.ok()),
            reason = self.shared.stall.keeps_writer() => Err(reason),
        }
    }

    fn send(&self, message: Message) -> Result<()> {
        self.inbox.send(message).map_err(|_| Error::Closed)
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.request();
        }
    }
}
