//! Writes that another node's entry seems to have overtaken, while they are still on their way to a
//! log that loses that entry and takes them.

mod support;

use ha_core::{Engine, Outcome, Reply, Seq, Value};
use ha_memory::MemoryLog;
use support::late::Late;
use support::{Running, equal, start, unknown};

/// A node whose next append is late, and another one.
async fn two(schema: &str) -> (MemoryLog, std::sync::Arc<Late>, Running, Running) {
    let log = MemoryLog::new();
    let b = start("b", &log).await;
    b.run(schema).await;
    let (late, a) = Late::start("a", &log).await;
    a.reach(&b).await;
    b.reach(&a).await;
    late.hold();
    (log, late, a, b)
}

/// The log loses what stands after `last`, and takes what is late, while no node hears of it.
async fn rewind_under(log: &MemoryLog, late: &Late, last: u64, nodes: [&Running; 2]) {
    nodes.iter().for_each(|node| log.disconnect(&node.transport));
    log.rewind(Seq(last));
    late.let_go().await;
}

async fn is_committed(node: &Running, name: &ha_core::TransactionName) {
    let asking = async {
        while !matches!(node.node.outcome(name).await, Ok(Outcome::Committed(_))) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, asking).await.expect("it is committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_the_log_may_take_yet_is_not_told_as_failed() {
    let (log, late, a, b) = two("CREATE TABLE t(v UNIQUE, who)").await;
    let last = b.node_seq();
    let writing = async { a.try_run("INSERT INTO t VALUES(1, 'a')").await };
    let overtaking = async {
        late.is_held().await;
        b.run("INSERT INTO t VALUES(1, 'b')").await;
    };
    // On the other node's entry it fails.
    let (told, ()) = tokio::join!(writing, overtaking);
    let name = unknown(told);
    rewind_under(&log, &late, last, [&a, &b]).await;
    [&a, &b].iter().for_each(|node| log.reconnect(&node.transport));
    for node in [&a, &b] {
        is_committed(node, &name).await;
    }
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT group_concat(who) FROM t").await, Value::Text("a".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_refuses_late_is_told_as_it_failed() {
    let (_log, late, a, b) = two("CREATE TABLE t(v UNIQUE, who)").await;
    let writing = async { a.try_run("INSERT INTO t VALUES(1, 'a')").await };
    let overtaking = async {
        late.is_held().await;
        b.run("INSERT INTO t VALUES(1, 'b')").await;
        // It waits behind the first one, which fails now.
        a.run("INSERT INTO t VALUES(2, 'a')").await;
        late.let_go().await;
    };
    let (told, ()) = tokio::join!(writing, overtaking);
    let error = told.unwrap_err();
    assert!(error.to_string().contains("UNIQUE"), "{error}");
    equal(&a, &b).await;
}

/// Returns once both attempts of the write that is on its way are held: the first, and the one that was made on
/// what `b` has written before it.
async fn tried_twice(late: &Late, b: &Running) {
    late.is_held().await;
    late.hold();
    b.run("INSERT INTO t VALUES('b')").await;
    late.is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_attempts_the_one_that_the_log_has_taken_is_named() {
    let (log, late, a, b) = two("CREATE TABLE t(who)").await;
    let last = b.node_seq();
    let writing = async { a.try_run("INSERT INTO t VALUES('a')").await };
    let overtaking = async {
        tried_twice(&late, &b).await;
        rewind_under(&log, &late, last, [&a, &b]).await;
    };
    let (told, ()) = tokio::join!(writing, overtaking);
    let name = unknown(told);
    [&a, &b].iter().for_each(|node| log.reconnect(&node.transport));
    late.let_go().await;
    let rows = "SELECT group_concat(who) FROM t";
    let stored = async {
        // While a snapshot is restored there may be no table.
        let is_there = |reply: Reply| reply.results[0].rows[0][0] == Value::Text("a".to_owned());
        while !a.try_run(rows).await.is_ok_and(is_there) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, stored).await.expect("the log has the first one");
    equal(&a, &b).await;
    is_committed(&b, &name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_attempts_the_log_may_take_the_first_after_the_second_was_given_up() {
    let (log, late, a, b) = two("CREATE TABLE t(who)").await;
    let last = b.node_seq();
    let writing = async { a.try_run("INSERT INTO t VALUES('a')").await };
    // The second is on its way for longer than the client waits.
    let (told, ()) = tokio::join!(writing, tried_twice(&late, &b));
    let name = unknown(told);
    // The first is the first that is let go.
    rewind_under(&log, &late, last, [&a, &b]).await;
    [&a, &b].iter().for_each(|node| log.reconnect(&node.transport));
    let rows = "SELECT group_concat(who) FROM t";
    is_committed(&b, &name).await;
    is_committed(&a, &name).await;
    equal(&a, &b).await;
    assert_eq!(a.value(rows).await, Value::Text("a".to_owned()));
}
