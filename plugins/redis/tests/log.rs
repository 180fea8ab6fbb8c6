//! Which log it is, and which server keeps it.

mod support;

use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use ha_core::{AppendError, ChangeTransport, Error, Seq};
use support::proxy::Proxy;
use support::{TestServer, draft, fill, next, next_entry, open, reconnected, until};

/// Nobody has this port: programs that ask for any are given higher ones.
const NOBODY: u16 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_begun_anew_is_told_and_not_written_to_unknowingly() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let old = node.bounds().await.unwrap();
    fill(&node, 2).await;
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    next_entry(&mut subscription).await;
    next_entry(&mut subscription).await;
    let _: () = server.ask("FLUSHALL").await;
    // The new log gets as far as the old one, and farther.
    let other = server.open().await;
    for number in 0..4 {
        other.append(draft(number, 100 + number, "other")).await.unwrap();
    }
    let error = node.append(draft(4, 10, "of the old log")).await.unwrap_err();
    assert!(matches!(error, AppendError::NotSent { .. }), "{error:?}");
    let told = reconnected(&mut subscription).await;
    assert_ne!(told.lineage, old.lineage);
    assert_eq!((told, told.last), (other.bounds().await.unwrap(), Seq(4)));
    assert_eq!(next_entry(&mut subscription).await.seq, Seq(3), "now it follows the new one");
    node.append(draft(4, 11, "of the new log")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_log_is_noticed_by_who_waits_for_it() {
    let server = TestServer::start().await;
    let node = server.open().await;
    fill(&node, 1).await;
    let old = node.bounds().await.unwrap();
    let mut subscription = node.subscribe(Seq(2)).await.unwrap();
    let _: () = server.ask("FLUSHALL").await;
    let told = reconnected(&mut subscription).await;
    assert_ne!(told.lineage, old.lineage);
    assert_eq!((told.first, told.last), (Seq(1), Seq(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_with_less_is_told() {
    let (master, replica) = (TestServer::start().await, TestServer::start().await);
    let proxy = Proxy::start(master.port).await;
    let node = open(&proxy.url()).await.unwrap();
    fill(&node, 3).await;
    let _: () = replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port)).await;
    until("the replica", async || replica.ask::<u64>("XLEN ha_replication").await == 3).await;
    let error = open(&replica.url()).await.unwrap_err();
    assert!(error.to_string().contains("it is a replica"), "{error}");

    let _: () = replica.ask("REPLICAOF NO ONE").await;
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    node.append(draft(3, 3, "lost")).await.unwrap();
    for _ in 0..4 {
        next_entry(&mut subscription).await;
    }
    let before = node.bounds().await.unwrap();
    proxy.turn_to(replica.port);
    let told = reconnected(&mut subscription).await;
    assert_eq!((told.lineage, told.last), (before.lineage, Seq(3)));
    // One that was sent before the loss was noticed stays unknown: each is an attempt of its own.
    let mut counter = 4;
    until("a refusal", async || {
        counter += 1;
        let outcome = node.append(draft(4, counter, "beyond")).await;
        outcome == Err(AppendError::Refused { last: Some(Seq(3)) })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_master_is_not_believed() {
    let demoted = TestServer::start().await;
    fill(&*demoted.open().await, 2).await;
    let nodes: [_; 3] = join_all((0..3).map(|_| demoted.open())).await.try_into().unwrap();
    for node in &nodes {
        node.append(draft(9, 9, "connects")).await.unwrap_err();
    }
    // A master that is not within reach: what it keeps is as old as its word.
    let _: () = demoted.ask(&format!("REPLICAOF 127.0.0.1 {NOBODY}")).await;
    let (bounds, read) = join(nodes[0].bounds(), nodes[1].read(Seq(1))).await;
    for error in [bounds.unwrap_err(), read.unwrap_err()] {
        assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    }
    // At the end, before it, beyond it.
    for (node, expect) in nodes.iter().zip([2, 0, 5]) {
        let error = node.append(draft(expect, 3, "late")).await.unwrap_err();
        assert!(matches!(error, AppendError::NotSent { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_to_a_demoted_master_goes_over_to_the_new_one() {
    let (old, new) = (TestServer::start().await, TestServer::start().await);
    let proxy = Proxy::start(old.port).await;
    let node = open(&proxy.url()).await.unwrap();
    fill(&node, 2).await;
    let _: () = new.ask(&format!("REPLICAOF 127.0.0.1 {}", old.port)).await;
    until("the replica", async || new.ask::<u64>("XLEN ha_replication").await == 2).await;
    let _: () = new.ask("REPLICAOF NO ONE").await;
    proxy.lead_to(new.port);
    let _: () = old.ask(&format!("REPLICAOF 127.0.0.1 {NOBODY}")).await;
    let error = node.append(draft(2, 2, "late")).await.unwrap_err();
    assert!(matches!(error, AppendError::NotSent { .. }), "{error:?}");
    node.append(draft(2, 3, "to the new one")).await.unwrap();
    assert_eq!(node.bounds().await.unwrap().last, Seq(3));
    assert_eq!(new.ask::<u64>("XLEN ha_replication").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_connects_and_reads_nothing_takes_its_time() {
    let server = TestServer::start().await;
    let _: () = server.ask("ACL SETUSER ha on >PASSWORD ~* +@all -xread").await;
    let node = open(&format!("redis://ha:PASSWORD@127.0.0.1:{}", server.port)).await.unwrap();
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    let start = Instant::now();
    for _ in 0..8 {
        reconnected(&mut subscription).await;
    }
    assert!(start.elapsed() > Duration::from_secs(1), "each pause is twice as long");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trimmed_before_it_was_read_is_an_error() {
    let server = TestServer::start().await;
    let node = server.open().await;
    let mut lags = node.subscribe(Seq(1)).await.unwrap();
    fill(&node, 5).await;
    node.trim(Seq(6)).await.unwrap();
    let error = loop {
        match next(&mut lags).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::Truncated { from: Seq(1), first: Seq(6) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_others_is_left_alone() {
    let server = TestServer::start().await;
    let _: String = server.ask("XADD ha_replication * field value").await;
    let error = open(&server.url()).await.unwrap_err();
    assert!(error.to_string().contains("is not a log of ha"), "{error}");
    assert_eq!(server.ask::<u64>("XLEN ha_replication").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_of_others_ends_a_subscription_with_its_place() {
    let server = TestServer::start().await;
    let node = server.open().await;
    fill(&node, 1).await;
    let mut subscription = node.subscribe(Seq(2)).await.unwrap();
    let _: String = server.ask("XADD ha_replication 2-0 field value").await;
    let error = loop {
        match next(&mut subscription).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Corrupt(text) if text.contains("entry 2")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn synced_is_what_the_server_says_and_a_fall_is_warned_of() {
    let lazy = TestServer::with(&["--appendonly", "yes", "--appendfsync", "everysec"]).await;
    let node = lazy.open().await;
    assert!(!node.capabilities().synced);
    assert!(node.warnings().is_empty(), "it was never better");
    assert!(node.health().await.warnings[0].contains("everysec"));

    let server = TestServer::start().await;
    let proxy = Proxy::start(server.port).await;
    let node = open(&proxy.url()).await.unwrap();
    assert!(node.capabilities().synced && node.warnings().is_empty());
    let _: () = server.ask("CONFIG SET appendfsync no").await;
    proxy.cut();
    until("the warning", async || {
        node.bounds().await.unwrap();
        node.warnings().iter().any(|warning| warning.contains("appendfsync is no"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_on_a_server_are_two_logs() {
    let server = TestServer::start().await;
    let settings = support::settings(&server.url()).with("stream", "b");
    let (a, b) = (server.open().await, ha_redis::open(settings).await.unwrap());
    fill(&a, 2).await;
    let (a, b) = (a.bounds().await.unwrap(), b.bounds().await.unwrap());
    assert_ne!(a.lineage, b.lineage);
    assert_eq!(b.last, Seq::ZERO);
}
