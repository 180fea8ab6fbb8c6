use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Lineage, Result, Seq, Settings, SnapshotMeta, Stored, TransportHealth,
};
use redis::Client;
use tokio::sync::watch;

use crate::append::{Appender, PART_BYTES, PARTS};
use crate::link::{Connector, Link};
use crate::log::{self, Keys};
use crate::options::Options;
use crate::snapshots::Snapshots;
use crate::subscription::{self, Source};

/// A log in a Redis stream.
///
/// One connection for appends, one for questions and snapshots, one for each subscription. All
/// come back by themselves.
#[derive(Debug)]
pub struct Redis {
    connector: Arc<Connector>,
    keys: Keys,
    appender: Appender,
    link: Arc<Link>,
    snapshots: Snapshots,
    told: Arc<Told>,
    synced: bool,
    closed: watch::Sender<bool>,
}

/// Connects, and begins a log if there is none. Settings: `url`, `stream` (`ha_replication` unless
/// it is given). What the server has less than the log deserves is logged as a warning.
///
/// # Errors
/// [`Error::Config`] for wrong settings, [`Error::Transport`] if the server cannot be reached
/// within some seconds, or is none that can keep a log: a replica, a part of a Redis Cluster, one
/// that evicts keys, or one older than 6.2.
pub async fn open(settings: Settings) -> Result<Arc<Redis>> {
    let options = Options::read(settings)?;
    if options.is_encrypted() {
        // An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let keys = Keys::of(&options.stream);
    let client = Client::open(options.server).map_err(|error| Error::transport("Redis", error))?;
    let connector = Arc::new(Connector::new(client));
    let link = Arc::new(Link::new(Arc::clone(&connector)));
    link.live().await?;
    let bounds = log::bounds(&link, &keys).await?;
    for lack in connector.server().lacks() {
        tracing::warn!("{connector}: {lack}");
    }
    Ok(Arc::new(Redis {
        appender: Appender::new(Link::new(Arc::clone(&connector)), keys.clone()),
        snapshots: Snapshots { link: Arc::clone(&link), keys: keys.clone() },
        told: Arc::new(Told::new(bounds.lineage)),
        synced: connector.server().unsynced().is_none(),
        closed: watch::Sender::new(false),
        connector,
        keys,
        link,
    }))
}

/// The log that the owner of a transport was last told of. Nothing is appended to another.
#[derive(Debug)]
pub(crate) struct Told(AtomicU64);

impl Told {
    fn new(lineage: Lineage) -> Self {
        Self(AtomicU64::new(u64::from_be_bytes(lineage.0)))
    }

    pub(crate) fn get(&self) -> Lineage {
        Lineage(self.0.load(Ordering::Relaxed).to_be_bytes())
    }

    pub(crate) fn set(&self, lineage: Lineage) {
        self.0.store(u64::from_be_bytes(lineage.0), Ordering::Relaxed);
    }
}

impl Redis {
    fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(Error::Closed) } else { Ok(()) }
    }

    fn open_link(&self) -> Result<&Link> {
        self.check_open().map(|()| &*self.link)
    }

    fn open_snapshots(&self) -> Result<&Snapshots> {
        self.check_open().map(|()| &self.snapshots)
    }
}

impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, stream {}", self.connector, self.keys.stream)
    }
}

#[async_trait]
impl ChangeTransport for Redis {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replicated: true,
            synced: self.synced,
            max_part_bytes: PART_BYTES,
            max_parts: PARTS,
            snapshots: true,
            trim: true,
            readable: true,
            exact_bounds: true,
        }
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        self.check_open().map_err(|_| AppendError::Closed)?;
        self.appender.append(self.told.get(), draft).await
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.check_open()?;
        let source = Source {
            connector: Arc::clone(&self.connector),
            keys: self.keys.clone(),
            told: Arc::clone(&self.told),
            closed: self.closed.subscribe(),
        };
        subscription::open(source, from.max(Seq(1))).await
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        log::read(self.open_link()?, &self.keys, seq).await
    }

    async fn bounds(&self) -> Result<Bounds> {
        let bounds = log::bounds(self.open_link()?, &self.keys).await?;
        self.told.set(bounds.lineage);
        Ok(bounds)
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        log::trim(self.open_link()?, &self.keys, before).await
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        self.open_snapshots()?.put(&meta, body).await
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        self.open_snapshots()?.list().await
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        self.open_snapshots()?.get(meta).await
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.open_snapshots()?.remove(meta).await
    }

    /// The server synced what it acknowledged when the transport was opened, and does not now.
    /// Noticed when a connection is made.
    fn warnings(&self) -> Vec<String> {
        let server = self.connector.server();
        let why = server.unsynced().filter(|_| self.synced);
        why.map(|why| format!("{}: no longer synced: {why}", self.connector)).into_iter().collect()
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth {
            name: self.to_string(),
            warnings: self.connector.server().lacks(),
            ..TransportHealth::default()
        }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.send_replace(true) {
            self.appender.link.close();
            self.link.close();
        }
        Ok(())
    }
}
