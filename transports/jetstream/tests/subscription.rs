//! A subscription delivers every entry or says why not.

mod support;

use futures::StreamExt;
use ha_core::{ChangeTransport, Delivery, Error, Seq};
use ha_jetstream::JetStream;
use ha_nats_embedded::Server;
use support::proxy::Proxy;
use support::{TestServer, draft, next_entry, options, server_options};

async fn put(node: &JetStream, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        node.append(draft(seq - 1, seq, "entry")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_missing_in_the_middle_is_reported() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    put(&node, 1..=4).await;
    let stream = server.admin().await.get_stream("ha_replication").await.unwrap();
    stream.delete_message(3).await.unwrap();
    assert!(matches!(node.read(Seq(3)).await, Err(Error::Corrupt(_))));
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(1));
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(2));
    let error = loop {
        match subscription.next().await.unwrap() {
            Ok(delivery) => assert!(matches!(delivery, Delivery::Reconnected(_))),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert!(subscription.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_trimmed_during_an_interruption_is_reported() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.server.port()).await;
    let direct = JetStream::connect(server.options()).await.unwrap();
    let node = JetStream::connect(options(&proxy.url())).await.unwrap();
    put(&direct, 1..=2).await;
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(1));
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(2));
    proxy.refuse(true);
    proxy.cut();
    put(&direct, 3..=5).await;
    direct.trim(Seq(5)).await.unwrap();
    proxy.refuse(false);
    let truncated = Error::Truncated { from: Seq(3), first: Seq(5) };
    assert_eq!(subscription.next().await.unwrap().unwrap_err(), truncated);
    assert!(subscription.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_again_is_another_lineage() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    put(&node, 1..=2).await;
    let before = node.bounds().await.unwrap();
    let mut subscription = node.subscribe(Seq(3)).await.unwrap();
    server.admin().await.delete_stream("ha_replication").await.unwrap();
    let again = JetStream::connect(server.options()).await.unwrap();
    assert!(again.created_stream());
    let Delivery::Reconnected(after) = subscription.next().await.unwrap().unwrap() else {
        panic!("nothing follows");
    };
    assert_ne!(after.lineage, before.lineage);
    assert_eq!((after.first, after.last), (Seq(1), Seq(0)));
}

/// An address at which nothing else of this machine listens: a port of it stays free.
const HOST: &str = "127.0.47.13";

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_on_after_the_server_was_restarted() {
    let TestServer { server, store } = TestServer::with(|options| options.host = HOST.to_owned());
    let node = JetStream::connect(options(server.client_url())).await.unwrap();
    put(&node, 1..=2).await;
    let before = node.bounds().await.unwrap();
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(1));
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(2));
    let port = server.port();
    server.shutdown();
    let host = HOST.to_owned();
    let same = ha_nats_embedded::Options { host, port, ..server_options(&store) };
    let _server = Server::start(same).unwrap();
    let Delivery::Reconnected(after) = subscription.next().await.unwrap().unwrap() else {
        panic!("nothing was appended");
    };
    assert_eq!(after, before);
    let mut tries = 3;
    // One whose answer was lost is stored as well.
    while node.append(draft(2, tries, "entry")).await.is_err()
        && !node.bounds().await.is_ok_and(|bounds| bounds.last > Seq(2))
    {
        tries += 1;
    }
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_subscriptions_leave_no_consumers() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    put(&node, 1..=1).await;
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    next_entry(&mut subscription).await;
    let stream = server.admin().await.get_stream("ha_replication").await.unwrap();
    assert_eq!(stream.get_info().await.unwrap().state.consumer_count, 1);
    drop(subscription);
    while stream.get_info().await.unwrap().state.consumer_count > 0 {
        tokio::task::yield_now().await;
    }
}
