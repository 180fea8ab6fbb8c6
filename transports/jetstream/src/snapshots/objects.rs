//! The objects of the bucket, read from its leader.
//!
//! The client's own way reads over a consumer, which may live on a replica that lags: what was
//! stored a moment ago is then not there, or broken off. `STREAM.MSG.GET` is answered by the
//! leader alone (ADR-31 of nats-architecture-and-design; for the objects' layout ADR-20).

use std::time::{Duration, Instant};

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use ha_core::{ByteStream, Error, Result};

/// How long the first answer may take; each later one twice as long.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

/// What is told of a bucket that does not answer.
pub(super) const SILENT: &str = "the store of snapshots does not answer";

/// Asks, and asks again: a bucket without a leader, as one has for a moment after it was made,
/// answers nothing. `None` if there is no answer within `timeout`.
pub(super) async fn ask<T, F: Future<Output = T>>(
    timeout: Duration,
    question: impl Fn() -> F,
) -> Option<T> {
    let end = Instant::now() + timeout;
    let mut patience = FIRST_ANSWER;
    loop {
        let at_most = patience.min(end.saturating_duration_since(Instant::now()));
        match tokio::time::timeout(at_most, question()).await {
            Ok(answer) => return Some(answer),
            Err(_) if Instant::now() < end => patience *= 2,
            Err(_) => return None,
        }
    }
}

/// The messages of the bucket.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) stream: Stream,
    pub(super) bucket: String,
    /// How long to wait for an answer of the bucket.
    pub(super) timeout: Duration,
}

impl Objects {
    /// All objects that are not deleted.
    pub(super) async fn list(&self) -> Result<Vec<ObjectInfo>> {
        let subject = format!("$O.{}.M.>", self.bucket);
        let mut objects = Vec::new();
        let mut from = 1;
        while let Some(message) = self.next(&subject, from).await? {
            from = message.sequence + 1;
            objects.extend(serde_json::from_slice::<ObjectInfo>(&message.payload).ok());
        }
        objects.retain(|object| !object.deleted);
        Ok(objects)
    }

    /// Where an object's pieces and its description are.
    pub(super) fn subjects(&self, object: &ObjectInfo) -> [String; 2] {
        let name = URL_SAFE.encode(&object.name);
        [format!("$O.{}.C.{}", self.bucket, object.nuid), format!("$O.{}.M.{name}", self.bucket)]
    }

    /// The object piece by piece.
    pub(super) fn body(self, object: &ObjectInfo) -> ByteStream {
        let [subject, _] = self.subjects(object);
        let reading = Reading { objects: self, subject, from: 1, rest: object.size };
        stream::try_unfold(reading, Reading::next).boxed()
    }

    pub(super) fn failed(&self, reason: impl ToString) -> Error {
        Error::transport(&self.bucket, reason)
    }

    pub(super) async fn ask<T, F: Future<Output = T>>(
        &self,
        question: impl Fn() -> F,
    ) -> Result<T> {
        ask(self.timeout, question).await.ok_or_else(|| self.failed(SILENT))
    }

    /// The first message of the subject that is not before `from`.
    async fn next(&self, subject: &str, from: u64) -> Result<Option<StreamMessage>> {
        let read = || self.stream.get_first_raw_message_by_subject(subject, from);
        match self.ask(read).await? {
            Ok(message) => Ok(Some(message)),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(told)
                    if told.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(self.failed(error)),
            },
        }
    }
}

struct Reading {
    objects: Objects,
    subject: String,
    from: u64,
    rest: usize,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        if self.rest == 0 {
            return Ok(None);
        }
        let Some(message) = self.objects.next(&self.subject, self.from).await? else {
            return Err(self.objects.failed("a snapshot is incomplete"));
        };
        self.from = message.sequence + 1;
        self.rest = self.rest.saturating_sub(message.payload.len());
        Ok(Some((message.payload, self)))
    }
}
