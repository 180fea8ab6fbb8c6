//! Logs that have lost their end and got another one, where little is left that tells.

mod support;

use ha_core::{ChangeTransport, Engine, Readiness, Seq, Value};
use ha_memory::MemoryLog;
use rusqlite::Connection;
use support::stored::{put, state, store};
use support::{Running, equal, options, raw, start, start_with, until};
use tempfile::TempDir;

/// A table and the rows 1 and 2, up to entry 3.
async fn three_entries(log: &MemoryLog) -> Running {
    let node = start("a", log).await;
    for sql in ["CREATE TABLE t(v)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"] {
        node.run(sql).await;
    }
    node
}

/// The file of a node that has applied the three entries, and another node that follows the log
/// after it was rewound to the first two, and has another third one.
async fn parted(log: &MemoryLog) -> (TempDir, Running) {
    let old = three_entries(log).await.stop().await;
    (old, another_third(log).await)
}

async fn another_third(log: &MemoryLog) -> Running {
    log.rewind(Seq(2));
    let other = start("b", log).await;
    other.run("INSERT INTO t VALUES('another')").await;
    other
}

/// Starts a node on the file, which is to become what the other one is.
async fn becomes(log: &MemoryLog, file: TempDir, other: &Running) {
    let node = start_with(log, file, |dir| options("a", dir)).await.unwrap();
    let rows = "SELECT group_concat(v) FROM t";
    until("the node is ready", || node.node.status().readiness == Readiness::Ready).await;
    equal(&node, other).await;
    assert_eq!(node.value(rows).await, Value::Text("1,another".to_owned()));
    let lost = std::fs::read_dir(node.dir.path()).unwrap().flatten();
    let lost = lost.filter(|file| file.file_name().to_string_lossy().contains(".lost-")).count();
    assert_eq!(lost, 1, "what is no longer part of the database is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_entry_at_the_same_place_proves_nothing_if_it_says_nothing() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    raw(&log, "junk").await;
    until("the junk", || old.node_seq() == 4).await;
    let old = old.stop().await;
    let other = another_third(&log).await;
    raw(&log, "junk").await;
    becomes(&log, old, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_further_on_tells_what_the_log_no_longer_does() {
    let log = MemoryLog::new();
    let (old, other) = parted(&log).await;
    raw(&log, "junk").await;
    until("the junk", || other.node_seq() == 4).await;
    store(&other).await;
    other.transport.trim(Seq(4)).await.unwrap();
    becomes(&log, old, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_appended_only_to_the_history_that_it_belongs_to() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    old.run("INSERT INTO t VALUES(3)").await;
    let old = old.stop().await;
    let other = another_third(&log).await;
    store(&other).await;
    other.transport.trim(Seq(4)).await.unwrap();
    becomes(&log, old, &other).await;
    assert_eq!(other.transport.bounds().await.unwrap().last, Seq(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_keeps_another_entry_than_the_log_is_passed_over() {
    let log = MemoryLog::new();
    let node = three_entries(&log).await;
    store(&node).await;
    node.run("INSERT INTO t VALUES(3)").await;
    let (body, seq, hash) = state(&node).await;
    let dir = TempDir::new().unwrap();
    let damaged = dir.path().join("damaged");
    std::fs::write(&damaged, body).unwrap();
    let conn = Connection::open(&damaged).unwrap();
    conn.execute_batch("UPDATE _ha_entries SET payload = x'00' WHERE seq = 4").unwrap();
    drop(conn);
    put(&node, std::fs::read(damaged).unwrap(), seq, hash).await;
    node.run("INSERT INTO t VALUES(4)").await;
    node.transport.trim(Seq(4)).await.unwrap();
    let other = start("b", &log).await;
    equal(&node, &other).await;
    let kept = "SELECT seq, payload FROM _ha_entries WHERE seq > 3 ORDER BY seq";
    assert_eq!(other.rows(kept).await, node.rows(kept).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_what_the_log_has_lost_is_passed_over_whoever_went_on_with_it() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    let (body, seq, hash) = state(&old).await;
    old.run("INSERT INTO t VALUES(3)").await;
    let late = old.transport.read(Seq(4)).await.unwrap().unwrap().payload;
    old.stop().await;
    log.rewind(Seq(2));
    let other = start("b", &log).await;
    until("what is left", || other.node_seq() == 2).await;
    store(&other).await;
    other.run("INSERT INTO t VALUES('another')").await;
    put(&other, body, seq, hash).await;
    // Somebody had not heard that entry 3 is lost.
    raw(&log, std::str::from_utf8(&late).unwrap()).await;
    other.transport.trim(Seq(3)).await.unwrap();
    let new = start("c", &log).await;
    equal(&new, &other).await;
}
