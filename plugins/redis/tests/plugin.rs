//! The transport, loaded as the library that operators load, keeps the same promises.

mod support;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_core::{Capabilities, ChangeTransport, Error, Settings};
use ha_plugin_host::Plugin;
use support::TestServer;
use support::proxy::Proxy;

struct Fixture(&'static Plugin);

/// Built once, before the time of a check begins to count.
static PLUGIN: LazyLock<Plugin> =
    LazyLock::new(|| Plugin::load(&ha_conformance::library("ha-redis")).unwrap());

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
        let settings = Settings::new("redis").with("url", proxy.url());
        self.0.open_transport(settings).await.unwrap()
    }

    async fn interrupt(&self, (proxy, _): &Self::Guard) -> bool {
        proxy.cut();
        true
    }
}

ha_conformance::transport_suite!(Fixture(&PLUGIN));

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without() {
    let (_guard, node) = Fixture(&PLUGIN).open().await;
    let Capabilities { replicated, readable, snapshots, trim, exact_bounds, max_parts, .. } =
        node.capabilities();
    assert!(replicated && readable && snapshots && trim && exact_bounds && max_parts > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_it_is_and_which_setting_is_wrong() {
    let plugin = &*PLUGIN;
    assert_eq!((plugin.name(), plugin.version()), ("redis", env!("CARGO_PKG_VERSION")));
    assert!(plugin.has_transport() && !plugin.has_frontend());
    let settings = Settings::new("redis").with("url", "redis://localhost").with("topic", "x");
    let error = plugin.open_transport(settings).await.unwrap_err();
    assert!(matches!(&error, Error::Config { key, .. } if key == "redis.topic"), "{error}");
}
