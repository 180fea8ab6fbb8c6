//! The in-memory transport. Settings: `log`, the log's name; `panic`, the call that panics;
//! `interrupt`, anything, interrupts the nodes on the log that are there.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Weak};

use ha_memory::{Memory, MemoryLog, MemoryOptions};
use ha_plugin::async_trait::async_trait;
use ha_plugin::futures::stream::BoxStream;
use ha_plugin::ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Result, Seq, Settings, SnapshotMeta, Stored, TransportHealth,
};
use parking_lot::Mutex;

static LOGS: LazyLock<Mutex<HashMap<String, Log>>> = LazyLock::new(Mutex::default);

struct Log {
    log: MemoryLog,
    nodes: Vec<Weak<Memory>>,
}

/// A node on the log of this name.
pub(crate) async fn open(mut settings: Settings) -> Result<Arc<Flawed>> {
    let name = settings.require("log")?;
    let flaw = settings.take("panic").unwrap_or_default();
    let interrupts = settings.take("interrupt").is_some();
    settings.finish(&["interrupt", "log", "panic"])?;
    if name == "unreachable" {
        return Err(Error::transport("testing", "nobody answers"));
    }
    if name == "verbose" {
        return Err(Error::transport("testing", "nobody answers\n\tbecause:\r\n\n- reasons\n"));
    }
    assert!(flaw != "open", "opening was told to panic");
    let new = || {
        let options = MemoryOptions { name: name.clone(), ..MemoryOptions::default() };
        Log { log: MemoryLog::with(options), nodes: Vec::new() }
    };
    let mut logs = LOGS.lock();
    let log = logs.entry(name.clone()).or_insert_with(new);
    log.nodes.retain(|node| node.strong_count() > 0);
    if interrupts {
        log.interrupt();
    }
    let memory = log.log.open();
    log.nodes.push(Arc::downgrade(&memory));
    Ok(Arc::new(Flawed { memory, flaw }))
}

impl Log {
    fn interrupt(&self) {
        let nodes: Vec<_> = self.nodes.iter().filter_map(Weak::upgrade).collect();
        nodes.iter().for_each(|node| self.log.disconnect(node));
        nodes.iter().for_each(|node| self.log.reconnect(node));
    }
}

/// The in-memory transport, with one call that panics.
#[derive(Debug)]
pub(crate) struct Flawed {
    memory: Arc<Memory>,
    flaw: String,
}

impl Flawed {
    fn sound(&self, call: &str) -> &Memory {
        assert!(self.flaw != call, "{call} was told to panic");
        &self.memory
    }
}

impl fmt::Display for Flawed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sound("display").fmt(f)
    }
}

#[async_trait]
impl ChangeTransport for Flawed {
    fn capabilities(&self) -> Capabilities {
        self.sound("capabilities").capabilities()
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        self.sound("append").append(draft).await
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.sound("subscribe").subscribe(from).await
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.sound("read").read(seq).await
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.sound("bounds").bounds().await
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
        self.sound("warnings").warnings()
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
