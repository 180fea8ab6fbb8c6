//! Engines whose sessions fail or never answer.

use std::sync::Arc;

use async_trait::async_trait;
use ha_core::{
    Batch, Canceller, Description, Engine, Error, Health, Outcome, Reply, Result, Session,
    SessionOptions, Snapshot, Status, Token, TransactionName, TransactionOptions, TransactionState,
    TransactionStream,
};
use tokio::sync::{Notify, watch};

use super::memory::Memory;

/// Every call fails with this error.
#[derive(Debug, Clone)]
pub struct Failing(pub Error);

/// Statements run until they are released, and tell where they are.
#[derive(Debug, Clone)]
pub struct Held {
    state: Arc<watch::Sender<State>>,
    release: Arc<Notify>,
}

/// Where the statements of a [`Held`] engine are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Idle,
    Running,
    Dropped,
    Done,
}

impl Held {
    pub fn new() -> Self {
        Self { state: Arc::new(watch::channel(State::Idle).0), release: Arc::new(Notify::new()) }
    }

    /// Returns once the statements are in this state.
    pub async fn reached(&self, state: State) {
        self.state.subscribe().wait_for(|current| *current == state).await.unwrap();
    }

    /// Lets a statement that runs come to its end.
    pub fn release(&self) {
        self.release.notify_one();
    }
}

#[derive(Debug)]
struct Calls<T>(T);

/// Records that the future it lives in was dropped before its end.
struct Guard(Arc<watch::Sender<State>>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_replace(if self.1 { State::Done } else { State::Dropped });
    }
}

#[async_trait]
trait Run: std::fmt::Debug + Send + 'static {
    async fn run(&mut self, batch: Batch) -> Result<Reply>;
}

#[async_trait]
impl Run for Failing {
    async fn run(&mut self, _: Batch) -> Result<Reply> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl Run for Held {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        let mut guard = Guard(Arc::clone(&self.state), false);
        self.state.send_replace(State::Running);
        self.release.notified().await;
        guard.1 = true;
        Memory::new().session(SessionOptions::default()).await?.run(batch).await
    }
}

#[async_trait]
impl Engine for Failing {
    async fn session(&self, _: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(Calls(self.clone())))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        Err(self.0.clone())
    }

    async fn changes(&self, _: Option<Token>) -> Result<TransactionStream> {
        Err(self.0.clone())
    }

    async fn outcome(&self, _: &TransactionName) -> Result<Outcome> {
        Err(self.0.clone())
    }

    fn status(&self) -> Status {
        Memory::new().status()
    }

    async fn health(&self) -> Health {
        self.status().into()
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }
}

#[async_trait]
impl Engine for Held {
    async fn session(&self, _: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(Calls(self.clone())))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        Memory::new().snapshot().await
    }

    async fn changes(&self, from: Option<Token>) -> Result<TransactionStream> {
        Memory::new().changes(from).await
    }

    async fn outcome(&self, name: &TransactionName) -> Result<Outcome> {
        Memory::new().outcome(name).await
    }

    fn status(&self) -> Status {
        Memory::new().status()
    }

    async fn health(&self) -> Health {
        self.status().into()
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }
}

#[async_trait]
impl<T: Run> Session for Calls<T> {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        self.0.run(batch).await
    }

    async fn begin(&mut self, _: TransactionOptions) -> Result<()> {
        unreachable!("HTTP has no interactive transactions")
    }

    async fn commit(&mut self) -> Result<Token> {
        unreachable!("HTTP has no interactive transactions")
    }

    async fn rollback(&mut self) -> Result<()> {
        unreachable!("HTTP has no interactive transactions")
    }

    async fn describe(&mut self, _: &str) -> Result<Description> {
        unreachable!("HTTP describes nothing")
    }

    fn transaction(&self) -> TransactionState {
        TransactionState::None
    }

    fn canceller(&self) -> Canceller {
        Canceller::new(|| {})
    }
}
