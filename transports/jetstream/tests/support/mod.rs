//! A real server for the tests, and what can go wrong on the way to it.
#![allow(dead_code, reason = "not every test uses all of it")]

pub(crate) mod proxy;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use ha_core::{AppendError, Appended, AttemptId, Delivery, Draft, Error, Result, Seq, Stored};
use ha_jetstream::{JetStream, Options};
use ha_nats_embedded::{Server, Sync};
use tempfile::TempDir;

use proxy::Proxy;

/// Longer than anything takes on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

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

/// A server, a node that reaches it through a proxy and waits so long for an answer, and one that
/// reaches it directly.
pub(crate) async fn nodes(
    timeout: Duration,
) -> (TestServer, Proxy, Arc<JetStream>, Arc<JetStream>) {
    let server = TestServer::start();
    let proxy = Proxy::start(server.server.port()).await;
    let direct = JetStream::connect(server.options()).await.unwrap();
    let proxied = connected(Options { timeout, ..options(&proxy.url()) }).await;
    (server, proxy, proxied, direct)
}

/// A node whose time is short, too short now and then for connecting on a machine that is busy.
async fn connected(options: Options) -> Arc<JetStream> {
    let connecting = async {
        loop {
            match JetStream::connect(options.clone()).await {
                Err(Error::Transport { .. }) => {}
                outcome => break outcome.unwrap(),
            }
        }
    };
    tokio::time::timeout(LONG, connecting).await.expect("the server is reached")
}

pub(crate) fn is_unknown(outcome: &Result<Appended, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::Unknown { .. }))
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
