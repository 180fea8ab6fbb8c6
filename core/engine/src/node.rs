use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::AbortHandle;
use ha_core::{
    AttemptName, ChangeTransport, Engine, Error, Health, Outcome, Readiness, Result, Session,
    SessionOptions, Snapshot, Status, Token, TransactionStream,
};
use ha_sqlite::{Durability, OpenOptions};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::begin::{self, begin, why_read_only};
use crate::host;
use crate::machine::{Event, Identity, Reseed};
use crate::options::NodeOptions;
use crate::readers::Readers;
use crate::session::{NodeSession, Surroundings};
use crate::shared::Shared;
use crate::snapshot;
use crate::snapshots::{Growth, Keeper, Room};
use crate::writer::{Link, Message, Setup, Writer};

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
    /// Does the part of [`Self::start`] that changes the log, and does not follow it: a file
    /// with content becomes its base, and what it lost it gets back. For a log that others
    /// cannot reach yet, so that nobody goes on without what it lost.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn prepare(
        options: &NodeOptions,
        transport: &Arc<dyn ChangeTransport>,
    ) -> Result<()> {
        let open = open_options(options, transport);
        let _lock = lock(options).await?;
        begin(options, &open, &identity(options), transport).await.map(drop)
    }

    /// Opens the database, compares it with the log, and begins to follow the log. The node
    /// may have to catch up before it is ready, see [`Engine::status`].
    ///
    /// # Errors
    /// [`Error::Config`] when the file and the log do not fit and only the operator can say
    /// what is meant; otherwise what the file system, SQLite or the transport say.
    pub async fn start(
        options: NodeOptions,
        transport: Arc<dyn ChangeTransport>,
    ) -> Result<Arc<Self>> {
        let identity = identity(&options);
        let open = open_options(&options, &transport);
        let lock = lock(&options).await?;
        let room = Room::of(&options.path, open.clone(), options.scratch);
        room.sweep();
        let mut options = options;
        let start = begin(&options, &open, &identity, &transport).await?;
        if let Some(first) = start.partial {
            options.read_only = Some(why_read_only(first));
            options.snapshots = None;
        }
        if let Some(reason) = &options.read_only {
            tracing::warn!(reason, "the node takes no writes");
        }
        let (inbox, outbox) = mpsc::channel();
        let growth = Growth::new(options.snapshots.and_then(|snapshots| snapshots.bytes));
        let shared = Arc::new(Shared::new(
            options.name.clone(),
            start.record,
            start.end,
            start.has_state,
            growth,
        ));
        if !transport.capabilities().exact_bounds {
            shared.must_confirm();
        }
        let link = Link::new(Arc::clone(&transport), Handle::current(), inbox.clone());
        let setup = Setup {
            link,
            inbox: outbox,
            shared: Arc::clone(&shared),
            room: room.clone(),
            identity,
            idle_timeout: options.idle_timeout,
            patience: options.replication_timeout,
            max_transaction_bytes: options.max_transaction_bytes,
            compat_v007: options.compat_v007,
            end: start.end,
            audit_interval: options.audit_interval,
            partial: start.partial.is_some(),
            problem: start.problem.clone(),
            lost: options.lost.clone(),
        };
        let readers = Arc::new(Readers::new(options.path.clone(), open.clone(), options.readers));
        let path = options.path.clone();
        let thread =
            host::run_writer(move || Writer::open(&path, &open, start.record, setup)).await?;
        if !transport.capabilities().exact_bounds {
            confirm(&shared, &inbox);
        }
        let thread = Mutex::new(thread);
        let keeper = keeper(&options, &transport, &readers, &shared, room);
        let keeper = keeper.map(|keeper| host::spawn(&Handle::current(), keeper.run()));
        Ok(Arc::new(Self {
            options,
            readers,
            shared,
            inbox,
            transport,
            thread,
            keeper,
            _lock: lock,
        }))
    }

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
        let reseed = Reseed::newest(reason, advice);
        // The thread is gone only when the node is.
        let _ = self.inbox.send(Message::Event(Event::Reseed(reseed)));
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
        host::blocking(move || lent.reader()?.trusted(run)).await?
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

    async fn outcome(&self, name: &AttemptName) -> Result<Outcome> {
        if name.lineage != self.shared.token().lineage {
            return Ok(Outcome::Forgotten);
        }
        match self.judge(name).await {
            Err(Error::Truncated { .. }) => Ok(Outcome::Forgotten),
            outcome => outcome,
        }
    }

    fn status(&self) -> Status {
        let status = Status { read_only: self.options.read_only.clone(), ..self.shared.status() };
        let warnings = self.transport.warnings();
        if status.readiness != Readiness::Ready || warnings.is_empty() {
            return status;
        }
        Status { readiness: Readiness::Waiting(warnings.join("; ")), ..status }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.transport.remove_member(name).await
    }

    async fn health(&self) -> Health {
        self.detail().await
    }
}

/// How soon the log is asked again to confirm where it ends.
const CONFIRM_AGAIN: Duration = Duration::from_secs(1);

/// Keeps the node from being called ready until the log has shown by a strong read that
/// nothing is missing.
fn confirm(shared: &Arc<Shared>, inbox: &Sender<Message>) {
    let (shared, inbox) = (Arc::clone(shared), inbox.clone());
    host::spawn(&Handle::current(), async move {
        loop {
            let (reader, served) = tokio::sync::oneshot::channel();
            if inbox.send(Message::Strong(reader)).is_err() {
                return;
            }
            match served.await {
                Ok(Ok(())) => return shared.confirmed(),
                // It stands still, but may go on by itself.
                Ok(Err(_)) => tokio::time::sleep(CONFIRM_AGAIN).await,
                Err(_) => return,
            }
        }
    });
}

/// The log gives a lost tail back only if it has it for sure.
fn open_options(options: &NodeOptions, transport: &Arc<dyn ChangeTransport>) -> OpenOptions {
    let capabilities = transport.capabilities();
    let durability = match (options.scratch, capabilities.synced && capabilities.readable) {
        (true, _) => Durability::Off,
        (false, true) => Durability::Normal,
        (false, false) => Durability::Full,
    };
    OpenOptions {
        foreign_keys: options.foreign_keys,
        durability,
        cache_size: options.cache_size,
        extensions: options.extensions.clone(),
    }
}

/// What takes snapshots, if they can be stored.
fn keeper(
    options: &NodeOptions,
    transport: &Arc<dyn ChangeTransport>,
    readers: &Arc<Readers>,
    shared: &Arc<Shared>,
    room: Room,
) -> Option<Keeper> {
    let capabilities = transport.capabilities();
    let snapshots =
        options.snapshots.filter(|_| capabilities.snapshots && capabilities.readable)?;
    let ours = capabilities.trim && !options.compat_v007;
    Some(Keeper {
        transport: Arc::clone(transport),
        readers: Arc::clone(readers),
        shared: Arc::clone(shared),
        room,
        options: snapshots,
        retention: ours.then_some(options.retention),
    })
}

async fn lock(options: &NodeOptions) -> Result<File> {
    let path = options.path.clone();
    host::blocking(move || begin::lock(&path)).await?
}

fn identity(options: &NodeOptions) -> Identity {
    Identity { node: options.name.clone(), process_id: process_id(), boot: host::chance() }
}

fn process_id() -> i64 {
    i64::try_from(host::unix_time().as_nanos()).unwrap_or(i64::MAX)
}
