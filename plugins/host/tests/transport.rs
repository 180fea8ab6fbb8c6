//! The in-memory transport, loaded from a library, passes what the built-in one passes.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ha_conformance::transport::skips_nothing;
use ha_core::{ChangeTransport, Settings};
use ha_plugin::async_trait::async_trait;
use ha_plugin_host::Plugin;

/// Made before the time of a check begins, as building it takes long.
struct Library(Plugin);

static LOGS: AtomicU64 = AtomicU64::new(0);

impl Library {
    async fn node(&self, log: &str) -> Arc<dyn ChangeTransport> {
        self.0.open_transport(Settings::new("testing").with("log", log)).await.unwrap()
    }
}

#[async_trait]
impl ha_conformance::TransportFixture for Library {
    type Guard = String;

    async fn open(&self) -> (String, Arc<dyn ChangeTransport>) {
        let log = format!("log{}", LOGS.fetch_add(1, Ordering::Relaxed));
        let first = self.node(&log).await;
        (log, first)
    }

    async fn join(&self, log: &String) -> Arc<dyn ChangeTransport> {
        self.node(log).await
    }

    async fn interrupt(&self, log: &String) -> bool {
        let settings = Settings::new("testing").with("log", log).with("interrupt", "all");
        self.0.open_transport(settings).await.is_ok()
    }
}

ha_conformance::transport_suite!(Library(support::testing()));

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without() {
    assert!(skips_nothing(&Library(support::testing())).await.exact_bounds);
}
