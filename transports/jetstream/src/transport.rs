use std::fmt;
use std::sync::Arc;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::Config;
use async_trait::async_trait;
use futures::stream::BoxStream;
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery,
    Draft, Error, Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use tokio::sync::watch;

use crate::Options;
use crate::append::{Appender, HEADERS, Limits};
use crate::batch;
use crate::credentials::Address;
use crate::link::Link;
use crate::snapshots::Snapshots;
use crate::stream::Stream;
use crate::subscription;
use crate::waiting::Waiting;

/// A log in a JetStream stream.
///
/// Two connections: one for appends alone, one for everything else. Both come back by
/// themselves, for ever, after at most a second once a server can be reached.
#[derive(Debug)]
pub struct JetStream {
    origin: String,
    appender: Appender,
    stream: Stream,
    snapshots: Snapshots,
    created: bool,
    synced: bool,
    closed: watch::Sender<bool>,
}

impl JetStream {
    /// Connects, and makes the stream if there is none. An existing stream is not changed.
    ///
    /// [`Error::Config`] if the options make no sense, [`Error::Transport`] if no server can
    /// be reached or JetStream is not ready within [`Options::timeout`].
    pub async fn connect(options: Options) -> Result<Arc<Self>> {
        let waiting = Waiting::default();
        let timeout = options.timeout;
        let origin = format!("NATS at {}", Address::redact(&options.url));
        match tokio::time::timeout(timeout, Self::open(options, &waiting)).await {
            Ok(opened) => opened,
            Err(_) => {
                let because = waiting.reason().map(|reason| format!(": {reason}"));
                let because = because.unwrap_or_default();
                let reason = format!("JetStream was not ready within {timeout:?}{because}");
                Err(Error::transport(origin, reason))
            }
        }
    }

    /// Like [`Self::connect`], and waits for JetStream as long as it takes, for a cluster whose
    /// servers are started one after the other. What it waits for is logged. Dropping the
    /// future gives up.
    ///
    /// [`Error::Transport`] if no server can be reached: only JetStream is waited for.
    pub async fn connect_when_ready(options: Options) -> Result<Arc<Self>> {
        Self::open(options, &Waiting::default()).await
    }

    async fn open(options: Options, waiting: &Waiting) -> Result<Arc<Self>> {
        options.check()?;
        let address = Address::parse(&options)?;
        Self::open_at(&address, &options, waiting).await.map(Arc::new)
    }

    async fn open_at(address: &Address, options: &Options, waiting: &Waiting) -> Result<Self> {
        let reader = Link::open(address, options, "read").await?;
        let writer = Link::open(address, options, "append").await?;
        let builder = ContextBuilder::new().timeout(options.timeout).ack_timeout(options.timeout);
        let context = builder.build(reader.client.clone());
        let opened = Stream::open(context.clone(), reader, options, waiting).await?;
        let closed = watch::Sender::new(false);
        opened.stream.watch(closed.subscribe()).await?;
        let limits = limits(&writer, &opened.config);
        Ok(Self {
            origin: Address::redact(&options.url),
            appender: Appender::new(writer, &opened.stream, options.timeout, limits),
            stream: opened.stream,
            snapshots: Snapshots {
                context,
                bucket: format!("{}_snapshots", options.stream),
                replicas: options.replicas,
                timeout: options.timeout,
                orphan_age: options.orphan_age,
            },
            created: opened.created,
            synced: options.synced,
            closed,
        })
    }

    /// Whether [`Self::connect`] made the stream. Nodes that start at the same moment may all
    /// be told so.
    #[must_use]
    pub fn created_stream(&self) -> bool {
        self.created
    }

    /// `error`, for an append that is refused before it gets here; or
    /// [`AppendError::Unknown`] if an earlier append of the same attempt may have stored it.
    #[must_use]
    pub fn refusal(&self, attempt: AttemptId, error: AppendError) -> AppendError {
        self.appender.refusal(attempt, error)
    }

    /// The connection for everything but appends.
    pub(crate) fn client(&self) -> Result<&async_nats::Client> {
        self.open_stream().map(|stream| &stream.link.client)
    }

    pub(crate) fn name(&self) -> &str {
        &self.stream.name
    }

    /// Turns true when the transport is closed.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(Error::Closed) } else { Ok(()) }
    }

    fn open_stream(&self) -> Result<&Stream> {
        self.check_open().map(|()| &self.stream)
    }

    fn open_snapshots(&self) -> Result<&Snapshots> {
        self.check_open().map(|()| &self.snapshots)
    }
}

impl fmt::Display for JetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JetStream {} at {}", self.stream.name, self.origin)
    }
}

#[async_trait]
impl ChangeTransport for JetStream {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replicated: true,
            synced: self.synced,
            max_part_bytes: self.appender.limits().part_bytes,
            max_parts: self.appender.limits().parts,
            snapshots: true,
            trim: true,
            readable: true,
            exact_bounds: !self.stream.config.is_replicated(),
        }
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        if *self.closed.borrow() {
            return Err(AppendError::Closed);
        }
        self.appender.append(draft).await
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        let stream = self.open_stream()?.clone();
        let closed = self.closed.subscribe();
        subscription::open(stream, from.max(Seq(1)), closed).await
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.open_stream()?.read(seq).await
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.open_stream()?.bounds().await
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        self.open_stream()?.trim(before).await
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

    async fn health(&self) -> TransportHealth {
        TransportHealth {
            name: self.to_string(),
            warnings: self.warnings(),
            members: None,
            replicas: self.stream.config.replicas(),
            copies: self.stream.copies.known(),
        }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }

    /// The stream has fewer replicas than this transport has seen, or takes no entries of several
    /// parts any more.
    fn warnings(&self) -> Vec<String> {
        self.stream.config.warnings()
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.send_replace(true) {
            self.appender.link.close().await;
            self.stream.link.close().await;
        }
        Ok(())
    }
}

fn limits(writer: &Link, config: &Config) -> Limits {
    let own = usize::try_from(config.max_message_size).ok().filter(|size| *size > 0);
    let bytes = own.unwrap_or(usize::MAX).min(writer.client.max_payload());
    Limits {
        part_bytes: bytes.saturating_sub(HEADERS),
        parts: batch::max_parts(&writer.client, config.allow_atomic_publish),
    }
}
