use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use ha_core::{AppendError, AttemptId, ChangeTransport, Delivery, Draft, Result, Seq};
use ha_jetstream::JetStream;

use super::{LOG, stream};

pub(crate) type Subscription = BoxStream<'static, Result<Delivery>>;

/// Appends entries one after the other, whatever happens to the servers, as a node does: what
/// is not acknowledged is settled by reading, and sent again while nothing took its place.
pub(crate) struct Writer {
    pub(crate) node: Arc<JetStream>,
    boot: u64,
    counter: u64,
    pub(crate) last: Seq,
    /// What was acknowledged, and where.
    acknowledged: Vec<(Seq, Bytes)>,
    longest_pause: Duration,
    unknown: usize,
}

impl Writer {
    pub(crate) async fn new(url: &str, boot: u64) -> Self {
        let options = ha_jetstream::Options {
            url: url.to_owned(),
            timeout: Duration::from_secs(5),
            ..stream(LOG)
        };
        let node = JetStream::connect_when_ready(options).await.unwrap();
        let (acknowledged, longest_pause) = (Vec::new(), Duration::ZERO);
        Self { node, boot, counter: 0, last: Seq(0), acknowledged, longest_pause, unknown: 0 }
    }

    /// Appends until `enough` says so of the number of entries. Every tenth has three parts.
    pub(crate) async fn write_until(&mut self, enough: impl Fn(usize) -> bool) {
        let (mut before, mut count) = (Instant::now(), 0);
        while !enough(count) {
            self.counter += 1;
            let parts = if self.counter.is_multiple_of(10) { 3 } else { 1 };
            let part = |part| Bytes::from(format!("{}/{}.{part}", self.boot, self.counter));
            if self.write((0..parts).map(part).collect()).await {
                count += 1;
                self.longest_pause = self.longest_pause.max(before.elapsed());
                before = Instant::now();
            }
        }
    }

    /// Whether the entry was stored, after the last one; else another is there.
    async fn write(&mut self, parts: Vec<Bytes>) -> bool {
        let attempt = AttemptId { boot: self.boot, counter: self.counter };
        loop {
            let draft = Draft { expect: Some(self.last), attempt, parts: parts.clone() };
            match self.node.append(draft).await {
                Ok(appended) => {
                    assert_eq!(appended.first, self.last.next());
                    self.acknowledge(parts);
                    return true;
                }
                Err(AppendError::NotSent { .. }) => tokio::task::yield_now().await,
                Err(error @ (AppendError::Refused { .. } | AppendError::Unknown { .. })) => {
                    self.unknown += usize::from(matches!(error, AppendError::Unknown { .. }));
                    match self.node.read(self.last.next()).await {
                        Ok(Some(stored)) if stored.payload == parts[0] => {
                            self.acknowledge(parts);
                            return true;
                        }
                        Ok(Some(other)) => {
                            self.last = other.seq;
                            return false;
                        }
                        Ok(None) | Err(_) => {}
                    }
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    /// Notes that the parts are stored, after the last one.
    fn acknowledge(&mut self, parts: Vec<Bytes>) {
        for part in parts {
            self.last = self.last.next();
            self.acknowledged.push((self.last, part));
        }
    }

    /// Everything that was acknowledged is where it was acknowledged.
    pub(crate) async fn check(&self, node: &dyn ChangeTransport) {
        for (seq, payload) in &self.acknowledged {
            let stored = node.read(*seq).await.unwrap().unwrap();
            assert_eq!(stored.payload, payload, "at {seq}");
        }
    }

    /// A subscription from the first entry on delivers everything that was acknowledged, each
    /// entry once.
    pub(crate) async fn check_delivered(&self, subscription: &mut Subscription) {
        let mut next = Seq(1);
        for (seq, payload) in &self.acknowledged {
            while next <= *seq {
                let Delivery::Entry(entry) = subscription.next().await.unwrap().unwrap() else {
                    continue;
                };
                assert_eq!(entry.seq, next);
                assert!(next < *seq || entry.payload == *payload, "at {seq}");
                next = next.next();
            }
        }
    }

    #[expect(clippy::print_stderr, reason = "a measure for people; nothing is asserted")]
    pub(crate) fn report(&self, event: &str) {
        let (count, pause) = (self.acknowledged.len(), self.longest_pause);
        eprintln!("{event}: {count} parts, longest pause {pause:?}, {} unknown", self.unknown);
    }
}
