//! Stores that can no longer be written.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use ha_core::{AppendError, AttemptId, ChangeTransport, Draft, Seq};
use ha_nats_embedded::{Embedded, Options};
use tempfile::TempDir;

/// The names of the log and of a stream that has nothing to do with it.
const LOG: &str = "ha_replication";
const OTHER: &str = "other";

/// nats-server begins a file of messages when the last one has 8 MB; so many fill more than one.
const MESSAGES: u64 = 12;
static MESSAGE: [u8; 900_000] = [b'x'; 900_000];

/// Where the next file of a stream's messages is going to be is no directory.
fn harm(store: &Path, stream: &str) {
    let messages = store.join("jetstream/$G/streams").join(stream).join("msgs");
    fs::remove_dir_all(&messages).unwrap();
    fs::write(&messages, "").unwrap();
}

fn draft(expect: u64) -> Draft {
    let attempt = AttemptId { boot: 1, counter: expect + 1 };
    Draft { expect: Some(Seq(expect)), attempt, parts: vec![Bytes::from_static(&MESSAGE)] }
}

/// A server whose log is empty, with another stream.
async fn open(store: &Path) -> (Arc<Embedded>, jetstream::Context) {
    let options = Options { store_dir: store.to_owned(), ..Options::default() };
    let (stream, timeout) = (LOG.to_owned(), Duration::from_secs(10));
    let stream = ha_jetstream::Options { stream, timeout, ..Default::default() };
    let log = Embedded::open(options, stream).await.unwrap();
    let client = async_nats::connect(log.server().client_url()).await.unwrap();
    let context = jetstream::new(client);
    let other = jetstream::stream::Config {
        name: OTHER.to_owned(),
        subjects: vec![OTHER.to_owned()],
        ..Default::default()
    };
    context.create_stream(other).await.unwrap();
    (log, context)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_while_another_stream_cannot_be_written() {
    let store = TempDir::new().unwrap();
    let (log, context) = open(store.path()).await;
    harm(store.path(), OTHER);
    let mut failed = false;
    for _ in 0..MESSAGES {
        let stored = context.publish(OTHER, Bytes::from_static(&MESSAGE)).await.unwrap();
        failed |= stored.await.is_err();
    }
    assert!(failed);
    for end in 0..MESSAGES {
        log.append(draft(end)).await.unwrap();
    }
    assert_eq!(log.warnings(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_says_why_and_takes_nothing_more() {
    let store = TempDir::new().unwrap();
    let (log, _) = open(store.path()).await;
    harm(store.path(), LOG);
    let mut end = 0;
    while log.append(draft(end)).await.is_ok() {
        end += 1;
        assert!(end < MESSAGES);
    }
    while log.warnings().is_empty() {
        tokio::task::yield_now().await;
    }
    let told = log.append(draft(end + 1)).await.unwrap_err();
    let AppendError::NotSent { reason } = &told else { panic!("{told:?}") };
    assert!(reason.contains(LOG) && reason.contains("restart"), "{reason}");
    assert_eq!(log.warnings(), [reason.as_str()]);
}
