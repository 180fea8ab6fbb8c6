use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::client::Request;
use async_nats::header::{HeaderMap, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::{RequestError, RequestErrorKind, Subject};
use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, Draft};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::answer::{judge, not_sent, unknown};
use crate::config::Watched;
use crate::link::Link;
use crate::stream::Stream;

/// What the headers of a message take at most; the server counts them as part of it. The
/// longest, of the last part of a batch, are 10 + 57 + 51 + 75 + 27 + 22 + 2 bytes.
pub(crate) const HEADERS: usize = 256;

/// After how many others of the process an attempt is forgotten: it is not sent again.
const REMEMBERED: u64 = 10_000;

/// How long a new leader may take to answer what the one before left to it.
const ANSWER_OF_A_NEW_LEADER: Duration = Duration::from_millis(300);

/// Sends entries, over a connection of its own: what waits in a client's queue while it
/// reconnects cannot be called back, so nothing may get into it then.
#[derive(Debug)]
pub(crate) struct Appender {
    pub(crate) link: Link,
    /// The stream's subject, which is its name.
    pub(crate) subject: Subject,
    /// How long to wait for an answer.
    pub(crate) timeout: Duration,
    limits: Limits,
    /// Attempts that were sent and not answered with certainty. Their later answers prove
    /// nothing but success: the server may refuse an entry because it holds it already.
    unsettled: Mutex<HashSet<AttemptId>>,
    config: Arc<Watched>,
    elections: watch::Receiver<u64>,
    /// Counts the sendings of entries of several parts.
    pub(crate) batches: AtomicU64,
}

/// What the stream takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest part.
    pub(crate) part_bytes: usize,
    /// How many parts an entry may have.
    pub(crate) parts: u32,
}

impl Appender {
    pub(crate) fn new(link: Link, stream: &Stream, timeout: Duration, limits: Limits) -> Self {
        Self {
            link,
            subject: stream.name.as_str().into(),
            timeout,
            limits,
            unsettled: Mutex::default(),
            config: Arc::clone(&stream.config),
            elections: stream.elections.subscribe(),
            batches: AtomicU64::default(),
        }
    }

    /// What the server and the stream take.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// See [`ha_core::ChangeTransport::append`].
    pub(crate) async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        self.check_size(&draft)?;
        let is_first = self.remember(draft.attempt);
        let outcome = self.send(&draft).await;
        match outcome {
            Ok(appended) => self.settle(draft.attempt, Ok(appended)),
            Err(AppendError::Unknown { .. }) => outcome,
            Err(error) if is_first => self.settle(draft.attempt, Err(error)),
            Err(error) => Err(unanswered(&error)),
        }
    }

    /// What an append that is not made proves: nothing if an earlier one was not answered.
    pub(crate) fn refusal(&self, attempt: AttemptId, error: AppendError) -> AppendError {
        if self.unsettled.lock().contains(&attempt) { unanswered(&error) } else { error }
    }

    /// Whether it is the first sending of the attempt, as far as it is remembered.
    fn remember(&self, attempt: AttemptId) -> bool {
        let mut unsettled = self.unsettled.lock();
        let is_other_kind = |old: &AttemptId| old.counter >> 63 != attempt.counter >> 63;
        unsettled.retain(|old| {
            is_other_kind(old) || old.counter.saturating_add(REMEMBERED) > attempt.counter
        });
        unsettled.insert(attempt)
    }

    fn settle<T>(&self, attempt: AttemptId, outcome: T) -> T {
        self.unsettled.lock().remove(&attempt);
        outcome
    }

    fn check_size(&self, draft: &Draft) -> Result<(), AppendError> {
        let server = self.link.client.max_payload().saturating_sub(HEADERS);
        let limit = self.limits.part_bytes.min(server);
        if let Some(part) = draft.parts.iter().find(|part| part.len() > limit) {
            return Err(AppendError::TooLarge { size: part.len(), limit });
        }
        match draft.parts.len() {
            0 => Err(not_sent("an entry has at least one part")),
            count if count > self.limits.parts as usize => {
                let size = draft.parts.iter().map(Bytes::len).sum();
                let limit = limit.saturating_mul(self.limits.parts as usize);
                Err(AppendError::TooLarge { size, limit })
            }
            _ => Ok(()),
        }
    }

    /// Sends the draft once. What was not handed over to the end is not stored.
    async fn send(&self, draft: &Draft) -> Result<Appended, AppendError> {
        let mut losses = self.link.losses();
        if !self.link.is_connected() {
            return Err(not_sent("disconnected from NATS"));
        }
        let complete = AtomicBool::new(false);
        let outcome = tokio::select! {
            biased;
            outcome = self.hand_over(draft, &complete) => outcome,
            _ = losses.changed() => Err(unknown("the connection was lost".to_owned())),
            () = superseded(self.elections.clone()) => {
                Err(unknown("the stream has a new leader, which does not know the entry".to_owned()))
            }
        };
        match outcome {
            Err(AppendError::Unknown { reason }) if !complete.load(Ordering::Relaxed) => {
                Err(AppendError::NotSent { reason })
            }
            Err(error @ AppendError::Refused { .. })
                if complete.load(Ordering::Relaxed) && self.config.is_replicated() =>
            {
                Err(doubted(&error))
            }
            outcome => outcome,
        }
    }

    /// Sets `complete` before the message is sent without which nothing can be stored.
    async fn hand_over(
        &self,
        draft: &Draft,
        complete: &AtomicBool,
    ) -> Result<Appended, AppendError> {
        let [part] = &draft.parts[..] else { return self.send_batch(draft, complete).await };
        complete.store(true, Ordering::Relaxed);
        let mut headers = condition(draft);
        headers.insert(NATS_MESSAGE_ID, draft.attempt.to_string());
        let answer = self.ask(headers, part.clone(), self.timeout).await?;
        judge(&answer, &self.subject, draft)
    }

    /// Sends a message and waits for what the stream answers to it.
    pub(crate) async fn ask(
        &self,
        headers: HeaderMap,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, AppendError> {
        let request = Request::new().headers(headers).payload(payload).timeout(Some(timeout));
        let answer = self.link.client.send_request(self.subject.clone(), request).await;
        answer.map(|message| message.payload).map_err(|error| failed(&error))
    }
}

/// A server that no longer leads the stream and has not heard of it refuses what the one that
/// leads it stores: both get the entry, and the first answer may be the wrong one. Only what
/// stands at the place tells.
fn doubted(error: &AppendError) -> AppendError {
    unknown(format!("one of several servers says: {error}"))
}

fn unanswered(error: &AppendError) -> AppendError {
    unknown(format!("an earlier sending was not answered; {error}"))
}

/// The header that makes the server store only where the draft says.
pub(crate) fn condition(draft: &Draft) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(expect) = draft.expect {
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, itoa::Buffer::new().format(expect.0));
    }
    headers
}

/// Returns some time after the stream has got another leader. What the one before had not
/// stored is lost, unless the new one answers soon: nobody else ever will.
async fn superseded(mut elections: watch::Receiver<u64>) {
    elections.mark_unchanged();
    if elections.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(ANSWER_OF_A_NEW_LEADER).await;
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
