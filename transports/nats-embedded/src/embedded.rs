use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Result, Seq, SnapshotMeta, Stored, TransportHealth,
};
use ha_jetstream::JetStream;

use crate::failure::Failure;
use crate::health;
use crate::space::Space;
use crate::starting::{Starting, blocking};
use crate::{Options, Server};

/// The transport over a server in this process. Closing it stops the server.
#[derive(Debug)]
pub struct Embedded {
    server: Arc<Server>,
    failure: Arc<Failure>,
    stream: Arc<JetStream>,
    space: Space,
    /// Where the servers of the cluster listen.
    peers: Vec<String>,
    created: bool,
}

/// The log of a server that does not let others in yet.
#[derive(Debug)]
pub struct Private {
    /// The log.
    pub log: Arc<JetStream>,
    /// The server is a member of a cluster: the log is others' as well, and they may be using it.
    pub is_clustered: bool,
}

impl Embedded {
    /// Starts a server, connects to it and opens the stream. Of `stream`, the URL, the token
    /// (if the server has one) and `synced` are what the server says.
    ///
    /// A member of a cluster waits for most of the others and for the stream as long as it
    /// takes, and says in the log what it waits for. Dropping the future gives up; the server
    /// is then stopped in the background.
    ///
    /// Errors are those of [`Server::start`] and [`JetStream::connect`].
    pub async fn open(server: Options, stream: ha_jetstream::Options) -> Result<Arc<Self>> {
        Self::open_after(server, stream, async |_| Ok(())).await
    }

    /// As [`Self::open`], but before the server lets anybody else in, `prepare` has the log to
    /// itself: to give it back what it lost, say, before others go on without that. The
    /// transport that it gets is closed afterwards.
    ///
    /// In a cluster, and with a configuration file that asks for TLS, others may be there already.
    /// An error of `prepare` stops the server.
    pub async fn open_after(
        server: Options,
        stream: ha_jetstream::Options,
        prepare: impl AsyncFnOnce(Private) -> Result<()>,
    ) -> Result<Arc<Self>> {
        let space = Space::new(server.config_file.is_none().then(|| server.store_dir.clone()));
        let peers = server.cluster.as_ref().map_or_else(Vec::new, |cluster| cluster.peers.clone());
        let token = server.token.clone().filter(|_| server.config_file.is_none());
        let stream = ha_jetstream::Options { token: token.or(stream.token.clone()), ..stream };
        let failure = Arc::new(Failure::of(&stream.stream));
        let told = Arc::clone(&failure);
        let server = blocking(move || Server::start_privately(server, told)).await??;
        let starting = Starting::new(server);
        let prepared = prepare_in(starting.server()?, &stream, prepare).await;
        let (starting, created) = starting.if_well(prepared).await?;
        let starting = starting.listen().await?;
        let connected = connect(starting.server()?, &stream).await;
        let (server, stream) = starting.finish(connected).await?;
        Ok(Arc::new(Self { server, failure, stream, space, peers, created }))
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The log, as any client of the server sees it.
    #[must_use]
    pub fn log(&self) -> &Arc<JetStream> {
        &self.stream
    }

    /// What has become of the log, if it can no longer be written.
    fn failure(&self) -> Option<String> {
        self.failure.reason().map(|reason| {
            format!(
                "the NATS server could not write its store and takes nothing more ({reason}): look at its \
                 disk, then restart this node"
            )
        })
    }

    /// A server alone would not answer; of several, another one may lead the log.
    fn check_store(&self) -> Result<(), AppendError> {
        match self.failure().filter(|_| !self.server.is_clustered()) {
            Some(reason) => Err(AppendError::NotSent { reason }),
            None => Ok(()),
        }
    }

    /// Whether [`Self::open`] made the stream, rather than finding it in the store directory.
    #[must_use]
    pub fn created_stream(&self) -> bool {
        self.created
    }
}

/// Prepares the log of a server; whether its stream was made.
async fn prepare_in(
    server: &Server,
    stream: &ha_jetstream::Options,
    prepare: impl AsyncFnOnce(Private) -> Result<()>,
) -> Result<bool> {
    let log = connect(server, stream).await?;
    let is_clustered = server.is_clustered();
    let prepared = prepare(Private { log: Arc::clone(&log), is_clustered }).await;
    let closed = log.close().await;
    prepared.and(closed).map(|()| log.created_stream())
}

async fn connect(server: &Server, stream: &ha_jetstream::Options) -> Result<Arc<JetStream>> {
    let options = ha_jetstream::Options {
        url: server.client_url().to_owned(),
        synced: server.is_synced(),
        ..stream.clone()
    };
    if server.is_clustered() {
        JetStream::connect_when_ready(options).await
    } else {
        JetStream::connect(options).await
    }
}

impl fmt::Display for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "embedded NATS at {}", self.server.client_url())
    }
}

#[async_trait]
impl ChangeTransport for Embedded {
    fn capabilities(&self) -> Capabilities {
        self.stream.capabilities()
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let checked = self.check_store().and_then(|()| self.space.check(&draft));
        checked.map_err(|error| self.stream.refusal(draft.attempt, error))?;
        self.stream.append(draft).await
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.stream.subscribe(from).await
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.stream.read(seq).await
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.stream.bounds().await
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        self.stream.trim(before).await
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        self.stream.put_snapshot(meta, body).await
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        self.stream.snapshots().await
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        self.stream.get_snapshot(meta).await
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.stream.remove_snapshot(meta).await
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth {
            name: self.to_string(),
            warnings: self.warnings(),
            members: health::members(&self.server, &self.peers).await,
            ..self.stream.health().await
        }
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        let (server, name) = (Arc::clone(&self.server), name.to_owned());
        blocking(move || server.remove_member(&name)).await?
    }

    /// Those of the stream, and a log that could not be written.
    fn warnings(&self) -> Vec<String> {
        self.stream.warnings().into_iter().chain(self.failure()).collect()
    }

    async fn close(&self) -> Result<()> {
        self.stream.close().await?;
        let server = Arc::clone(&self.server);
        blocking(move || server.shutdown()).await
    }
}
