//! The local transport keeps those promises of a transport that it makes.

use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_core::{ChangeTransport, Lineage, Seq};
use ha_memory::Local;

struct Fixture;

#[async_trait]
impl TransportFixture for Fixture {
    type Guard = ();

    async fn open(&self) -> ((), Arc<dyn ChangeTransport>) {
        ((), Arc::new(Local::new(Lineage::of_stream("local", 0), Seq(41))))
    }

    async fn join(&self, (): &()) -> Arc<dyn ChangeTransport> {
        unreachable!("a local log has one node")
    }
}

ha_conformance::transport_suite!(Fixture);
