//! What clients meet before the node is there: its log may take as long to come as the other
//! members of its cluster do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::{
    Engine, Error, Health, Lineage, Outcome, Readiness, Result, Seq, Session, SessionOptions,
    Snapshot, Status, Token, TransactionName, TransactionStream, TransportHealth,
};
use ha_engine::{Found, Node};
use tokio::sync::watch;

/// An engine that is not ready until the node is there, and then is the node.
#[derive(Debug)]
pub(super) struct Lobby {
    name: String,
    position: Token,
    /// How long clients are kept waiting.
    patience: Duration,
    waits_for: watch::Sender<String>,
    node: watch::Sender<Option<Arc<Node>>>,
}

impl Lobby {
    /// For the node of that name, whose file was found like this.
    pub(super) fn new(name: &str, found: Found, patience: Duration) -> Arc<Self> {
        let position = match found {
            Found::Position(token) => token,
            Found::Nothing | Found::Foreign(_) => {
                Token { lineage: Lineage([0; 8]), seq: Seq::ZERO, n: 0 }
            }
        };
        Arc::new(Self {
            name: name.to_owned(),
            position,
            patience,
            waits_for: watch::Sender::new("the node is starting".to_owned()),
            node: watch::Sender::new(None),
        })
    }

    /// Says what is waited for.
    pub(super) fn wait_for(&self, what: String) {
        self.waits_for.send_replace(what);
    }

    /// The node is there.
    pub(super) fn open(&self, node: &Arc<Node>) {
        self.node.send_replace(Some(Arc::clone(node)));
    }

    /// The node, if it is there before somebody has waited for too long.
    async fn awaited(&self) -> Result<Arc<Node>> {
        let mut node = self.node.subscribe();
        let there = tokio::time::timeout(self.patience, node.wait_for(Option::is_some)).await;
        drop(there);
        self.node().ok_or_else(|| Error::NotReady(self.waits_for.borrow().clone()))
    }

    fn node(&self) -> Option<Arc<Node>> {
        self.node.borrow().clone()
    }
}

#[async_trait]
impl Engine for Lobby {
    async fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        self.awaited().await?.session(options).await
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.awaited().await?.snapshot().await
    }

    async fn changes(&self, from: Option<Token>) -> Result<TransactionStream> {
        self.awaited().await?.changes(from).await
    }

    async fn outcome(&self, name: &TransactionName) -> Result<Outcome> {
        self.awaited().await?.outcome(name).await
    }

    fn status(&self) -> Status {
        match self.node() {
            Some(node) => node.status(),
            None => Status {
                read_only: None,
                node: self.name.clone(),
                position: self.position,
                end: None,
                readiness: Readiness::Waiting(self.waits_for.borrow().clone()),
            },
        }
    }

    async fn health(&self) -> Health {
        match self.node() {
            Some(node) => node.health().await,
            None => Health { transport: not_open(), ..self.status().into() },
        }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.awaited().await?.remove_member(name).await
    }
}

fn not_open() -> TransportHealth {
    TransportHealth { name: "the log is not open yet".to_owned(), ..TransportHealth::default() }
}
