//! The feed of changes beside what becomes of the log: parts, other writers, trimming, loss.

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use ha_core::{ChangeEvent, ChangeTransport, Engine, Error, Lineage, Seq, Token, Value};
use ha_engine::{BeginAt, Node, NodeOptions};
use ha_memory::{Fault, Local, MemoryLog, MemoryOptions};
use rusqlite::Connection;
use support::feeds::{Replica, dump_of, end, follow, from_the_beginning, inserted, next, take};
use support::stored::store;
use support::{PATIENCE, behind_its_back, equal, options, raw, start, start_with, until};
use tempfile::TempDir;

fn many(from: i64) -> String {
    format!(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n LIMIT 100) \
         SELECT i FROM n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_several_parts_are_told_as_one_and_torn_ones_not_at_all() {
    let log = MemoryLog::with(MemoryOptions { max_part_bytes: 2_000, ..MemoryOptions::default() });
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    let mut live = follow(&b, None).await;
    let first = a.run(&many(0)).await;
    log.inject(Fault::Torn { parts: 3 });
    let second = b.run(&many(100)).await;
    let third = a.run("INSERT INTO t VALUES(zeroblob(9000))").await;
    equal(&a, &b).await;
    let mut old = from_the_beginning(&a).await;
    take(&mut old, 1).await;
    for feed in [&mut live, &mut old] {
        let told = take(feed, 3).await;
        let places: Vec<Token> = told.iter().map(|one| one.position).collect();
        assert_eq!(places, [first.position, second.position, third.position]);
        assert_eq!([told[0].changes.len(), told[1].changes.len()], [100, 100]);
        assert_eq!(inserted(&told[2..]), [Value::Blob(vec![0; 9_000])]);
    }
    let mut rest = follow(&b, Some(first.position)).await;
    assert_eq!(take(&mut rest, 1).await[0].position, second.position);
    let inside = Token { seq: Seq(first.position.seq.0 - 1), ..first.position };
    let refused = b.node.changes(Some(inside)).await.err();
    assert!(matches!(refused, Some(Error::Invalid(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_v0_0_7_are_transactions_too() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)").await;
    let mut feed = follow(&a, None).await;
    raw(&log, r#"{"node":"go","process_id":1,"changes":[{"database":"main","table":"users","columns":["id","name"],"operation":"INSERT","old_rowid":1,"new_rowid":1,"new_values":[1,"from go"]},{"operation":"SQL","sql":"UPDATE users SET name = ?","sql_args":["x"]}],"timestamp_ns":7}"#).await;
    let told = next(&mut feed).await.unwrap();
    assert_eq!((told.node.as_deref(), told.position.n), (Some("go"), 1));
    assert_eq!(told.at.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos(), 7);
    let [ChangeEvent::Row(row), ChangeEvent::Sql { sql, params }] = &told.changes[..] else {
        panic!("{told:?}");
    };
    assert_eq!(row.table.columns, ["id", "name"]);
    assert_eq!(row.after().unwrap().values, [Value::Integer(1), Value::from("from go")]);
    assert_eq!((sql.as_str(), &params[..]), ("UPDATE users SET name = ?", &[Value::from("x")][..]));
    a.run("INSERT INTO users(name) VALUES('ours')").await;
    let mut after = follow(&a, Some(told.position)).await;
    assert_eq!(inserted(&take(&mut after, 1).await), [Value::from("ours")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_stored_is_refused_and_never_left_out() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    let first = a.run("CREATE TABLE t(v)").await.position;
    for i in 0..5 {
        a.run(&format!("INSERT INTO t VALUES({i})")).await;
    }
    let mut slow = follow(&a, Some(first)).await;
    a.transport.trim(Seq(4)).await.unwrap();
    let mut kept = follow(&a, Some(first)).await;
    assert_eq!(take(&mut kept, 5).await.len(), 5, "the file still has it");
    behind_its_back(&a, "DELETE FROM _ha_entries WHERE seq < 5");
    let truncated = |error: &Error| matches!(error, Error::Truncated { first: Seq(4), .. });
    let refused = a.node.changes(Some(first)).await.err().unwrap();
    assert!(truncated(&refused), "{refused:?}");
    let ended = end(&mut slow).await;
    assert!(truncated(&ended), "{ended:?}");
    let fourth = Token { seq: Seq(4), n: 1, ..first };
    let mut rest = follow(&a, Some(fourth)).await;
    let values: Vec<Value> = (3..5).map(Value::Integer).collect();
    assert_eq!(inserted(&take(&mut rest, 2).await), values);
}

/// The node has the entries, its file keeps them no longer, and the log has lost its end.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_what_nobody_tells_is_not_kept_waiting() {
    let log = MemoryLog::new();
    let impatient = |dir: &TempDir| NodeOptions {
        replication_timeout: Duration::from_millis(200),
        ..options("a", dir)
    };
    let a = start_with(&log, TempDir::new().unwrap(), impatient).await.unwrap();
    let first = a.run("CREATE TABLE t(v)").await.position;
    a.run("INSERT INTO t VALUES(1)").await;
    behind_its_back(&a, "DELETE FROM _ha_entries");
    log.rewind(Seq::ZERO);
    let asked = tokio::time::timeout(PATIENCE, a.node.changes(Some(first))).await;
    let refused = asked.expect("an answer").err();
    assert!(matches!(refused, Some(Error::NotReady(_))), "{refused:?}");
}

/// It goes back to the beginning of the log, or to a snapshot, and reads from there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_becomes_another_state_of_its_log_tells_everything_once() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    let first = a.run("CREATE TABLE t(v)").await.position;
    equal(&a, &b).await;
    let (mut live, mut slow) = (follow(&b, None).await, follow(&b, Some(first)).await);
    raw(&log, "not a message").await;
    let mut rows = 0..;
    for _ in 0..2 {
        let mut told = Vec::new();
        for value in rows.by_ref().take(3) {
            a.run(&format!("INSERT INTO t VALUES({value})")).await;
            told.push(Value::Integer(value));
        }
        assert_eq!(inserted(&take(&mut live, 3).await), told);
        behind_its_back(&b, "INSERT INTO t VALUES('nobody wrote this')");
        b.node.reseed("it was changed behind its back");
        b.eventually(&format!("INSERT INTO t VALUES({})", rows.next().unwrap())).await;
        assert_eq!(take(&mut live, 1).await.len(), 1);
        equal(&a, &b).await;
        store(&a).await;
    }
    let all: Vec<Value> = (0..8).map(Value::Integer).collect();
    assert_eq!(inserted(&take(&mut slow, 8).await), all);
    assert!(slow.next().now_or_never().is_none(), "there is no more");
    assert!(live.next().now_or_never().is_none(), "there is no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_of_another_log_is_refused_and_a_feed_ends_with_its_log() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    let here = a.run("CREATE TABLE t(v)").await.position;
    let elsewhere = Token { lineage: Lineage([9; 8]), ..here };
    let expected = Error::OtherLog { token: elsewhere, lineage: here.lineage, kept: None };
    assert_eq!(a.node.changes(Some(elsewhere)).await.err(), Some(expected));
    equal(&a, &b).await;
    let mut feed = follow(&b, None).await;
    log.disconnect(&b.transport);
    let dir = a.stop().await;
    log.recreate();
    let renewed = |dir: &TempDir| NodeOptions { new_lineage: true, ..options("a", dir) };
    let a = start_with(&log, dir, renewed).await.unwrap();
    let lineage = a.node.status().position.lineage;
    log.reconnect(&b.transport);
    until("the log made again is followed", || b.node.status().position.lineage == lineage).await;
    let ended = end(&mut feed).await;
    assert!(matches!(ended, Error::OtherLog { lineage: now, .. } if now == lineage), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_imported_is_no_changes() {
    let (log, dir) = (MemoryLog::new(), TempDir::new().unwrap());
    let file = Connection::open(dir.path().join("ha.db")).unwrap();
    file.execute_batch("CREATE TABLE t(v); INSERT INTO t VALUES(1)").unwrap();
    file.close().unwrap();
    let a = start_with(&log, dir, |dir| options("a", dir)).await.unwrap();
    let base = a.node.status().position;
    a.run("INSERT INTO t VALUES(2)").await;
    let ended = end(&mut from_the_beginning(&a).await).await;
    assert!(matches!(ended, Error::Truncated { .. }), "{ended:?}");
    let mut after = follow(&a, Some(base)).await;
    assert_eq!(inserted(&take(&mut after, 1).await), [Value::Integer(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_part_of_the_log_tells_that_part() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    let first = a.run("CREATE TABLE early(v)").await.position;
    a.run("CREATE TABLE late(v)").await;
    let n = start_with(&log, TempDir::new().unwrap(), |dir| NodeOptions {
        begin_at: BeginAt::Sequence(Seq(2)),
        ..options("n", dir)
    });
    let n = n.await.unwrap();
    n.reach(&a).await;
    let mut feed = follow(&n, None).await;
    a.run("INSERT INTO early VALUES('not here')").await;
    a.run("INSERT INTO late VALUES('here')").await;
    assert_eq!(inserted(&take(&mut feed, 1).await), [Value::from("here")]);
    let refused = n.node.changes(Some(first)).await.err();
    assert!(matches!(refused, Some(Error::Truncated { first: Seq(2), .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_has_lost_what_was_told_ends_the_feed() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    equal(&a, &b).await;
    let mut feed = follow(&a, None).await;
    log.disconnect(&b.transport);
    for v in ["lost", "lost too"] {
        a.run(&format!("INSERT INTO t VALUES('{v}')")).await;
    }
    take(&mut feed, 2).await;
    log.disconnect(&a.transport);
    log.rewind(Seq(1));
    log.reconnect(&b.transport);
    for i in 0..4 {
        b.eventually(&format!("INSERT INTO t VALUES({i})")).await;
    }
    log.reconnect(&a.transport);
    let ended = end(&mut feed).await;
    assert!(matches!(ended, Error::Corrupt(_)), "{ended:?}");
    equal(&a, &b).await;
    let (replica, mut again) = (Replica::new(), from_the_beginning(&a).await);
    take(&mut again, 5).await.iter().for_each(|told| replica.apply(told));
    assert_eq!(replica.dump(), dump_of(&b));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_replication_tells_what_it_does_and_what_its_file_keeps() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ha.db");
    let transport = Arc::new(Local::new(Lineage([7; 8]), Seq::ZERO));
    let node = Node::start(options("a", &dir), transport).await.unwrap();
    let mut feed = node.changes(None).await.unwrap();
    let mut session = node.session(ha_core::SessionOptions::default()).await.unwrap();
    let created = session.run(support::batch("CREATE TABLE t(v)")).await.unwrap().position;
    session.run(support::batch("INSERT INTO t VALUES(1)")).await.unwrap();
    assert_eq!(inserted(&take(&mut feed, 2).await), [Value::Integer(1)]);
    let mut old = node.changes(Some(created)).await.unwrap();
    assert_eq!(inserted(&take(&mut old, 1).await), [Value::Integer(1)]);
    Connection::open(path).unwrap().execute_batch("DELETE FROM _ha_entries WHERE seq = 1").unwrap();
    let refused = node.changes(Some(Token { n: 0, ..created })).await.err();
    assert_eq!(refused, Some(Error::Truncated { from: Seq(1), first: Seq(2) }));
    node.stop().await;
}
