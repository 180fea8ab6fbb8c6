//! JetStream, reached over a network, keeps the promises of a transport.

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_conformance::transport::skips_nothing;
use ha_core::ChangeTransport;
use ha_jetstream::JetStream;
use support::proxy::Proxy;
use support::{TestServer, options};

struct Fixture;

#[async_trait]
impl TransportFixture for Fixture {
    type Guard = (Proxy, TestServer);

    async fn open(&self) -> (Self::Guard, Arc<dyn ChangeTransport>) {
        let server = TestServer::start();
        let guard = (Proxy::start(server.server.port()).await, server);
        let node = self.join(&guard).await;
        (guard, node)
    }

    async fn join(&self, (proxy, _): &Self::Guard) -> Arc<dyn ChangeTransport> {
        JetStream::connect(options(&proxy.url())).await.unwrap()
    }

    async fn interrupt(&self, (proxy, _): &Self::Guard) -> bool {
        proxy.cut();
        true
    }
}

ha_conformance::transport_suite!(Fixture);

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without() {
    assert!(skips_nothing(&Fixture).await.exact_bounds);
}
