//! An append's answer is never better than what is known.

mod support;

use std::sync::Arc;
use std::time::Duration;

use ha_core::{AppendError, ChangeTransport, Seq};
use ha_jetstream::JetStream;
use support::{LONG, TestServer, draft, is_unknown, next_entry, nodes};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_before_the_ack_leaves_the_outcome_unknown() {
    let (_server, proxy, node, direct) = nodes(LONG).await;
    let mut stored = direct.subscribe(Seq(1)).await.unwrap();
    proxy.hold_answers(true);
    let sender = Arc::clone(&node);
    let append = tokio::spawn(async move { sender.append(draft(0, 1, "entry")).await });
    assert_eq!(next_entry(&mut stored).await.payload, "entry");
    proxy.cut();
    assert!(is_unknown(&append.await.unwrap()));
    proxy.hold_answers(false);
    // From now on only reading tells: the server refuses what it has stored already.
    let settled = loop {
        let again = node.append(draft(0, 1, "entry")).await;
        assert!(is_unknown(&again), "{again:?}");
        if let Some(settled) = node.read(Seq(1)).await.unwrap() {
            break settled;
        }
    };
    assert_eq!(settled.payload, "entry");
    while node.append(draft(1, 2, "next")).await.is_err() {
        assert!(direct.bounds().await.unwrap().last <= Seq(2));
        if direct.bounds().await.unwrap().last == Seq(2) {
            break;
        }
    }
    assert_eq!(direct.bounds().await.unwrap().last, Seq(2), "each was stored once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ack_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let (_server, proxy, node, direct) = nodes(Duration::from_millis(500)).await;
    proxy.hold_answers(true);
    assert!(is_unknown(&node.append(draft(0, 1, "entry")).await));
    let mut stored = direct.subscribe(Seq(1)).await.unwrap();
    assert_eq!(next_entry(&mut stored).await.payload, "entry");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_leader_does_not_answer_is_unknown_at_once() {
    let (server, proxy, node, direct) = nodes(LONG).await;
    let mut stored = direct.subscribe(Seq(1)).await.unwrap();
    // Nothing but the acknowledgement has this.
    proxy.hold_answers_with(Some("\"ha_replication\",\"seq\""));
    let sender = Arc::clone(&node);
    let append = tokio::spawn(async move { sender.append(draft(0, 1, "entry")).await });
    assert_eq!(next_entry(&mut stored).await.payload, "entry");
    let client = async_nats::connect(server.server.client_url()).await.unwrap();
    let elected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.ha_replication";
    client.publish(elected, "{}".into()).await.unwrap();
    assert!(is_unknown(&append.await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_handed_over_while_disconnected() {
    let (_server, proxy, node, direct) = nodes(LONG).await;
    proxy.refuse(true);
    proxy.cut();
    let mut tries = 0;
    // The first may still meet a connection that looks alive.
    loop {
        tries += 1;
        match node.append(draft(0, tries, "before")).await {
            Err(AppendError::NotSent { .. }) => break,
            outcome => assert!(is_unknown(&outcome), "{outcome:?}"),
        }
    }
    for _ in 0..20 {
        tries += 1;
        let outcome = node.append(draft(0, tries, "lost")).await;
        assert!(matches!(outcome, Err(AppendError::NotSent { .. })), "{outcome:?}");
    }
    proxy.refuse(false);
    let end = loop {
        tries += 1;
        let last = direct.bounds().await.unwrap().last;
        match node.append(draft(last.0, tries, "after")).await {
            Ok(appended) => break appended.last,
            Err(error) => assert!(!matches!(error, AppendError::TooLarge { .. }), "{error}"),
        }
    };
    for seq in 1..=end.0 {
        assert_ne!(direct.read(Seq(seq)).await.unwrap().unwrap().payload, "lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_stream_nothing_is_stored_and_the_sender_knows() {
    let server = TestServer::start();
    let node = JetStream::connect(server.options()).await.unwrap();
    server.admin().await.delete_stream("ha_replication").await.unwrap();
    let outcome = node.append(draft(0, 1, "entry")).await;
    assert!(matches!(outcome, Err(AppendError::NotSent { .. })), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_stream_counts_too() {
    let server = TestServer::start();
    let limited = async_nats::jetstream::stream::Config {
        name: "ha_replication".to_owned(),
        max_message_size: 1000,
        ..Default::default()
    };
    server.admin().await.create_stream(limited).await.unwrap();
    let node = JetStream::connect(server.options()).await.unwrap();
    let limit = node.capabilities().max_part_bytes;
    let too_large = node.append(draft(0, 1, &"x".repeat(limit + 1))).await;
    assert_eq!(too_large, Err(AppendError::TooLarge { size: limit + 1, limit }));
    node.append(draft(0, 2, &"x".repeat(limit))).await.unwrap();
}
