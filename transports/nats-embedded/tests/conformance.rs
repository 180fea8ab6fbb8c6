//! The embedded server, synced, keeps the promises of a transport.

use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_conformance::transport::skips_nothing;
use ha_core::ChangeTransport;
use ha_jetstream::JetStream;
use ha_nats_embedded::{Embedded, Options};
use tempfile::TempDir;

struct Fixture;

struct Guard {
    url: String,
    _store: TempDir,
}

#[async_trait]
impl TransportFixture for Fixture {
    type Guard = Guard;

    async fn open(&self) -> (Guard, Arc<dyn ChangeTransport>) {
        let store = TempDir::new().unwrap();
        let options = Options { store_dir: store.path().to_owned(), ..Options::default() };
        let node = Embedded::open(options, ha_jetstream::Options::default()).await.unwrap();
        assert!(node.created_stream() && node.capabilities().synced);
        let url = node.server().client_url().to_owned();
        (Guard { url, _store: store }, node)
    }

    async fn join(&self, guard: &Guard) -> Arc<dyn ChangeTransport> {
        let options = ha_jetstream::Options { url: guard.url.clone(), ..Default::default() };
        JetStream::connect(options).await.unwrap()
    }
}

ha_conformance::transport_suite!(Fixture);

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without() {
    assert!(skips_nothing(&Fixture).await.exact_bounds);
}
