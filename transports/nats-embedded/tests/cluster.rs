//! Three servers as one cluster.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use futures::StreamExt;
use ha_core::{AppendError, AttemptId, ChangeTransport, Draft, Seq};
use ha_nats_embedded::{Embedded, Options, Server, Sync};
use support::processes::{Processes, serve_until_killed};
use support::writer::Writer;
use support::{LOG, Plan, leader, stream};
use tokio::task::{JoinHandle, spawn_blocking};

fn open(options: Options) -> JoinHandle<Arc<Embedded>> {
    tokio::spawn(async move { Embedded::open(options, stream(LOG)).await.unwrap() })
}

fn entry(expect: u64, counter: u64) -> Draft {
    let attempt = AttemptId { boot: 1, counter };
    Draft { expect: Some(Seq(expect)), attempt, parts: vec![Bytes::from_static(b"entry")] }
}

/// Where the log ends. Nobody answers while there is no leader.
async fn end(node: &dyn ChangeTransport) -> Seq {
    loop {
        if let Ok(bounds) = node.bounds().await {
            return bounds.last;
        }
    }
}

fn url(node: &Embedded) -> &str {
    node.server().client_url()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_become_a_cluster_in_any_order_and_may_be_restarted() {
    let plan = Plan::new(Sync::Always);
    let third = open(plan.server(2));
    let second = open(plan.server(1));
    // A log of three replicas is not made before there are three servers.
    let first = open(plan.server(0)).await.unwrap();
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    assert!(second.capabilities().synced);
    second.append(entry(0, 1)).await.unwrap();
    third.append(entry(1, 2)).await.unwrap();
    assert_eq!(second.bounds().await.unwrap(), first.bounds().await.unwrap());
    let mut nodes = [first, second, third];
    for index in 0..3 {
        let mut writer = Writer::new(url(&nodes[(index + 1) % 3]), 10 + index as u64).await;
        nodes[index].close().await.unwrap();
        writer.last = end(&*nodes[(index + 1) % 3]).await;
        writer.write_until(|count| count >= 10).await;
        nodes[index] = open(plan.server(index)).await.unwrap();
        writer.check(&*nodes[index]).await;
    }
    assert_eq!(nodes[0].bounds().await.unwrap().last, Seq(2 + 3 * 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_the_others_until_it_is_given_up() {
    let plan = Plan::new(Sync::Always);
    let options = plan.server(0);
    let given_up = Embedded::open(options.clone(), stream(LOG));
    assert!(tokio::time::timeout(Duration::from_secs(3), given_up).await.is_err());
    // It is stopped in the background, which frees its store.
    let again = || {
        let options = options.clone();
        spawn_blocking(move || Server::start(options))
    };
    while again().await.unwrap().is_err() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_stop_of_the_leader_loses_nothing() {
    let plan = Plan::new(Sync::Always);
    let start = |index| Arc::new(Server::start(plan.server(index)).unwrap());
    let servers: Vec<_> = (0..3).map(start).collect();
    Writer::new(&plan.url(), 1).await;
    let (leads, replicas) = leader(&plan.url()).await;
    assert_eq!(replicas, 3);
    let mut writer = Writer::new(servers[(leads + 1) % 3].client_url(), 2).await;
    writer.write_until(|count| count >= 50).await;
    let (stopping, stopped) = (Arc::clone(&servers[leads]), AtomicBool::new(false));
    let stop = async {
        spawn_blocking(move || stopping.shutdown()).await.unwrap();
        stopped.store(true, Ordering::Relaxed);
    };
    let after = |count| stopped.load(Ordering::Relaxed) && count > 200;
    futures::join!(writer.write_until(after), stop);
    writer.report("the leader was stopped");
    let other = Writer::new(servers[(leads + 2) % 3].client_url(), 3).await;
    writer.check(&*other.node).await;
}

/// Answers entries as a server does that no longer leads the stream and has not heard of it.
async fn refuse_all(url: &str) -> JoinHandle<()> {
    let client = async_nats::connect(url).await.unwrap();
    let mut entries = client.subscribe(LOG).await.unwrap();
    client.flush().await.unwrap();
    let refusal =
        r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 0"}}"#;
    tokio::spawn(async move {
        while let Some(entry) = entries.next().await {
            client.publish(entry.reply.unwrap(), refusal.into()).await.unwrap();
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_one_of_several_servers_proves_nothing() {
    let plan = Plan::new(Sync::Always);
    let nodes = [0, 1, 2].map(|index| open(plan.server(index)));
    let nodes = futures::future::try_join_all(nodes).await.unwrap();
    let (leads, _) = leader(&plan.url()).await;
    let node = &nodes[(leads + 1) % 3];
    let refusing = refuse_all(url(node)).await;
    let (mut last, mut doubted, mut counter) = (end(&**node).await.0, 0, 0);
    // Which answer is first is a matter of chance.
    while counter < 20 || doubted == 0 {
        counter += 1;
        match node.append(entry(last, counter)).await {
            Ok(appended) => assert_eq!(appended.last, Seq(last + 1)),
            Err(AppendError::Unknown { .. }) => doubted += 1,
            Err(other) => panic!("it may be stored: {other}"),
        }
        last += 1;
        while !matches!(node.read(Seq(last)).await, Ok(Some(_))) {}
    }
    refusing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fall_of_the_replicas_is_reported() {
    let plan = Plan::new(Sync::Always);
    let nodes = [0, 1, 2].map(|index| open(plan.server(index)));
    let nodes = futures::future::try_join_all(nodes).await.unwrap();
    let node = &nodes[1];
    assert_eq!(node.warnings(), [""; 0]);
    let client = async_nats::connect(url(node)).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let config = context.get_stream(LOG).await.unwrap().cached_info().config.clone();
    context.update_stream(Config { num_replicas: 1, ..config }).await.unwrap();
    while node.warnings().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.warnings(), ["the stream's replicas fell from 3 to 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_takes_nothing_with_it() {
    let plan = Plan::new(Sync::Always);
    let mut processes = Processes::start(&plan).await;
    let mut writer = Writer::new(&plan.url(), 1).await;
    writer.write_until(|count| count >= 50).await;
    let (leads, replicas) = leader(&plan.url()).await;
    assert_eq!(replicas, 3);
    let beside = Writer::new(&plan.client((leads + 1) % 3), 3).await.node;
    let mut subscription = beside.subscribe(Seq(1)).await.unwrap();
    processes.kill(leads);
    writer.write_until(|count| count >= 50).await;
    writer.check_delivered(&mut subscription).await;
    writer.report("the leader was killed");
    processes.restart(&plan, leads).await;
    // With another one gone the entries are there only if the killed one caught up.
    let gone = (leads + 1) % 3;
    processes.kill(gone);
    let mut writer_after = Writer::new(&plan.client(leads), 2).await;
    writer_after.last = writer.last;
    writer_after.write_until(|count| count >= 10).await;
    writer.check(&*writer_after.node).await;
}

#[test]
#[ignore = "a process of the others, which is killed"]
fn a_server_process() {
    serve_until_killed();
}

#[test]
fn a_store_that_was_filled_the_other_way_is_refused() {
    let plan = Plan::new(Sync::Always);
    let member = plan.server(0);
    let alone = || Options { cluster: None, ..member.clone() };
    drop(Server::start(alone()).unwrap());
    drop(Server::start(member.clone()).unwrap());
    let error = Server::start(alone()).unwrap_err().to_string();
    assert!(error.contains("member of a cluster"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_streams_does_not_join_a_cluster() {
    let plan = Plan::new(Sync::Always);
    let member = plan.server(0);
    let alone = || Options { cluster: None, ..member.clone() };
    let node = Embedded::open(alone(), Default::default()).await.unwrap();
    node.append(entry(0, 1)).await.unwrap();
    node.close().await.unwrap();
    let error = Embedded::open(member.clone(), stream(LOG)).await.unwrap_err().to_string();
    assert!(error.contains("without a cluster"), "{error}");
    let node = Embedded::open(alone(), Default::default()).await.unwrap();
    assert_eq!(node.bounds().await.unwrap().last, Seq(1));
}
