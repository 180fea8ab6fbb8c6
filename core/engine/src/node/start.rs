//! How a node starts.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ha_core::{ChangeTransport, Result};
use ha_sqlite::{Durability, OpenOptions};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::Node;
use crate::begin::{self, Start, begin, why_read_only};
use crate::heal::KeptFile;
use crate::host;
use crate::machine::Identity;
use crate::options::NodeOptions;
use crate::readers::Readers;
use crate::shared::Shared;
use crate::snapshots::{Growth, Keeper, Room};
use crate::stall::Stall;
use crate::store::with_advice;
use crate::writer::{Link, Message, Setup, Writer};

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
        let file = KeptFile::at(&options.path);
        let begun = begin(options, &open, &identity(options), transport, &file).await;
        begun.map(drop).map_err(|error| with_advice(error, &options.path))
    }

    /// Opens the database, compares it with the log, and begins to follow the log. The node
    /// may have to catch up before it is ready, see [`ha_core::Engine::status`].
    ///
    /// # Errors
    /// [`ha_core::Error::Config`] when the file and the log do not fit and only the operator can say
    /// what is meant; otherwise what the file system, SQLite or the transport say.
    pub async fn start(
        options: NodeOptions,
        transport: Arc<dyn ChangeTransport>,
    ) -> Result<Arc<Self>> {
        let path = options.path.clone();
        Self::open(options, transport).await.map_err(|error| with_advice(error, &path))
    }

    async fn open(
        mut options: NodeOptions,
        transport: Arc<dyn ChangeTransport>,
    ) -> Result<Arc<Self>> {
        let identity = identity(&options);
        let open = open_options(&options, &transport);
        let lock = lock(&options).await?;
        let room = Room::of(&options.path, open.clone(), options.scratch);
        room.sweep();
        let file = KeptFile::at(&options.path);
        let start = begin(&options, &open, &identity, &transport, &file).await?;
        restrict(&mut options, &start);
        let (inbox, outbox) = mpsc::channel();
        let shared = shared(&options, &start);
        let link = Link::new(Arc::clone(&transport), Handle::current(), inbox.clone());
        let rooms = (room.clone(), file);
        let setup = setup(&options, &start, identity, rooms, &shared, link, outbox);
        let confirms = !transport.capabilities().exact_bounds;
        if confirms {
            shared.must_confirm();
        }
        let readers = Arc::new(Readers::new(options.path.clone(), open.clone(), options.readers));
        let path = options.path.clone();
        let thread =
            host::run_writer(move || Writer::open(&path, &open, start.record, setup)).await?;
        if confirms {
            confirm(&shared, &inbox);
        }
        if thread.is_some() {
            watch(&shared);
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
}

/// A node with a part of the log takes neither writes nor snapshots.
fn restrict(options: &mut NodeOptions, start: &Start) {
    if let Some(first) = start.partial {
        options.read_only = Some(why_read_only(first));
        options.snapshots = None;
    }
    if let Some(reason) = &options.read_only {
        tracing::warn!(reason, "the node takes no writes");
    }
}

fn shared(options: &NodeOptions, start: &Start) -> Arc<Shared> {
    let growth = Growth::new(options.snapshots.and_then(|snapshots| snapshots.bytes));
    let name = options.name.clone();
    let stall = Stall::new(options.path.clone(), options.replication_timeout);
    Arc::new(Shared::new(name, start.record, start.end, start.has_state, growth, stall))
}

fn setup(
    options: &NodeOptions,
    start: &Start,
    identity: Identity,
    (room, file): (Room, KeptFile),
    shared: &Arc<Shared>,
    link: Link,
    inbox: Receiver<Message>,
) -> Setup {
    Setup {
        link,
        inbox,
        shared: Arc::clone(shared),
        room,
        file,
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
    }
}

/// Looks whether the disk answers, until the node has stopped.
fn watch(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    host::spawn(&Handle::current(), async move {
        tokio::select! {
            () = shared.closed() => {}
            () = shared.stall.watch() => {}
        }
    });
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
