//! The local transport keeps those promises of a transport that it makes.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ha_conformance::TransportFixture;
use ha_core::{Appended, AttemptId, ChangeTransport, Draft, Lineage, Seq};
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

#[tokio::test]
async fn an_entry_that_was_not_kept_is_appended_again_at_its_place() {
    let (_, node) = Fixture.open().await;
    let draft = |expect, counter, parts| Draft {
        expect: Some(Seq(expect)),
        attempt: AttemptId { boot: 1, counter },
        parts: vec![Bytes::from_static(b"part"); parts],
    };
    let at = |first, last| Ok(Appended { first: Seq(first), last: Seq(last) });
    assert_eq!(node.append(draft(41, 1, 3)).await, at(42, 44));
    assert_eq!(node.append(draft(41, 2, 1)).await, at(42, 42));
    assert_eq!(node.append(draft(42, 3, 1)).await, at(43, 43));
    assert!(node.append(draft(41, 4, 1)).await.is_err(), "what was built upon stays");
}
