//! Entries of several parts, when something goes wrong on the way.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, ChangeTransport, Draft, Seq};
use ha_jetstream::JetStream;
use support::{LONG, TestServer, draft, is_unknown, next_entry, nodes};

/// The `counter`th try of these tests, of three parts.
fn parts(expect: u64, counter: u64) -> Draft {
    let parts = ["one", "two", "three"].map(|part| Bytes::from_static(part.as_bytes()));
    let attempt = AttemptId { boot: 7, counter };
    Draft { expect: Some(Seq(expect)), attempt, parts: parts.into() }
}

fn is_too_large(outcome: &Result<Appended, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::TooLarge { .. }))
}

/// The stream as a node makes it that knows nothing of batches.
fn without_batches() -> Config {
    Config {
        name: "ha_replication".to_owned(),
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_commit_answer_leaves_the_outcome_unknown_and_the_entry_whole() {
    let (_server, proxy, node, direct) = nodes(LONG).await;
    let mut stored = direct.subscribe(Seq(1)).await.unwrap();
    proxy.hold_answers_with(Some("\"batch\":"));
    let sender = Arc::clone(&node);
    let append = tokio::spawn(async move { sender.append(parts(0, 1)).await });
    for part in ["one", "two", "three"] {
        assert_eq!(next_entry(&mut stored).await.payload, part);
    }
    proxy.cut();
    assert!(is_unknown(&append.await.unwrap()));
    proxy.hold_answers_with(None);
    // The server knows the parts of the entry by their ids and stores none of them again.
    while node.read(Seq(1)).await.unwrap().is_none() {}
    for _ in 0..3 {
        let again = node.append(parts(0, 1)).await;
        assert!(is_unknown(&again), "{again:?}");
    }
    assert_eq!(direct.bounds().await.unwrap().last, Seq(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_commit_an_entry_is_not_stored_and_the_sender_knows() {
    let (_server, proxy, node, direct) = nodes(LONG).await;
    proxy.hold_answers(true);
    let sender = Arc::clone(&node);
    let append = tokio::spawn(async move { sender.append(parts(0, 1)).await });
    // The first part's answer does not come, so the last one is never sent.
    tokio::task::yield_now().await;
    proxy.cut();
    let outcome = append.await.unwrap();
    assert!(matches!(outcome, Err(AppendError::NotSent { .. })), "{outcome:?}");
    proxy.hold_answers(false);
    assert_eq!(direct.append(draft(0, 2, "another")).await.unwrap().last, Seq(1));
    let refused = loop {
        match node.append(parts(0, 1)).await {
            Err(AppendError::NotSent { .. }) => {}
            outcome => break outcome,
        }
    };
    assert_eq!(refused, Err(AppendError::Refused { last: Some(Seq(1)) }), "it was never stored");
    assert_eq!(direct.bounds().await.unwrap().last, Seq(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let (_server, proxy, node, direct) = nodes(Duration::from_secs(2)).await;
    let mut stored = direct.subscribe(Seq(1)).await.unwrap();
    proxy.hold_answers_with(Some("\"batch\":"));
    // Only the answer to the last part is held back; on the way to that the time may be over, too.
    let mut counter = 0;
    let outcome = loop {
        counter += 1;
        match node.append(parts(0, counter)).await {
            Err(AppendError::NotSent { .. }) => {}
            outcome => break outcome,
        }
    };
    assert!(is_unknown(&outcome), "{outcome:?}");
    for part in ["one", "two", "three"] {
        assert_eq!(next_entry(&mut stored).await.payload, part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_batches_takes_entries_of_one_part() {
    let server = TestServer::start();
    server.admin().await.create_stream(without_batches()).await.unwrap();
    let node = JetStream::connect(server.options()).await.unwrap();
    assert_eq!(node.capabilities().max_parts, 1);
    assert!(is_too_large(&node.append(parts(0, 1)).await));
    assert_eq!(node.bounds().await.unwrap().last, Seq::ZERO);
    node.append(draft(0, 2, "one part")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_batches_refuses_the_entry() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    assert_eq!(node.capabilities().max_parts, 1000);
    server.admin().await.update_stream(without_batches()).await.unwrap();
    assert!(is_too_large(&node.append(parts(0, 1)).await));
    assert_eq!(node.bounds().await.unwrap().last, Seq::ZERO);
    node.append(draft(0, 2, "one part")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_entries_of_others_are_in_nobodys_way() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    let client = async_nats::connect(server.server.client_url()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Batch-Id", "unfinished");
    headers.insert("Nats-Batch-Sequence", "1");
    let request = async_nats::Request::new().headers(headers).payload("staged".into());
    let answer = client.send_request("ha_replication", request).await.unwrap();
    assert_eq!(answer.payload, "", "it is staged");
    let stored = node.append(parts(0, 1)).await.unwrap();
    assert_eq!((stored.first, stored.last), (Seq(1), Seq(3)));
}
