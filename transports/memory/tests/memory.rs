//! The memory transport keeps the promises of a transport.

use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_conformance::transport::skips_nothing;
use ha_core::ChangeTransport;
use ha_memory::{Memory, MemoryLog};
use tokio::sync::Mutex;

struct Fixture;

struct Guard {
    log: MemoryLog,
    nodes: Mutex<Vec<Arc<Memory>>>,
}

#[async_trait]
impl TransportFixture for Fixture {
    type Guard = Guard;

    async fn open(&self) -> (Guard, Arc<dyn ChangeTransport>) {
        let guard = Guard { log: MemoryLog::new(), nodes: Mutex::default() };
        let node = self.join(&guard).await;
        (guard, node)
    }

    async fn join(&self, guard: &Guard) -> Arc<dyn ChangeTransport> {
        let node = guard.log.open();
        guard.nodes.lock().await.push(Arc::clone(&node));
        node
    }

    async fn interrupt(&self, guard: &Guard) -> bool {
        for node in &*guard.nodes.lock().await {
            guard.log.disconnect(node);
            guard.log.reconnect(node);
        }
        true
    }
}

ha_conformance::transport_suite!(Fixture);

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without() {
    assert!(skips_nothing(&Fixture).await.exact_bounds);
}
