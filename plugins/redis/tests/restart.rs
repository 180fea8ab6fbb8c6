//! A server that dies and comes back.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use ha_core::{AppendError, AttemptId, ChangeTransport, Draft, Seq};
use ha_redis::Redis;
use support::{TestServer, draft, fill, next_entry, reconnected, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_after_the_server_died() {
    let mut server = TestServer::start().await;
    let node = server.open().await;
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    fill(&node, 3).await;
    for seq in 1..=3 {
        assert_eq!(next_entry(&mut subscription).await.seq, Seq(seq));
    }
    let before = node.bounds().await.unwrap();
    server.restart().await;
    assert_eq!(reconnected(&mut subscription).await, before, "nothing was lost");
    until("an append", async || node.append(draft(3, 3, "after")).await.is_ok()).await;
    let entry = next_entry(&mut subscription).await;
    assert_eq!((entry.seq, &*entry.payload), (Seq(4), &b"after"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_among_writes() {
    let mut server = TestServer::start().await;
    let nodes = [server.open().await, server.open().await];
    assert!(nodes.iter().all(|node| node.capabilities().synced));
    let mut subscription = nodes[0].subscribe(Seq(1)).await.unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let tasks = nodes.iter().map(|node| tokio::spawn(write(Arc::clone(node), Arc::clone(&enough))));
    let tasks: Vec<_> = tasks.collect();
    for _ in 0..3 {
        progress(&nodes[0]).await;
        server.restart().await;
    }
    progress(&nodes[0]).await;
    enough.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for task in join_all(tasks).await {
        told.extend(task.unwrap());
    }
    told.sort();
    let mut stored = Vec::new();
    for seq in 1..=told.len() as u64 {
        let entry = next_entry(&mut subscription).await;
        assert_eq!(entry.seq, Seq(seq));
        stored.push((seq, String::from_utf8(entry.payload.to_vec()).unwrap()));
    }
    assert_eq!(stored, told, "each entry is stored once, where its writer was told");
}

/// Returns once some more has been stored.
async fn progress(node: &Redis) {
    let mut start = None;
    until("progress", async || {
        let Ok(bounds) = node.bounds().await else { return false };
        bounds.last.0 > start.get_or_insert(bounds.last).0 + 4
    })
    .await;
}

/// Appends until it is enough, one after the other; an attempt that was not answered is sent again
/// as it was.
async fn write(node: Arc<Redis>, enough: Arc<AtomicBool>) -> Vec<(u64, String)> {
    let boot = rand::random();
    let mut told = Vec::new();
    for counter in 0.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let payload = format!("{boot} {counter}");
        let attempt = AttemptId { boot, counter };
        let draft = Draft { expect: None, attempt, parts: vec![payload.clone().into()] };
        let appended = loop {
            match node.append(draft.clone()).await {
                Ok(appended) => break appended,
                Err(AppendError::Unknown { .. } | AppendError::NotSent { .. }) => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        told.push((appended.last.0, payload));
    }
    told
}
