//! A real server for the tests, and what can go wrong on the way to it.
#![allow(dead_code, reason = "not every test uses all of it")]

pub(crate) mod proxy;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use ha_core::{AttemptId, Delivery, Draft, Result, Seq, Stored};
use ha_jetstream::Options;
use ha_nats_embedded::{Server, Sync};
use tempfile::TempDir;

/// A server with a store of its own.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) store: TempDir,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server with other options than the usual ones.
    pub(crate) fn with(change: impl FnOnce(&mut ha_nats_embedded::Options)) -> Self {
        let store = TempDir::new().unwrap();
        let mut options = server_options(&store);
        change(&mut options);
        Self { server: Server::start(options).unwrap(), store }
    }

    pub(crate) fn options(&self) -> Options {
        options(self.server.client_url())
    }

    /// A client without any of the transport's rules.
    pub(crate) async fn admin(&self) -> async_nats::jetstream::Context {
        let client = async_nats::connect(self.server.client_url()).await.unwrap();
        async_nats::jetstream::new(client)
    }
}

/// The usual options: fast rather than synced, on any port.
pub(crate) fn server_options(store: &TempDir) -> ha_nats_embedded::Options {
    ha_nats_embedded::Options {
        store_dir: store.path().to_owned(),
        sync: Sync::Interval(Duration::from_secs(60)),
        ..ha_nats_embedded::Options::default()
    }
}

pub(crate) fn options(url: &str) -> Options {
    Options { url: url.to_owned(), ..Options::default() }
}

/// The `counter`th try of these tests.
pub(crate) fn draft(expect: u64, counter: u64, payload: &str) -> Draft {
    Draft {
        expect: Some(Seq(expect)),
        attempt: AttemptId { boot: 7, counter },
        parts: vec![Bytes::copy_from_slice(payload.as_bytes())],
    }
}

/// The next entry, whatever else is delivered before.
pub(crate) async fn next_entry(subscription: &mut BoxStream<'static, Result<Delivery>>) -> Stored {
    loop {
        if let Delivery::Entry(entry) = subscription.next().await.unwrap().unwrap() {
            return entry;
        }
    }
}
