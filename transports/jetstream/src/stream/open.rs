//! Finding the stream, or making it.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{self, Context, ErrorCode};
use ha_core::Result;

use super::failed;
use crate::Options;
use crate::waiting::Waiting;

/// As every version of ha makes it.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How long a ready JetStream takes to answer. A cluster without a leader answers nothing.
const ANSWER: Duration = Duration::from_secs(2);

/// The pause before JetStream is asked again that is not ready, as after a cluster's start.
const PAUSE: Duration = Duration::from_millis(100);

/// "no suitable peers for placement": the cluster has fewer servers yet than replicas are
/// asked for.
const NO_PEERS: u64 = 10005;

/// Finds the stream, or makes it if there is none, and tells whether it was made. One that
/// exists is left as it is. Asks again for as long as JetStream is not ready.
pub(super) async fn open(
    context: &Context,
    options: &Options,
    waiting: &Waiting,
) -> Result<(Info, bool)> {
    loop {
        match find_or_create(context, options).await {
            Ok(found) => return Ok(found),
            Err(Failure::NotReady(reason)) => waiting.note(reason),
            Err(Failure::Other(reason)) => return Err(failed(&options.stream, reason)),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why a stream could not be opened.
enum Failure {
    NotReady(String),
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
    let Ok(found) = found.await else { return Err(no_answer()) };
    match found.map_err(|error| (error.kind(), error)) {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err((GetStreamErrorKind::JetStream(told), _))
            if told.error_code() == ErrorCode::STREAM_NOT_FOUND =>
        {
            Ok(None)
        }
        Err((GetStreamErrorKind::JetStream(told), _)) => Err(failure(&told)),
        Err((GetStreamErrorKind::Request, _)) => Err(no_answer()),
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
            Err(Failure::NotReady("the stream was made meanwhile".to_owned()))
        }
        Err((CreateStreamErrorKind::JetStream(told), _)) => Err(failure(&told)),
        // Whether it was made is seen when it is looked for again.
        Err((CreateStreamErrorKind::TimedOut, _)) => Err(no_answer()),
        Err((_, error)) => Err(Failure::Other(error.to_string())),
    }
}

fn no_answer() -> Failure {
    Failure::NotReady("JetStream does not answer; a cluster needs most of its servers".to_owned())
}

fn failure(told: &jetstream::Error) -> Failure {
    if told.code() == 503 || told.error_code().0 == NO_PEERS {
        Failure::NotReady(told.to_string())
    } else {
        Failure::Other(told.to_string())
    }
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
