use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use ha_core::{
    Batch, Canceller, Description, Engine, Health, Outcome, Reply, Result, Session, SessionOptions,
    Snapshot, Status, Token, Transaction, TransactionName, TransactionOptions, TransactionState,
};
use tokio::sync::watch;

/// A node that tells how many sessions it has, and can hold their statements before it runs them.
#[derive(Debug)]
pub struct Observed {
    node: Arc<dyn Engine>,
    traffic: Arc<watch::Sender<Traffic>>,
}

#[derive(Debug, Default)]
struct Traffic {
    sessions: usize,
    /// Statements still to be held.
    wanted: usize,
    held: usize,
    released: bool,
}

impl Observed {
    /// Observes this node.
    pub fn new(node: Arc<dyn Engine>) -> Self {
        Self { node, traffic: Arc::default() }
    }

    /// Sessions that are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.traffic.borrow().sessions
    }

    /// Returns once no more than this number of sessions is open.
    pub async fn has_sessions(&self, at_most: usize) {
        self.until(|traffic| traffic.sessions <= at_most).await;
    }

    /// Holds this number of statements, the next ones; once only.
    pub fn hold(&self, statements: usize) {
        self.traffic.send_modify(|traffic| traffic.wanted = statements);
    }

    /// Returns once all of them are held.
    pub async fn holds(&self) {
        self.until(|traffic| traffic.wanted == 0 && traffic.held > 0).await;
    }

    /// Runs what is held.
    pub fn release(&self) {
        self.traffic.send_modify(|traffic| traffic.released = true);
    }

    async fn until(&self, condition: impl FnMut(&Traffic) -> bool) {
        let mut traffic = self.traffic.subscribe();
        traffic.wait_for(condition).await.expect("its sender is borrowed");
    }
}

/// Each call goes to the node.
#[async_trait]
impl Engine for Observed {
    async fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        let session = self.node.session(options).await?;
        self.traffic.send_modify(|traffic| traffic.sessions += 1);
        Ok(Box::new(Counted { session, traffic: Arc::clone(&self.traffic) }))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.node.snapshot().await
    }

    async fn changes(
        &self,
        from: Option<Token>,
    ) -> Result<BoxStream<'static, Result<Arc<Transaction>>>> {
        self.node.changes(from).await
    }

    async fn outcome(&self, name: &TransactionName) -> Result<Outcome> {
        self.node.outcome(name).await
    }

    fn status(&self) -> Status {
        self.node.status()
    }

    async fn health(&self) -> Health {
        self.node.health().await
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.node.remove_member(name).await
    }
}

#[derive(Debug)]
struct Counted {
    session: Box<dyn Session>,
    traffic: Arc<watch::Sender<Traffic>>,
}

impl Counted {
    async fn pass(&mut self) {
        let held = self.traffic.send_if_modified(|traffic| {
            let held = traffic.wanted > 0;
            traffic.wanted -= usize::from(held);
            traffic.held += usize::from(held);
            held
        });
        if held {
            let mut traffic = self.traffic.subscribe();
            traffic.wait_for(|traffic| traffic.released).await.expect("its sender is borrowed");
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.traffic.send_modify(|traffic| traffic.sessions -= 1);
    }
}

#[async_trait]
impl Session for Counted {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        self.pass().await;
        self.session.run(batch).await
    }

    async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        self.session.begin(options).await
    }

    async fn commit(&mut self) -> Result<Token> {
        self.session.commit().await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.session.rollback().await
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        self.session.describe(sql).await
    }

    fn transaction(&self) -> TransactionState {
        self.session.transaction()
    }

    fn canceller(&self) -> Canceller {
        self.session.canceller()
    }
}
