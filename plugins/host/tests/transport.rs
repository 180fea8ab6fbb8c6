//! The in-memory transport, loaded from a library, passes what the built-in one passes.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ha_core::{ChangeTransport, Settings};
use ha_plugin::async_trait::async_trait;

struct Library;

static LOGS: AtomicU64 = AtomicU64::new(0);

async fn node(log: &str) -> Arc<dyn ChangeTransport> {
    support::testing().open_transport(Settings::new("testing").with("log", log)).await.unwrap()
}

#[async_trait]
impl ha_conformance::TransportFixture for Library {
    type Guard = String;

    async fn open(&self) -> (String, Arc<dyn ChangeTransport>) {
        let log = format!("log{}", LOGS.fetch_add(1, Ordering::Relaxed));
        let first = node(&log).await;
        (log, first)
    }

    async fn join(&self, log: &String) -> Arc<dyn ChangeTransport> {
        node(log).await
    }

    async fn interrupt(&self, log: &String) -> bool {
        let settings = Settings::new("testing").with("log", log).with("interrupt", "all");
        support::testing().open_transport(settings).await.is_ok()
    }
}

ha_conformance::transport_suite!(Library);
