//! What the node's NATS server can do: synced publishes, one at a time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream::{self, stream};

/// The stream and its subject.
const STREAM: &str = "ha_bench";
/// About what the entry of one inserted row takes.
const PAYLOAD: [u8; 512] = [b'x'; 512];

/// Acknowledged publishes per second to a stream of its own on the server at `url`, each sent
/// after the acknowledgement of the last one.
pub(crate) async fn publishes_per_second(url: &str, time: Duration) -> Result<f64> {
    let client = async_nats::connect(url).await.context("connect to the node's NATS server")?;
    let jetstream = jetstream::new(client);
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![STREAM.to_owned()],
        storage: stream::StorageType::File,
        ..stream::Config::default()
    };
    jetstream.create_stream(config).await.context("create a stream")?;
    let rate = publish(&jetstream, time).await;
    jetstream.delete_stream(STREAM).await.context("delete the stream")?;
    rate
}

async fn publish(jetstream: &jetstream::Context, time: Duration) -> Result<f64> {
    let start = Instant::now();
    let mut stored = 0_u32;
    while start.elapsed() < time {
        jetstream.publish(STREAM, PAYLOAD.to_vec().into()).await?.await.context("publish")?;
        stored += 1;
    }
    Ok(f64::from(stored) / start.elapsed().as_secs_f64())
}
