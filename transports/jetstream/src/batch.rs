//! Entries of several parts, as atomic batches (ADR-50 of nats-architecture-and-design; what
//! the server does beyond it is that of nats-server 2.15.2).
//!
//! The parts are staged by the stream's leader and stored together when the last one, the
//! commit, arrives and the condition, which stands on the first, holds. Until the commit is
//! sent nothing can be stored: the server drops a batch that it hears nothing of for 10 s.
//!
//! A server with one replica that crashes while it stores a batch goes on with it when it
//! starts again, from what it staged. If that is lost too, the log holds the first parts only:
//! a torn entry, which readers recognise because the parts that follow are missing. With
//! several replicas a batch is applied as a whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::header::{
    HeaderMap, NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_MESSAGE_ID,
};
use bytes::Bytes;
use ha_core::{AppendError, Appended, Draft};

use crate::answer::{judge, judge_staged, not_sent, unknown};
use crate::append::{Appender, condition};

/// How many parts the server takes unless it is configured otherwise.
const MAX_PARTS: u32 = 1000;

/// How much is sent before the server must have staged what was sent before. It drops
/// messages when 128 MiB wait to be staged, of all senders together.
const WINDOW: usize = 4 << 20;

/// How often it is logged how far a large entry is.
const PROGRESS: Duration = Duration::from_secs(2);

/// How many bytes a second a server stages and stores at least; it writes them twice.
const BYTES_PER_SECOND: usize = 4 << 20;

/// How many parts an entry may have, on a stream that allows batches or does not.
pub(crate) fn max_parts(client: &Client, allows_batches: bool) -> u32 {
    if allows_batches && knows_batches(client) { MAX_PARTS } else { 1 }
}

/// Whether the server has batches. An older one would store the parts one by one.
fn knows_batches(client: &Client) -> bool {
    has_batches(&client.server_info().version)
}

impl Appender {
    /// Sends the parts, the last of them after `complete` was set.
    ///
    /// The same attempt again is another batch with the same message ids. The server compares
    /// these before the condition, and answers 10201 if it has stored or is storing the entry,
    /// which proves nothing by itself: [`AppendError::Unknown`].
    pub(crate) async fn send_batch(
        &self,
        draft: &Draft,
        complete: &AtomicBool,
    ) -> Result<Appended, AppendError> {
        if !knows_batches(&self.link.client) {
            return Err(not_sent("this server takes no entries of several parts"));
        }
        let time = self.timeout + time_for(draft.parts.iter().map(Bytes::len).sum());
        let sent = tokio::time::timeout(time, async {
            let batch = Batch { draft, id: self.next_batch_id(draft), time };
            let last = self.stage(&batch).await?;
            complete.store(true, Ordering::Relaxed);
            self.ask(batch.headers(draft.parts.len()), last, time).await
        });
        let late = |_| unknown(format!("no acknowledgement within {time:?}"));
        let answer = sent.await.map_err(late)??;
        judge(&answer, &self.subject, draft)
    }

    /// Sends all parts but the last, which is given back. The server answers to those that ask
    /// it to: the first, in case it takes no batch now, and one per window.
    async fn stage(&self, batch: &Batch<'_>) -> Result<Bytes, AppendError> {
        let parts = batch.draft.parts.split_last();
        let (last, parts) = parts.ok_or_else(|| not_sent("an entry has at least one part"))?;
        let mut waiting = WINDOW;
        let mut told = Instant::now();
        for (number, part) in (1..).zip(parts) {
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                tracing::info!(sent = number, of = parts.len() + 1, "an entry of several parts");
            }
            waiting += part.len();
            let headers = batch.headers(number);
            if waiting < WINDOW {
                let client = &self.link.client;
                let sent = client.publish_with_headers(self.subject.clone(), headers, part.clone());
                sent.await.map_err(|error| unknown(error.to_string()))?;
            } else {
                judge_staged(&self.ask(headers, part.clone(), batch.time).await?, batch.draft)?;
                waiting = 0;
            }
        }
        Ok(last.clone())
    }

    /// A name that no other sending has, of the same attempt either: what was staged of an
    /// earlier one may still be there. At most 58 of the 64 bytes that the server takes.
    fn next_batch_id(&self, draft: &Draft) -> String {
        format!("{}.{}", draft.attempt, self.batches.fetch_add(1, Ordering::Relaxed))
    }
}

/// A sending of an entry of several parts.
struct Batch<'a> {
    draft: &'a Draft,
    id: String,
    /// How long all of it may take.
    time: Duration,
}

impl Batch<'_> {
    /// The headers of a part, which are numbered from 1.
    fn headers(&self, number: usize) -> HeaderMap {
        let mut headers = if number == 1 { condition(self.draft) } else { HeaderMap::new() };
        headers.insert(NATS_MESSAGE_ID, format!("{}.{number}", self.draft.attempt));
        headers.insert(NATS_BATCH_ID, &*self.id);
        headers.insert(NATS_BATCH_SEQUENCE, itoa::Buffer::new().format(number));
        if number == self.draft.parts.len() {
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        }
        headers
    }
}

fn time_for(bytes: usize) -> Duration {
    Duration::from_millis((bytes / (BYTES_PER_SECOND / 1000)) as u64)
}

/// Whether a server of this version, like `2.15.2`, has batches: from 2.12 on.
fn has_batches(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    (major, minor) >= (2, 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_batches_from_2_12_on() {
        let with = ["2.12.0", "2.15.2", "2.100.0-beta.1", "3.0.0"];
        assert!(with.into_iter().all(has_batches));
        let without = ["2.11.9", "1.99.0", "", "2", "dev", "2.x.1"];
        assert!(!without.into_iter().any(has_batches));
    }

    #[test]
    fn large_entries_have_more_time() {
        assert_eq!(time_for(0), Duration::ZERO);
        assert!((249..252).contains(&time_for(1000 << 20).as_secs()));
    }
}
