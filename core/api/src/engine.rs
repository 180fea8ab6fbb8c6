use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Batch, ByteStream, Description, Health, Limits, ReadLevel, Reply, Result, Seq, Token,
    TransactionName, TransactionStream,
};

/// A node, as its front-ends see it.
#[async_trait]
pub trait Engine: Debug + Send + Sync + 'static {
    /// Opens a session. Sessions are independent of each other.
    async fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>>;

    /// The whole database as an SQLite file, from one consistent state.
    async fn snapshot(&self) -> Result<Snapshot>;

    /// The committed transactions of all nodes, in the order of the log and each exactly once:
    /// those after `from`, or from now on. A feed yields only what this node has applied, and
    /// never what has lost its place to another entry; when there is no more it waits.
    ///
    /// It goes on from the [`crate::Transaction::position`] of the last one that was read, on any node
    /// that follows the same log. What is read slowly is kept for nobody: it is read from the
    /// log again, and held by no memory meanwhile.
    ///
    /// # Errors
    /// [`crate::Error::Truncated`] if what comes after `from` is no longer stored, or the log has
    /// begun with another state since then: begin again from a [`Self::snapshot`].
    /// [`crate::Error::OtherLog`] if `from` belongs to another log than the node follows;
    /// [`crate::Error::NotReady`] if the node has not reached `from`, or is busy, or the log does not
    /// tell what stands there; [`crate::Error::Transport`] if it cannot be read. The same errors end a
    /// stream when they arise later, as does [`crate::Error::Closed`] when the node stops, and
    /// [`crate::Error::Corrupt`] if the log has lost what was read.
    async fn changes(&self, from: Option<Token>) -> Result<TransactionStream>;

    /// What became of a transaction whose client was told
    /// [`crate::Error::OutcomeUnknown`].
    async fn outcome(&self, name: &TransactionName) -> Result<Outcome>;

    /// How the node is.
    fn status(&self) -> Status;

    /// How the node is, in detail: asks the database and the log, and waits some seconds for
    /// each at most. An engine that knows no more than its status says that.
    async fn health(&self) -> Health;

    /// See [`crate::ChangeTransport::remove_member`].
    async fn remove_member(&self, name: &str) -> Result<()>;
}

/// A client's connection to a node: at most one open transaction, one call at a time.
///
/// Dropping a session rolls its transaction back. Dropping the future of a call interrupts
/// the statement; its transaction, if one is open, is rolled back and the session goes on.
#[async_trait]
pub trait Session: Debug + Send {
    /// Runs the statements. Outside a transaction they are one transaction of their own,
    /// committed everywhere when this returns `Ok`, void everywhere when it returns an error,
    /// with the one exception of [`crate::Error::OutcomeUnknown`]. Inside a transaction they
    /// are a part of it; after an error of a statement the effects of the earlier ones stay,
    /// and the caller decides whether to roll back.
    ///
    /// `BEGIN`, `COMMIT` and `ROLLBACK` are refused here; `SAVEPOINT`, `RELEASE` and
    /// `ROLLBACK TO` work.
    async fn run(&mut self, batch: Batch) -> Result<Reply>;

    /// Opens a transaction. It sees one state of the database from its first statement on.
    async fn begin(&mut self, options: TransactionOptions) -> Result<()>;

    /// Commits the open transaction. After an error, [`crate::Error::OutcomeUnknown`] apart,
    /// nothing of it is left. In any case no transaction is open afterwards.
    async fn commit(&mut self) -> Result<Token>;

    /// Rolls the open transaction back; no error if none is open.
    async fn rollback(&mut self) -> Result<()>;

    /// What one statement takes and gives, without executing it, in the open transaction if
    /// there is one.
    async fn describe(&mut self, sql: &str) -> Result<Description>;

    /// Whether a transaction is open.
    fn transaction(&self) -> TransactionState;

    /// Stops whatever statement the session executes, from any thread.
    fn canceller(&self) -> Canceller;
}

/// A copy of the whole database.
pub struct Snapshot {
    /// The state it is of.
    pub position: Token,
    /// An SQLite file.
    pub body: ByteStream,
}

impl Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("position", &self.position).finish_non_exhaustive()
    }
}

/// How a session is to be.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct SessionOptions {
    /// Refuse writes.
    pub read_only: bool,
}

/// How a transaction is to be.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct TransactionOptions {
    /// Refuse writes.
    pub read_only: bool,
    /// Bounds for each call in it that does not bring its own.
    pub limits: Limits,
    /// How new the state is that its first statement sees.
    pub reads: ReadLevel,
    /// The client is never shown [`crate::ResultSet::last_insert_rowid`]. That another one
    /// comes out when the transaction is repeated on a newer state is then no conflict.
    pub hides_rowids: bool,
}

/// Whether a session has a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// None.
    None,
    /// Open.
    Open,
    /// The node rolled it back (too long idle, a conflict, an interrupt); every call but
    /// `rollback` and `commit` fails until one of these is made.
    Lost,
}

/// Stops a session's statement; without effect when none runs.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Fn() + Send + Sync>);

impl Canceller {
    /// A canceller that calls `stop`, which must not block.
    pub fn new(stop: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(stop))
    }

    /// Stops the statement with [`crate::Error::Interrupted`].
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A try of it is part of the log; a reader at this position sees it.
    Committed(Token),
    /// Other entries took the places of all its tries; it will never be committed.
    NotCommitted,
    /// Nothing has taken the place of one of them yet.
    Unknown,
    /// The log and the node no longer hold an entry that would tell.
    Forgotten,
}

/// How a node is.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// What it has applied.
    pub position: Token,
    /// Where the log ended when the node last heard of it.
    pub end: Option<Seq>,
    /// Whether clients should be sent here.
    pub readiness: Readiness,
    /// Why it takes no writes, if it never does.
    pub read_only: Option<String>,
}

/// Whether clients should be sent to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Readiness {
    /// Caught up, and the log is reachable.
    Ready,
    /// Not now, for this reason; reads still answer from the state the node has.
    Waiting(String),
    /// Stopped until somebody acts; the text says what to do.
    Stopped(String),
}
