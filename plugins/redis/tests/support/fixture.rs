use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_core::ChangeTransport;
use ha_plugin_host::Plugin;

use super::proxy::Proxy;
use super::{TestServer, open, settings};

/// The transport, with a network between it and the server: from a library, or as it is.
pub(crate) struct Fixture(pub(crate) Option<&'static Plugin>);

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
        match self.0 {
            Some(plugin) => plugin.open_transport(settings(&proxy.url())).await.unwrap(),
            None => open(&proxy.url()).await.unwrap(),
        }
    }

    async fn interrupt(&self, (proxy, _): &Self::Guard) -> bool {
        proxy.cut();
        true
    }
}
