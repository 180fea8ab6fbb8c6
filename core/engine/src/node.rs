//! A running node, as its front-ends see it.

mod start;

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use async_trait::async_trait;
use futures::future::AbortHandle;
use ha_core::{
    ChangeTransport, Engine, Error, Health, Outcome, Readiness, Result, Session, SessionOptions,
    Snapshot, Status, Token, TransactionName, TransactionStream,
};
use parking_lot::Mutex;

use crate::machine::{Event, Reseed};
use crate::options::NodeOptions;
use crate::readers::Readers;
use crate::session::{NodeSession, Surroundings};
use crate::shared::Shared;
use crate::snapshot;
use crate::writer::Message;

/// A running node.
#[derive(Debug)]
pub struct Node {
    pub(crate) options: NodeOptions,
    pub(crate) readers: Arc<Readers>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Sender<Message>,
    pub(crate) transport: Arc<dyn ChangeTransport>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Takes snapshots.
    keeper: Option<AbortHandle>,
    /// Dropped last: closing a file gives up all locks the process has on it.
    _lock: File,
}

impl Node {
    /// Finishes what was accepted, then ends the writer thread. Later calls fail with
    /// [`Error::Closed`].
    pub async fn stop(&self) {
        self.end_keeper();
        let _ = self.inbox.send(Message::Stop);
        let Some(thread) = self.thread.lock().take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the writer thread ended abnormally");
        }
        self.shared.close();
    }

    /// Has the node give up its state, and become the newest one that is stored, with the log
    /// after it. Its clients are told as they are when the log is out of reach. Returns at once;
    /// [`Engine::status`] tells how far it is, and gives the reason.
    pub fn reseed(&self, reason: &str) {
        self.shared.doubt(true);
        let advice = "Start with an empty database file to follow the stream from its beginning";
        let reseed = Reseed::newest(self.shared.token().lineage, reason, advice);
        // The thread is gone only when the node is.
        let _ = self.inbox.send(Message::Event(Event::Reseed(reseed)));
    }

    /// Has the other nodes asked to wait, as if something had been executed in vain.
    #[cfg(test)]
    pub(crate) fn ask_turn(&self, time: std::time::Duration) {
        let _ = self.inbox.send(Message::Event(Event::AskTurn(time)));
    }

    fn end_keeper(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }

    /// Reads something of our own from the newest state.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut lent = self.readers.lend().await?;
        self.shared.stall.read(move || lent.reader()?.trusted(run)).await?
    }
}

/// A node that is dropped stops as [`Node::stop`] does, but nobody waits for it.
impl Drop for Node {
    fn drop(&mut self) {
        self.end_keeper();
        self.shared.close();
        // The thread is gone if it was stopped before.
        let _ = self.inbox.send(Message::Stop);
    }
}

#[async_trait]
impl Engine for Node {
    async fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(NodeSession::new(
            options,
            Surroundings {
                options: self.options.clone(),
                readers: Arc::clone(&self.readers),
                shared: Arc::clone(&self.shared),
                transport: Arc::clone(&self.transport),
                inbox: self.inbox.clone(),
            },
        )))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.shared.serving(self.options.replication_timeout).await?;
        if let Some(reason) = self.shared.distrusted() {
            return Err(Error::NotReady(reason));
        }
        snapshot::stream(&self.readers).await
    }

    async fn changes(&self, from: Option<Token>) -> Result<TransactionStream> {
        self.feed(from).await
    }

    async fn outcome(&self, name: &TransactionName) -> Result<Outcome> {
        self.outcome_of(name).await
    }

    fn status(&self) -> Status {
        let status = Status { read_only: self.options.read_only.clone(), ..self.shared.status() };
        let warnings = self.transport.warnings();
        let readiness = match &status.readiness {
            _ if warnings.is_empty() => return status,
            Readiness::Ready => Readiness::Waiting(warnings.join("; ")),
            Readiness::Waiting(reason) => {
                Readiness::Waiting(format!("{reason}; {}", warnings.join("; ")))
            }
            Readiness::Stopped(_) => return status,
        };
        Status { readiness, ..status }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.transport.remove_member(name).await
    }

    async fn health(&self) -> Health {
        self.detail().await
    }
}
