//! What an append tells when something goes wrong.

mod support;

use std::sync::Arc;

use ha_core::{AppendError, Appended, Bounds, ChangeTransport, Seq};
use support::proxy::Proxy;
use support::{TestServer, draft, fill, open, until};

fn at(seq: u64) -> Appended {
    Appended { first: Seq(seq), last: Seq(seq) }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_nothing_is_sent_and_later_it_is() {
    let mut server = TestServer::start().await;
    let node = server.open().await;
    fill(&node, 2).await;
    server.kill();
    // One that was sent before the loss was noticed stays unknown: each is an attempt of its own.
    let mut counter = 100;
    until("the loss to be noticed", async || {
        counter += 1;
        matches!(node.append(draft(2, counter, "away")).await, Err(AppendError::NotSent { .. }))
    })
    .await;
    let error = node.append(draft(2, 2, "away")).await.unwrap_err();
    assert!(matches!(error, AppendError::NotSent { .. }), "{error:?}");
    node.bounds().await.unwrap_err();
    server.restart().await;
    assert_eq!(node.append(draft(2, 3, "back")).await, Ok(at(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_the_same_attempt_again_is_stored_once() {
    let server = TestServer::start().await;
    let proxy = Proxy::start(server.port).await;
    let (node, other) = (open(&proxy.url()).await.unwrap(), server.open().await);
    for (expect, seq) in [(Some(0), 1), (None, 2)] {
        // Connected before the answers are held back.
        assert_eq!(lose_answer(&proxy, &node, &other, expect, seq).await, Ok(at(seq)));
        assert_eq!(other.bounds().await.unwrap().last, Seq(seq), "stored once");
    }
}

/// Appends with the answer lost, and again.
async fn lose_answer(
    proxy: &Proxy,
    node: &Arc<ha_redis::Redis>,
    other: &ha_redis::Redis,
    expect: Option<u64>,
    seq: u64,
) -> Result<Appended, AppendError> {
    let refused = node.append(draft(99, 99, "never")).await.unwrap_err();
    assert_eq!(refused, AppendError::Refused { last: Some(Seq(seq - 1)) });
    proxy.hold_answers(true);
    let entry = draft(expect, seq, "once");
    let (appending, sent) = (Arc::clone(node), entry.clone());
    let answer = tokio::spawn(async move { appending.append(sent).await });
    until("the entry", async || other.bounds().await.unwrap().last == Seq(seq)).await;
    proxy.cut();
    let error = answer.await.unwrap().unwrap_err();
    proxy.hold_answers(false);
    assert!(matches!(error, AppendError::Unknown { .. }), "{error:?}");
    node.append(entry).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_attempt_stays_unknown_when_it_cannot_be_sent_again_or_is_trimmed() {
    let mut server = TestServer::start().await;
    let proxy = Proxy::start(server.port).await;
    let (node, other) = (open(&proxy.url()).await.unwrap(), server.open().await);
    node.append(draft(9, 0, "connects")).await.unwrap_err();
    proxy.hold_answers(true);
    let appending = Arc::clone(&node);
    let answer = tokio::spawn(async move { appending.append(draft(0, 1, "once")).await });
    until("the entry", async || other.bounds().await.unwrap().last == Seq(1)).await;
    proxy.cut();
    answer.await.unwrap().unwrap_err();
    proxy.hold_answers(false);

    other.append(draft(1, 2, "next")).await.unwrap();
    other.trim(Seq(2)).await.unwrap();
    let error = node.append(draft(0, 1, "once")).await.unwrap_err();
    assert!(matches!(error, AppendError::Unknown { .. }), "{error:?}");
    let error = node.append(draft(0, 5, "another")).await.unwrap_err();
    assert_eq!(error, AppendError::Refused { last: Some(Seq(2)) }, "it was never sent before");

    server.kill();
    let error = node.append(draft(0, 1, "once")).await.unwrap_err();
    assert!(matches!(error, AppendError::Unknown { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_stores_nothing_of_an_entry() {
    let server = TestServer::with(&["--maxmemory-policy", "noeviction"]).await;
    let node = server.open().await;
    fill(&node, 1).await;
    let before = node.bounds().await.unwrap();
    let _: () = server.ask("CONFIG SET maxmemory 1").await;
    let mut entry = draft(1, 1, "full");
    entry.parts = vec![entry.parts[0].clone(); 3];
    let error = node.append(entry.clone()).await.unwrap_err();
    assert!(matches!(&error, AppendError::NotSent { reason } if reason.contains("OOM")), "{error}");
    assert_eq!(node.bounds().await.unwrap(), before);
    let _: () = server.ask("CONFIG SET maxmemory 0").await;
    assert_eq!(node.append(entry).await, Ok(Appended { first: Seq(2), last: Seq(4) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempts_that_the_server_notes_are_bounded() {
    let server = TestServer::with(&[]).await;
    let node = server.open().await;
    let mut noted = redis::pipe();
    (0..10_000).for_each(|n| {
        noted.cmd("ZADD").arg("ha_replication:attempts").arg(0).arg(format!("old {n}"));
    });
    noted.exec_async(&mut server.admin().await).await.unwrap();
    let stored = node.append(draft(None, 1, "newest")).await.unwrap();
    assert_eq!(server.ask::<u64>("ZCARD ha_replication:attempts").await, 10_000);
    assert_eq!(node.append(draft(None, 1, "newest")).await, Ok(stored));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_script_flush_and_a_reconnect_the_scripts_are_there_again() {
    let server = TestServer::start().await;
    let node = server.open().await;
    fill(&node, 1).await;
    let _: () = server.ask("SCRIPT FLUSH").await;
    assert_eq!(node.append(draft(1, 1, "entry")).await, Ok(at(2)));
    let Bounds { first, last, .. } = node.bounds().await.unwrap();
    assert_eq!((first, last), (Seq(1), Seq(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_made_while_the_transport_is_closed_ends() {
    let server = TestServer::start().await;
    let proxy = Proxy::start(server.port).await;
    let node = open(&proxy.url()).await.unwrap();
    let mut admin = server.admin().await;
    let mut clients = async || {
        let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut admin).await.unwrap();
        list.lines().count()
    };
    proxy.hold_answers(true);
    let appending = Arc::clone(&node);
    let answer = tokio::spawn(async move { appending.append(draft(0, 0, "late")).await });
    until("the appender's connection", async || clients().await == 3).await;
    node.close().await.unwrap();
    proxy.hold_answers(false);
    assert_eq!(answer.await.unwrap(), Err(AppendError::Closed));
    until("the end of both connections", async || clients().await == 1).await;
}
