use std::sync::Arc;

use async_trait::async_trait;
use ha_core::ChangeTransport;

/// Makes transports to be checked.
#[async_trait]
pub trait TransportFixture: Send + Sync {
    /// Keeps a log alive: a server, a directory. Dropped after its transports.
    type Guard: Send + Sync;

    /// A node on a log of its own. The log is empty where the transport is readable; otherwise
    /// it may end anywhere.
    async fn open(&self) -> (Self::Guard, Arc<dyn ChangeTransport>);

    /// One more node on the log. Not called for a transport that is not replicated.
    async fn join(&self, guard: &Self::Guard) -> Arc<dyn ChangeTransport>;

    /// Interrupts the connections of all nodes and lets them come back, without harm to the
    /// log. `false` if the fixture cannot; the check is skipped then.
    async fn interrupt(&self, _guard: &Self::Guard) -> bool {
        false
    }
}
