use std::collections::HashSet;

use async_nats::client::Request;
use async_nats::header::{HeaderMap, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::{RequestError, RequestErrorKind, Subject};
use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, Draft};
use parking_lot::Mutex;

use crate::answer::{judge, unknown};
use crate::link::Link;

/// What the headers of a message take at most; the server counts them as part of it. The
/// longest are 10 + 52 + 51 + 2 bytes.
pub(crate) const HEADERS: usize = 128;

/// Sends entries, over a connection of its own: what waits in a client's queue while it
/// reconnects cannot be called back, so nothing may get into it then.
#[derive(Debug)]
pub(crate) struct Appender {
    pub(crate) link: Link,
    /// The stream's subject, which is its name.
    subject: Subject,
    /// The largest part that the stream takes.
    max_part_bytes: usize,
    /// Attempts that were sent and not answered with certainty. Their later answers prove
    /// nothing but success: the server may refuse an entry because it holds it already.
    unsettled: Mutex<HashSet<AttemptId>>,
}

impl Appender {
    pub(crate) fn new(link: Link, stream: &str, max_part_bytes: usize) -> Self {
        Self { link, subject: stream.into(), max_part_bytes, unsettled: Mutex::default() }
    }

    /// The largest part that the server and the stream take.
    pub(crate) fn max_part_bytes(&self) -> usize {
        self.max_part_bytes
    }

    /// Stores an entry of one part. See [`ha_core::ChangeTransport::append`].
    pub(crate) async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        let part = self.single_part(&draft)?;
        let is_first = self.unsettled.lock().insert(draft.attempt);
        let outcome = self.send(&draft, part).await;
        match outcome {
            Ok(appended) => self.settle(draft.attempt, Ok(appended)),
            Err(AppendError::Unknown { .. }) => outcome,
            Err(error) if is_first => self.settle(draft.attempt, Err(error)),
            Err(error) => Err(unknown(format!("an earlier sending was not answered; {error}"))),
        }
    }

    fn settle<T>(&self, attempt: AttemptId, outcome: T) -> T {
        self.unsettled.lock().remove(&attempt);
        outcome
    }

    fn single_part(&self, draft: &Draft) -> Result<Bytes, AppendError> {
        let server = self.link.client.max_payload().saturating_sub(HEADERS);
        let limit = self.max_part_bytes.min(server);
        match &draft.parts[..] {
            [part] if part.len() <= limit => Ok(part.clone()),
            [] => Err(not_sent("an entry has at least one part")),
            parts => {
                let size = parts.iter().map(Bytes::len).sum();
                Err(AppendError::TooLarge { size, limit })
            }
        }
    }

    async fn send(&self, draft: &Draft, part: Bytes) -> Result<Appended, AppendError> {
        let mut losses = self.link.losses();
        if !self.link.is_connected() {
            return Err(not_sent("disconnected from NATS"));
        }
        let request = Request::new().headers(headers(draft)).payload(part);
        let answer = self.link.client.send_request(self.subject.clone(), request);
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(message) => judge(&message.payload, &self.subject, draft),
                Err(error) => Err(failed(&error)),
            },
            _ = losses.changed() => Err(unknown("the connection was lost".to_owned())),
        }
    }
}

fn headers(draft: &Draft) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, draft.attempt.to_string());
    if let Some(expect) = draft.expect {
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, itoa::Buffer::new().format(expect.0));
    }
    headers
}

/// A request without an answer from the stream. "No responders" is the server's word that the
/// message reached nobody; everything else leaves it open.
fn failed(error: &RequestError) -> AppendError {
    match error.kind() {
        RequestErrorKind::NoResponders => not_sent("no stream or no leader takes entries now"),
        RequestErrorKind::TimedOut => unknown("no acknowledgement in time".to_owned()),
        _ => unknown(error.to_string()),
    }
}

fn not_sent(reason: &str) -> AppendError {
    AppendError::NotSent { reason: reason.to_owned() }
}
