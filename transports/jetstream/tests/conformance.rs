//! JetStream, reached over a network, keeps the promises of a transport.

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
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
