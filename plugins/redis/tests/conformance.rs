//! A Redis stream, reached over a network, keeps the promises of a transport.

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_core::ChangeTransport;
use support::TestServer;
use support::proxy::Proxy;

struct Fixture;

#[async_trait]
impl TransportFixture for Fixture {
    type Guard = (Proxy, TestServer);

    async fn open(&self) -> (Self::Guard, Arc<dyn ChangeTransport>) {
        let server = TestServer::start().await;
        let guard = (Proxy::start(server.port).await, server);
        let node = self.join(&guard).await;
        (guard, node)
    }

    async fn join(&self, (proxy, _): &Self::Guard) -> Arc<dyn ChangeTransport> {
        support::open(&proxy.url()).await.unwrap()
    }

    async fn interrupt(&self, (proxy, _): &Self::Guard) -> bool {
        proxy.cut();
        true
    }
}

ha_conformance::transport_suite!(Fixture);
