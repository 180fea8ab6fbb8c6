mod advisories;
mod open;

use std::sync::Arc;

use async_nats::jetstream::stream::{Config, Info, RawMessageErrorKind, Stream as NatsStream};
use async_nats::jetstream::{Context, ErrorCode};
use ha_core::{Bounds, Error, Lineage, Result, Seq, Stored};
use tokio::sync::watch;

use crate::Options;
use crate::config::Watched;
use crate::link::Link;
use crate::waiting::Waiting;

/// The stream that is the log.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) context: Context,
    pub(crate) name: String,
    pub(crate) link: Link,
    pub(crate) config: Arc<Watched>,
    /// Counts the leaders that were elected.
    pub(crate) elections: Arc<watch::Sender<u64>>,
    handle: NatsStream<()>,
}

/// The stream as it was found or made.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) created: bool,
    pub(crate) config: Config,
}

impl Stream {
    /// Finds the stream, or makes it if there is none. One that exists is left as it is. Asks
    /// again for as long as JetStream is not ready.
    pub(crate) async fn open(
        context: Context,
        link: Link,
        options: &Options,
        waiting: &Waiting,
    ) -> Result<Opened> {
        let (info, created) = open::open(&context, options, waiting).await?;
        let name = info.config.name.clone();
        let handle = context.get_stream_no_info(&name).await.map_err(|e| failed(&name, e))?;
        let (config, elections) = (Arc::default(), Arc::default());
        let stream = Self { context, name, link, config, elections, handle };
        stream.config.note(&info.config);
        Ok(Opened { stream, created, config: info.config })
    }

    /// Asks, and asks again whenever the connection is lost or a leader is elected before the
    /// answer: the one that was asked may be gone.
    pub(crate) async fn ask<T, F: Future<Output = T>>(&self, question: impl Fn() -> F) -> T {
        loop {
            let mut elections = self.elections.subscribe();
            tokio::select! {
                biased;
                answer = self.link.ask(&question) => return answer,
                _ = elections.changed() => {}
            }
        }
    }

    /// The stream as its leader knows it.
    async fn info(&self) -> Result<Info> {
        let info = self.ask(|| self.handle.get_info()).await;
        let info = info.map_err(|error| failed(&self.name, error))?;
        self.config.note(&info.config);
        Ok(info)
    }

    /// Which log this is and how far it goes, as the stream's leader says.
    pub(crate) async fn bounds(&self) -> Result<Bounds> {
        let info = self.info().await?;
        let created = info.created.unix_timestamp_nanos();
        let last = Seq(info.state.last_sequence);
        let first =
            if info.state.messages == 0 { last.next() } else { Seq(info.state.first_sequence) };
        let lineage = Lineage::of_stream(&self.name, created);
        Ok(Bounds { lineage, first, last, bytes: info.state.bytes })
    }

    /// See [`ha_core::ChangeTransport::read`]. Asks the leader: replicas may lag.
    pub(crate) async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        if let Some(stored) = self.get(seq).await? {
            return Ok(Some(stored));
        }
        let bounds = self.bounds().await?;
        if seq < bounds.first {
            return Err(Error::Truncated { from: seq, first: bounds.first });
        }
        if seq > bounds.last {
            return Ok(None);
        }
        // It was stored between the two questions, or it is missing in the middle.
        match self.get(seq).await? {
            Some(stored) => Ok(Some(stored)),
            None => Err(self.hole(seq)),
        }
    }

    /// See [`ha_core::ChangeTransport::trim`]. The server would move the end of the stream if
    /// it was told to purge beyond it, and purge everything before 0.
    pub(crate) async fn trim(&self, before: Seq) -> Result<()> {
        let bounds = self.bounds().await?;
        let before = before.min(bounds.last.next());
        if before <= bounds.first {
            return Ok(());
        }
        let purged = self.ask(|| self.handle.purge().sequence(before.0).into_future()).await;
        purged.map(drop).map_err(|error| failed(&self.name, error))
    }

    /// The error for a sequence that is missing between stored ones.
    pub(crate) fn hole(&self, seq: Seq) -> Error {
        Error::Corrupt(format!("stream {}: entry {seq} is missing", self.name))
    }

    async fn get(&self, seq: Seq) -> Result<Option<Stored>> {
        if seq == Seq::ZERO {
            return Ok(None);
        }
        match self.ask(|| self.handle.get_raw_message(seq.0)).await {
            Ok(message) => Ok(Some(Stored { seq, payload: message.payload })),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(told)
                    if told.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(failed(&self.name, error)),
            },
        }
    }
}

pub(crate) fn failed(stream: &str, reason: impl ToString) -> Error {
    Error::transport(format!("stream {stream}"), reason)
}
