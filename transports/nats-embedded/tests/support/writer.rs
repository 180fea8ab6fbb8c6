use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ha_core::{AppendError, AttemptId, ChangeTransport, Draft, Seq};
use ha_jetstream::JetStream;

use super::{LOG, stream};

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
            timeout: Duration::from_millis(1500),
            ..stream(LOG)
        };
        let node = JetStream::connect_when_ready(options).await.unwrap();
        let (acknowledged, longest_pause) = (Vec::new(), Duration::ZERO);
        Self { node, boot, counter: 0, last: Seq(0), acknowledged, longest_pause, unknown: 0 }
    }

    /// Appends until `enough` says so.
    pub(crate) async fn write_until(&mut self, enough: impl Fn(usize) -> bool) {
        let mut before = Instant::now();
        while !enough(self.acknowledged.len()) {
            self.counter += 1;
            let payload = Bytes::from(format!("{}/{}", self.boot, self.counter));
            if self.write(payload.clone()).await {
                self.acknowledged.push((self.last, payload));
                self.longest_pause = self.longest_pause.max(before.elapsed());
                before = Instant::now();
            }
        }
    }

    /// Whether the entry was stored, after the last one; else another is there.
    async fn write(&mut self, payload: Bytes) -> bool {
        let attempt = AttemptId { boot: self.boot, counter: self.counter };
        loop {
            let (expect, parts) = (Some(self.last), vec![payload.clone()]);
            match self.node.append(Draft { expect, attempt, parts }).await {
                Ok(appended) => {
                    self.last = appended.last;
                    return true;
                }
                Err(AppendError::NotSent { .. }) => tokio::task::yield_now().await,
                Err(error @ (AppendError::Refused { .. } | AppendError::Unknown { .. })) => {
                    self.unknown += usize::from(matches!(error, AppendError::Unknown { .. }));
                    if let Ok(Some(stored)) = self.node.read(self.last.next()).await {
                        self.last = stored.seq;
                        return stored.payload == payload;
                    }
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    /// Everything that was acknowledged is where it was acknowledged.
    pub(crate) async fn check(&self, node: &dyn ChangeTransport) {
        for (seq, payload) in &self.acknowledged {
            let stored = node.read(*seq).await.unwrap().unwrap();
            assert_eq!(stored.payload, payload, "at {seq}");
        }
    }

    #[expect(clippy::print_stderr, reason = "a measure for people; nothing is asserted")]
    pub(crate) fn report(&self, event: &str) {
        let (count, pause) = (self.acknowledged.len(), self.longest_pause);
        eprintln!("{event}: {count} entries, longest pause {pause:?}, {} unknown", self.unknown);
    }
}
