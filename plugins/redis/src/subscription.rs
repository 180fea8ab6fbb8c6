use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use ha_core::{Bounds, Delivery, Error, Lineage, Result, Seq, Stored};
use redis::{RedisResult, Value, cmd};
use tokio::sync::watch;

use crate::element::{Element, elements};
use crate::link::{Connector, FIRST_PAUSE, LONGEST_PAUSE, Live, TIMEOUT};
use crate::log::{Keys, absent, look};
use crate::portion::Portion;
use crate::transport::Told;

/// So long the server waits for a new entry, then the log is looked at: a log that was deleted
/// sends nothing.
const WAIT: Duration = Duration::from_secs(1);

/// What a subscription follows.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) connector: Arc<Connector>,
    pub(crate) keys: Keys,
    /// Which log the owner was told of.
    pub(crate) told: Arc<Told>,
    /// Turns true when the transport is closed.
    pub(crate) closed: watch::Receiver<bool>,
}

/// Follows the log from `from` on; ends when the transport is closed or after an error.
pub(crate) async fn open(
    source: Source,
    from: Seq,
) -> Result<BoxStream<'static, Result<Delivery>>> {
    let told = source.told.get();
    let mut follower = Follower {
        source,
        next: from,
        lineage: told,
        end: Seq::ZERO,
        live: None,
        ready: VecDeque::new(),
        portion: Portion::default(),
        pause: Duration::ZERO,
        doubted: None,
        ended: false,
    };
    follower.connect().await?;
    if follower.lineage != told {
        // Tells it first.
        follower.live = None;
    }
    let items = stream::unfold(follower, |mut follower| async {
        let item = follower.advance().await?;
        Some((item, follower))
    });
    Ok(items.boxed())
}

/// Reads the stream over a connection of its own.
struct Follower {
    source: Source,
    /// The sequence to be delivered next.
    next: Seq,
    /// The log that is followed.
    lineage: Lineage,
    /// Where that log ended at least.
    end: Seq,
    /// None when continuity was lost.
    live: Option<Live>,
    /// Read and not yet delivered.
    ready: VecDeque<Stored>,
    portion: Portion,
    /// Before the next connection is made.
    pause: Duration,
    /// Where something else came than the next entry.
    doubted: Option<Seq>,
    ended: bool,
}

impl Follower {
    async fn advance(&mut self) -> Option<Result<Delivery>> {
        while !self.ended && !*self.source.closed.borrow() {
            if let Some(entry) = self.ready.pop_front() {
                self.next = entry.seq.next();
                self.end = self.end.max(entry.seq);
                return Some(Ok(Delivery::Entry(entry)));
            }
            let Some(live) = self.live.clone() else { return self.resume().await };
            let fetched = until(self.source.closed.clone(), self.fetch(&live)).await?;
            if fetched.is_ok() {
                self.pause = Duration::ZERO;
            }
            let item = match fetched {
                Ok(elements) if elements.is_empty() => self.look_around(&live).await,
                Ok(elements) => self.accept(elements),
                Err(error) => self.lose(&error),
            };
            if let Some(error) = item {
                self.ended = true;
                return Some(Err(error));
            }
        }
        None
    }

    /// What follows the last entry, if anything comes soon.
    async fn fetch(&self, live: &Live) -> RedisResult<Vec<Element>> {
        let mut connection = live.connection.clone();
        connection.set_response_timeout(WAIT + TIMEOUT);
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(self.portion.count).arg("BLOCK").arg(WAIT.as_millis() as u64);
        read.arg("STREAMS").arg(&self.source.keys.stream);
        read.arg(format!("{}-0", self.next.0.saturating_sub(1)));
        let reply: Value = read.query_async(&mut connection).await?;
        Ok(elements(reply))
    }

    /// Takes the elements that are the next entries. What is not, is read again; if it is not
    /// once more, after the log was looked at, this is the end.
    fn accept(&mut self, elements: Vec<Element>) -> Option<Error> {
        let lineage = self.lineage.to_string().into_bytes();
        let size: usize = elements.iter().map(|element| element.payload.len()).sum();
        self.portion.adapt(size);
        for (place, element) in (self.next.0..).zip(elements) {
            if element.seq != place || element.lineage != lineage {
                break;
            }
            let payload = Bytes::from(element.payload);
            self.ready.push_back(Stored { seq: Seq(place), payload });
        }
        if !self.ready.is_empty() {
            self.doubted = None;
            return None;
        }
        if self.doubted == Some(self.next) {
            let bounds =
                Bounds { lineage: self.lineage, first: self.next, last: self.end, bytes: 0 };
            return Some(absent(self.next, &bounds));
        }
        self.doubted = Some(self.next);
        self.live = None;
        None
    }

    /// Nothing came: whether this is still the log that is followed.
    async fn look_around(&mut self, live: &Live) -> Option<Error> {
        let looked = look(live.connection.clone(), &self.source.keys, Seq::ZERO).await;
        match looked.map(|look| look.bounds) {
            Err(error) => self.lose(&error),
            Ok(now) if now.lineage != self.lineage || now.last < self.end => {
                self.live = None;
                None
            }
            Ok(now) => {
                self.end = now.last;
                (self.next < now.first).then(|| absent(self.next, &now))
            }
        }
    }

    fn lose(&mut self, error: &redis::RedisError) -> Option<Error> {
        tracing::debug!("subscription of {}: {error}", self.source.connector);
        self.live = None;
        // It may have been too much for the time that an answer has.
        self.portion = Portion::default();
        None
    }

    /// Connects until that works and tells how the log is now. The pauses grow until something was
    /// read.
    async fn resume(&mut self) -> Option<Result<Delivery>> {
        loop {
            until(self.source.closed.clone(), tokio::time::sleep(self.pause)).await?;
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            match until(self.source.closed.clone(), self.connect()).await? {
                Ok(bounds) => {
                    self.source.told.set(bounds.lineage);
                    return Some(Ok(Delivery::Reconnected(bounds)));
                }
                Err(error @ Error::Truncated { .. }) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                Err(error) => tracing::debug!("subscription is not back yet: {error}"),
            }
        }
    }

    /// Connects, and sees whether the next entry is still stored or to come.
    async fn connect(&mut self) -> Result<Bounds> {
        let connector = &self.source.connector;
        let live = connector.connect().await?;
        let looked = look(live.connection.clone(), &self.source.keys, Seq::ZERO).await;
        let bounds = looked.map_err(|error| connector.failed(error))?.bounds;
        if self.next < bounds.first {
            return Err(absent(self.next, &bounds));
        }
        self.live = Some(live);
        self.lineage = bounds.lineage;
        self.end = bounds.last;
        Ok(bounds)
    }
}

/// Does the work, or gives `None` if the transport is closed meanwhile.
async fn until<T>(mut closed: watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = closed.wait_for(|closed| *closed) => None,
        done = work => Some(done),
    }
}
