use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info, RawMessageErrorKind, Stream as NatsStream};
use async_nats::jetstream::{self, Context, ErrorCode};
use ha_core::{Bounds, Error, Lineage, Result, Seq, Stored};

use crate::Options;
use crate::link::Link;

/// As every version of ha makes it.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How long a ready JetStream takes to answer. A cluster without a leader answers nothing.
const ANSWER: Duration = Duration::from_secs(2);

/// The pause before JetStream is asked again that is not ready, as after a cluster's start.
const PAUSE: Duration = Duration::from_millis(100);

/// The stream that is the log.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) context: Context,
    pub(crate) name: String,
    pub(crate) link: Link,
    handle: NatsStream<()>,
}

/// The stream as it was found or made.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) created: bool,
    /// The stream's own limit for messages.
    pub(crate) max_message_size: Option<usize>,
    /// Whether the stream takes entries of several parts.
    pub(crate) allows_batches: bool,
}

impl Stream {
    /// Finds the stream, or makes it if there is none. One that exists is left as it is. Asks
    /// again for as long as JetStream is not ready.
    pub(crate) async fn open(context: Context, link: Link, options: &Options) -> Result<Opened> {
        loop {
            match find_or_create(&context, options).await {
                Ok((info, created)) => return Self::opened(context, link, &info, created).await,
                Err(Failure::NotReady) => tokio::time::sleep(PAUSE).await,
                Err(Failure::Other(reason)) => return Err(failed(&options.stream, reason)),
            }
        }
    }

    async fn opened(context: Context, link: Link, info: &Info, created: bool) -> Result<Opened> {
        let name = info.config.name.clone();
        let handle = context.get_stream_no_info(&name).await.map_err(|e| failed(&name, e))?;
        let max_message_size =
            usize::try_from(info.config.max_message_size).ok().filter(|size| *size > 0);
        let allows_batches = info.config.allow_atomic_publish;
        let stream = Self { context, name, link, handle };
        Ok(Opened { stream, created, max_message_size, allows_batches })
    }

    /// Which log this is and how far it goes, as the stream's leader says.
    pub(crate) async fn bounds(&self) -> Result<Bounds> {
        let info = self.link.ask(|| self.handle.get_info()).await;
        let info = info.map_err(|error| failed(&self.name, error))?;
        let created = info.created.unix_timestamp_nanos();
        let last = Seq(info.state.last_sequence);
        let first =
            if info.state.messages == 0 { last.next() } else { Seq(info.state.first_sequence) };
        Ok(Bounds { lineage: Lineage::of_stream(&self.name, created), first, last })
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
        let purged = self.link.ask(|| self.handle.purge().sequence(before.0).into_future()).await;
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
        match self.link.ask(|| self.handle.get_raw_message(seq.0)).await {
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

/// Why a stream could not be opened.
enum Failure {
    NotReady,
    Other(String),
}

async fn find_or_create(context: &Context, options: &Options) -> Result<(Info, bool), Failure> {
    match find(context, &options.stream).await? {
        Some(info) => Ok((info, false)),
        None => create(context, options).await.map(|info| (info, true)),
    }
}

async fn find(context: &Context, name: &str) -> Result<Option<Info>, Failure> {
    let found = tokio::time::timeout(ANSWER, context.get_stream(name));
    let Ok(found) = found.await else { return Err(Failure::NotReady) };
    match found.map_err(|error| (error.kind(), error)) {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err((GetStreamErrorKind::JetStream(told), _))
            if told.error_code() == ErrorCode::STREAM_NOT_FOUND =>
        {
            Ok(None)
        }
        Err((GetStreamErrorKind::JetStream(told), _)) => Err(failure(&told)),
        Err((GetStreamErrorKind::Request, _)) => Err(Failure::NotReady),
        Err((_, error)) => Err(Failure::Other(error.to_string())),
    }
}

async fn create(context: &Context, options: &Options) -> Result<Info, Failure> {
    let created = context.create_stream(config(options)).await;
    match created.map_err(|error| (error.kind(), error)) {
        Ok(stream) => Ok(stream.cached_info().clone()),
        // Somebody else made it, differently, in between: find it.
        Err((CreateStreamErrorKind::JetStream(told), _))
            if told.error_code() == ErrorCode::STREAM_NAME_EXIST =>
        {
            Err(Failure::NotReady)
        }
        Err((CreateStreamErrorKind::JetStream(told), _)) => Err(failure(&told)),
        Err((_, error)) => Err(Failure::Other(error.to_string())),
    }
}

fn failure(told: &jetstream::Error) -> Failure {
    if told.code() == 503 { Failure::NotReady } else { Failure::Other(told.to_string()) }
}

fn config(options: &Options) -> Config {
    Config {
        name: options.stream.clone(),
        subjects: vec![options.stream.clone()],
        max_age: options.max_age.unwrap_or_default(),
        duplicate_window: DUPLICATE_WINDOW,
        num_replicas: options.replicas,
        allow_atomic_publish: options.max_age.is_none(),
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        ..Config::default()
    }
}

pub(crate) fn failed(stream: &str, reason: impl ToString) -> Error {
    Error::transport(format!("stream {stream}"), reason)
}
