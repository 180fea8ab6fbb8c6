use std::cmp::Ordering;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{self, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use futures::stream::{self, BoxStream, StreamExt};
use ha_core::{Bounds, Delivery, Error, Result, Seq, Stored};
use tokio::sync::watch;

use crate::stream::{Stream, failed};

/// A request for messages stays open this long and is renewed before the messages it asked
/// for are used up, so that entries never wait for a request. What it asked for may lie in
/// memory.
const REQUEST: Duration = Duration::from_secs(30);
const MESSAGES_PER_REQUEST: usize = 128;
/// Or several times the largest message: one that is larger than a request never comes.
const BYTES_PER_REQUEST: usize = 4 << 20;
/// The server says that often that it is alive when it has nothing to send.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The server forgets a consumer that nobody has asked for this long.
const FORGET: Duration = Duration::from_secs(60);
/// The longest pause before a consumer is made anew after that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Follows the stream from `from` on; ends when `closed` turns true or after an error.
pub(crate) async fn open(
    stream: Stream,
    from: Seq,
    closed: watch::Receiver<bool>,
) -> Result<BoxStream<'static, Result<Delivery>>> {
    let losses = stream.link.losses();
    let mut follower =
        Follower { stream, next: from, losses, closed, messages: None, gap_at: None, ended: false };
    follower.consume().await?;
    let items = stream::unfold(follower, |mut follower| async {
        let item = follower.advance().await?;
        Some((item, follower))
    });
    Ok(items.boxed())
}

/// Reads the stream through one short-lived consumer after the other.
struct Follower {
    stream: Stream,
    /// The sequence to be delivered next.
    next: Seq,
    losses: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
    /// The current consumer; none when continuity was lost.
    messages: Option<Messages>,
    /// Where the last consumer left a gap.
    gap_at: Option<Seq>,
    ended: bool,
}

/// What may happen while a follower waits.
enum Event {
    Closed,
    Lost,
    Message(Box<Message>),
}

impl Follower {
    async fn advance(&mut self) -> Option<Result<Delivery>> {
        while !self.ended && !*self.closed.borrow() {
            if self.messages.is_none() {
                return self.resume().await;
            }
            match self.event().await {
                Event::Closed => return None,
                Event::Lost => self.messages = None,
                Event::Message(message) => {
                    if let Some(item) = self.accept(*message).await {
                        return Some(item);
                    }
                }
            }
        }
        None
    }

    async fn event(&mut self) -> Event {
        let Some(messages) = &mut self.messages else { return Event::Lost };
        tokio::select! {
            biased;
            _ = self.closed.changed() => Event::Closed,
            _ = self.losses.changed() => Event::Lost,
            message = messages.inner.next() => match message {
                Some(Ok(message)) => Event::Message(Box::new(message)),
                Some(Err(error)) => {
                    tracing::debug!("consumer of stream {}: {error}", self.stream.name);
                    Event::Lost
                }
                None => Event::Lost,
            },
        }
    }

    /// Delivers the message if it is the next. One before it is skipped (a consumer that was
    /// told to start beyond the end starts at the end), one after it means a gap.
    async fn accept(&mut self, message: Message) -> Option<Result<Delivery>> {
        let Ok(info) = message.info() else { return self.lose() };
        let seq = Seq(info.stream_sequence);
        match seq.cmp(&self.next) {
            Ordering::Less => None,
            Ordering::Equal => {
                self.next = seq.next();
                self.gap_at = None;
                let payload = message.message.payload;
                Some(Ok(Delivery::Entry(Stored { seq, payload })))
            }
            Ordering::Greater if self.gap_at == Some(self.next) => Some(Err(self.gap().await)),
            Ordering::Greater => {
                self.gap_at = Some(self.next);
                self.lose()
            }
        }
    }

    fn lose<T>(&mut self) -> Option<T> {
        self.messages = None;
        None
    }

    /// Ends with the reason why even a new consumer does not deliver the next entry.
    async fn gap(&mut self) -> Error {
        self.ended = true;
        match self.stream.read(self.next).await {
            Err(reason) => reason,
            Ok(_) => self.stream.hole(self.next),
        }
    }

    /// Makes consumers until one works and tells how the log is now.
    async fn resume(&mut self) -> Option<Result<Delivery>> {
        let mut pause = Duration::from_millis(10);
        loop {
            match until(self.closed.clone(), self.consume()).await? {
                Ok(bounds) => return Some(Ok(Delivery::Reconnected(bounds))),
                Err(error @ Error::Truncated { .. }) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                Err(error) => tracing::debug!("subscription is not back yet: {error}"),
            }
            until(self.closed.clone(), tokio::time::sleep(pause)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes a consumer that starts at the next entry, if that is still stored or to come.
    async fn consume(&mut self) -> Result<Bounds> {
        self.losses.mark_unchanged();
        let bounds = self.stream.bounds().await?;
        if self.next < bounds.first {
            return Err(Error::Truncated { from: self.next, first: bounds.first });
        }
        let config = consumer_config(self.next);
        let Stream { context, name, .. } = &self.stream;
        let make = || context.create_consumer_on_stream(config.clone(), name.as_str());
        let made = self.stream.ask(make).await;
        let consumer = made.map_err(|error| failed(name, error))?;
        let bytes = BYTES_PER_REQUEST.max(4 * self.stream.link.client.max_payload());
        let requests = consumer.stream().max_messages_per_batch(MESSAGES_PER_REQUEST);
        let requests = requests.max_bytes_per_batch(bytes);
        let messages = requests.expires(REQUEST).heartbeat(HEARTBEAT).messages().await;
        let inner = messages.map_err(|error| failed(name, error))?;
        let consumer = consumer.cached_info().name.clone();
        self.messages = Some(Messages { inner, consumer, stream: self.stream.clone() });
        Ok(bounds)
    }
}

/// What a consumer delivers. Dropping it makes the server forget the consumer, sooner than it
/// would by itself.
struct Messages {
    inner: pull::Stream,
    consumer: String,
    stream: Stream,
}

impl Drop for Messages {
    fn drop(&mut self) {
        let (stream, consumer) = (self.stream.clone(), std::mem::take(&mut self.consumer));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let deleted = stream.context.delete_consumer_from_stream(consumer, stream.name);
                // It is gone already, or the server forgets it later.
                let _ = deleted.await;
            });
        }
    }
}

/// Does the work, or gives `None` if the transport is closed meanwhile.
pub(crate) async fn until<T>(
    mut closed: watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        _ = closed.wait_for(|closed| *closed) => None,
        done = work => Some(done),
    }
}

fn consumer_config(next: Seq) -> Config {
    Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: next.0 },
        ack_policy: AckPolicy::None,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: FORGET,
        ..Config::default()
    }
}
