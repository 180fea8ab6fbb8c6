//! A log that one append reaches late; all else is the log in memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use ha_engine::Node;
use ha_memory::{Memory, MemoryLog};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use super::{PATIENCE, Running, options};

/// A node's end of the log.
#[derive(Debug)]
pub(crate) struct Late {
    memory: Arc<Memory>,
    /// What is late arrives on its own, whatever has become of the node's connection.
    own: Arc<Memory>,
    holds: AtomicBool,
    held: Notify,
    goes_on: Notify,
    arrived: Notify,
    holds_reads: watch::Sender<bool>,
    delivered: Arc<watch::Sender<u64>>,
}

impl Late {
    /// Starts a node.
    pub(crate) async fn start(name: &str, log: &MemoryLog) -> (Arc<Self>, Running) {
        let late = Arc::new(Self {
            memory: log.open(),
            own: log.open(),
            holds: AtomicBool::new(false),
            held: Notify::new(),
            goes_on: Notify::new(),
            arrived: Notify::new(),
            holds_reads: watch::Sender::new(false),
            delivered: Arc::new(watch::Sender::new(0)),
        });
        let dir = TempDir::new().unwrap();
        let transport = Arc::<Self>::clone(&late);
        let node = Node::start(options(name, &dir), transport).await.unwrap();
        let transport = Arc::clone(&late.memory);
        (late, Running { node, transport, dir })
    }

    /// The next append is held on its way.
    pub(crate) fn hold(&self) {
        self.holds.store(true, Ordering::SeqCst);
    }

    /// Returns once it is.
    pub(crate) async fn is_held(&self) {
        tokio::time::timeout(PATIENCE, self.held.notified()).await.expect("something is appended");
    }

    /// Reads are not answered.
    pub(crate) fn hold_reads(&self) {
        self.holds_reads.send_replace(true);
    }

    /// Those that wait are answered, and all others.
    pub(crate) fn let_reads_go(&self) {
        self.holds_reads.send_replace(false);
    }

    /// How many entries subscriptions have given.
    pub(crate) fn delivered(&self) -> u64 {
        *self.delivered.borrow()
    }

    /// Returns once they are so many.
    pub(crate) async fn has_delivered(&self, entries: u64) {
        let mut delivered = self.delivered.subscribe();
        let there = delivered.wait_for(|delivered| *delivered >= entries);
        tokio::time::timeout(PATIENCE, there).await.expect("they are delivered").unwrap();
    }

    /// Lets it arrive.
    pub(crate) async fn let_go(&self) {
        self.goes_on.notify_one();
        tokio::time::timeout(PATIENCE, self.arrived.notified()).await.expect("it arrives");
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt(f)
    }
}

#[async_trait]
impl ChangeTransport for Late {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        if !self.holds.swap(false, Ordering::SeqCst) {
            return self.memory.append(draft).await;
        }
        self.held.notify_one();
        self.goes_on.notified().await;
        let answer = self.own.append(draft).await;
        self.arrived.notify_one();
        answer
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        let delivered = Arc::clone(&self.delivered);
        let count = move |item: &Result<Delivery>| {
            if matches!(item, Ok(Delivery::Entry(_))) {
                delivered.send_modify(|delivered| *delivered += 1);
            }
        };
        Ok(self.memory.subscribe(from).await?.inspect(count).boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        let mut holds = self.holds_reads.subscribe();
        // The sender is here.
        let _ = holds.wait_for(|holds| !holds).await;
        self.memory.read(seq).await
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.memory.bounds().await
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        self.memory.trim(before).await
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        self.memory.put_snapshot(meta, body).await
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        self.memory.snapshots().await
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        self.memory.get_snapshot(meta).await
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.memory.remove_snapshot(meta).await
    }

    fn warnings(&self) -> Vec<String> {
        self.memory.warnings()
    }

    async fn health(&self) -> TransportHealth {
        self.memory.health().await
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.memory.remove_member(name).await
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}
