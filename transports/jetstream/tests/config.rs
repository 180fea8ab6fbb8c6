//! Changes of the stream's configuration while a node runs.

mod support;

use std::time::Duration;

use async_nats::RequestErrorKind;
use async_nats::jetstream::stream::Config;
use ha_core::ChangeTransport;
use ha_jetstream::JetStream;
use support::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_batches_is_reported_until_they_are_back() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    assert_eq!(node.warnings(), [""; 0]);
    let config = |allow_atomic_publish| Config {
        name: "ha_replication".to_owned(),
        duplicate_window: Duration::from_secs(120),
        allow_atomic_publish,
        ..Config::default()
    };
    let admin = server.admin().await;
    admin.update_stream(config(false)).await.unwrap();
    while node.warnings().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.warnings(), ["the stream takes no entries of several parts any more"]);
    let late = JetStream::connect(server.options()).await.unwrap();
    assert_eq!(late.warnings(), [""; 0], "it never saw them");
    admin.update_stream(config(true)).await.unwrap();
    while !node.warnings().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dropped_listens_no_more() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    let admin = async_nats::connect(server.server.client_url()).await.unwrap();
    drop(node);
    // Nobody answers there, and after a while nobody listens either.
    let ask = || {
        let request = async_nats::Request::new().timeout(Some(Duration::from_millis(50)));
        admin.send_request("$JS.EVENT.ADVISORY.STREAM.UPDATED.ha_replication", request)
    };
    while ask().await.is_err_and(|error| error.kind() != RequestErrorKind::NoResponders) {}
}
