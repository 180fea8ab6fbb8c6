use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use ha_core::{Bounds, Delivery, Error, Lineage, Result, Seq, Stored};
use redis::{RedisResult, Value, cmd};
use tokio::sync::watch;

use crate::link::{Connector, FIRST_PAUSE, LONGEST_PAUSE, Live, TIMEOUT};
use crate::log::{Keys, absent, look};
use crate::transport::Told;

/// So long the server waits for a new entry, then the log is looked at: a log that was deleted
/// sends nothing.
const WAIT: Duration = Duration::from_secs(1);
/// How many entries are asked for at once: more while they are small.
const FEWEST: usize = 8;
const MOST: usize = 512;
const BYTES_AT_ONCE: usize = 4 << 20;

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
        count: FEWEST,
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
    /// How many entries are asked for.
    count: usize,
    /// Where something else came than the next entry.
    doubted: Option<Seq>,
    ended: bool,
}

/// An element of the stream.
#[derive(Debug, PartialEq, Eq)]
struct Element {
    seq: u64,
    lineage: Vec<u8>,
    payload: Vec<u8>,
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
        read.arg("COUNT").arg(self.count).arg("BLOCK").arg(WAIT.as_millis() as u64);
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
        self.count = if size < BYTES_AT_ONCE { self.count * 2 } else { self.count / 2 };
        self.count = self.count.clamp(FEWEST, MOST);
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
        None
    }

    /// Connects until that works and tells how the log is now.
    async fn resume(&mut self) -> Option<Result<Delivery>> {
        let mut pause = FIRST_PAUSE;
        loop {
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
            until(self.source.closed.clone(), tokio::time::sleep(pause)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
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

/// The elements of an answer to `XREAD` on one stream: `{key: [[id, [field, value, …]], …]}`.
fn elements(reply: Value) -> Vec<Element> {
    let Value::Map(streams) = reply else { return Vec::new() };
    let Some((_, Value::Array(elements))) = streams.into_iter().next() else { return Vec::new() };
    elements.into_iter().map(|value| element(value).unwrap_or_else(Element::foreign)).collect()
}

fn element(value: Value) -> Option<Element> {
    let Value::Array(pair) = value else { return None };
    let [id, Value::Array(fields)] = <[Value; 2]>::try_from(pair).ok()? else { return None };
    let id: String = redis::from_redis_value(id).ok()?;
    let seq = id.strip_suffix("-0")?.parse().ok()?;
    let mut fields = fields.into_iter();
    match (fields.next(), fields.next()) {
        (Some(Value::BulkString(lineage)), Some(Value::BulkString(payload))) => {
            Some(Element { seq, lineage, payload })
        }
        _ => None,
    }
}

impl Element {
    /// One that ha has not written: no entry has this place.
    fn foreign() -> Self {
        Self { seq: 0, lineage: Vec::new(), payload: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn reply(id: &str, fields: &[&str]) -> Value {
        let fields = fields.iter().map(|field| text(field)).collect();
        let element = Value::Array(vec![text(id), Value::Array(fields)]);
        Value::Map(vec![(text("stream"), Value::Array(vec![element]))])
    }

    #[test]
    fn an_element_is_read_and_a_foreign_one_is_no_entry() {
        let read = elements(reply("7-0", &["feed", "payload", "attempt", "1.1"]));
        let expected = Element { seq: 7, lineage: b"feed".into(), payload: b"payload".into() };
        assert_eq!(read, [expected]);
        for (id, fields) in [("7-1", &["a", "b"][..]), ("x", &["a", "b"]), ("7-0", &["a"])] {
            assert_eq!(elements(reply(id, fields)), [Element::foreign()]);
        }
        assert_eq!(elements(Value::Nil), []);
    }
}
