//! Nodes whose part of the log is gone: they restore a snapshot and go on.

mod support;

use std::path::Path;

use ha_core::{ChangeTransport, Error, Seq, Value};
use ha_engine::NodeOptions;
use ha_memory::MemoryLog;
use rusqlite::Connection;
use support::stored::{position, put, state, store};
use support::{
    Running, batch, begin, behind_its_back, equal, options, start, start_with, until_stopped,
};
use tempfile::TempDir;

async fn rows(node: &Running, count: usize) {
    for _ in 0..count {
        node.run("INSERT INTO t(v) VALUES('row')").await;
    }
}

async fn start_in(name: &str, log: &MemoryLog, dir: TempDir) -> Running {
    start_with(log, dir, |dir| options(name, dir)).await.unwrap()
}

async fn writer(log: &MemoryLog) -> Running {
    let a = start("a", log).await;
    a.run("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE INDEX i ON t(v)").await;
    a
}

fn leftovers(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains("tmp")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_and_a_lagging_node_restore_a_snapshot_and_follow() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    let lagging = start("lagging", &log).await;
    equal(&a, &lagging).await;
    let dir = lagging.stop().await;
    rows(&a, 5).await;
    let meta = store(&a).await;
    rows(&a, 3).await;
    a.transport.trim(meta.seq.next()).await.unwrap();

    let (lagging, empty) = (start_in("lagging", &log, dir).await, start("empty", &log).await);
    for node in [&lagging, &empty] {
        equal(&a, node).await;
        node.run("INSERT INTO t(v) VALUES('its own')").await;
        a.reach(node).await;
        assert_eq!(node.value("PRAGMA integrity_check").await, Value::from("ok"));
        assert_eq!(leftovers(node.dir.path()), [""; 0]);
    }
    equal(&a, &empty).await;
    equal(&a, &lagging).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_whose_next_entries_are_gone_restores_a_snapshot() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    let b = start("b", &log).await;
    equal(&a, &b).await;
    log.disconnect(&b.transport);
    rows(&a, 20).await;
    store(&a).await;
    a.transport.trim(Seq(15)).await.unwrap();
    rows(&a, 1).await;
    log.reconnect(&b.transport);
    b.eventually("INSERT INTO t(v) VALUES('b goes on')").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(22));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_leaves_a_gap_is_none() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    let meta = store(&a).await;
    rows(&a, 3).await;
    a.transport.trim(Seq(meta.seq.0 + 2)).await.unwrap();
    let b = start("b", &log).await;
    let reason = until_stopped(&b).await;
    assert!(reason.contains("copy of the database"), "{reason}");
    assert!(matches!(b.try_run("SELECT 1").await, Err(Error::NotReady(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_no_sound_database_or_of_another_position_is_passed_over() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    let good = store(&a).await;
    rows(&a, 2).await;
    let (body, seq, hash) = state(&a).await;
    // Newer ones: a page of rubbish, not a database, half of one, and one of another state.
    let mut damaged = body.clone();
    damaged[8192..12288].fill(0x5a);
    put(&a, damaged, seq, hash).await;
    put(&a, vec![7; 10_000], seq, hash).await;
    put(&a, body[..body.len() / 2].to_vec(), seq, hash).await;
    rows(&a, 1).await;
    let (_, newer, hash) = state(&a).await;
    put(&a, body, newer, hash).await;
    assert_eq!(a.transport.snapshots().await.unwrap().len(), 5);
    a.transport.trim(good.seq.next()).await.unwrap();
    let b = start("b", &log).await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_later_entries_contradict_is_none() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    // Of a log that went another way: the same place, and another hash.
    let other_log = MemoryLog::new();
    let other = writer(&other_log).await;
    rows(&a, 2).await;
    let lineage = a.transport.bounds().await.unwrap().lineage;
    let dir = other.stop().await;
    let conn = Connection::open(dir.path().join("ha.db")).unwrap();
    conn.execute("UPDATE _ha_position SET lineage = ?1", [lineage.0]).unwrap();
    conn.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    let (seq, hash) = position(&conn);
    drop(conn);
    let body = std::fs::read(dir.path().join("ha.db")).unwrap();
    put(&a, body, seq, hash).await;
    a.transport.trim(seq.next()).await.unwrap();
    let b = start("b", &log).await;
    let reason = until_stopped(&b).await;
    assert!(reason.contains("No snapshot"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_pages_of_another_size_is_re_seeded_as_well() {
    let log = MemoryLog::new();
    let dir = TempDir::new().unwrap();
    Connection::open(dir.path().join("ha.db"))
        .unwrap()
        .execute_batch("PRAGMA page_size = 512; CREATE TABLE t(v); INSERT INTO t VALUES(1)")
        .unwrap();
    let small = start_in("small", &log, dir).await;
    let a = start("a", &log).await;
    equal(&small, &a).await;
    let dir = small.stop().await;
    for _ in 0..3 {
        a.run("INSERT INTO t VALUES(2)").await;
    }
    let meta = store(&a).await;
    a.transport.trim(meta.seq.next()).await.unwrap();
    let small = start_in("small", &log, dir).await;
    equal(&a, &small).await;
    assert_eq!(small.value("PRAGMA page_size").await, Value::Integer(512));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_keeps_the_newest_entries_as_the_others_do() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    rows(&a, 3).await;
    let meta = store(&a).await;
    rows(&a, 1).await;
    a.transport.trim(meta.seq.next()).await.unwrap();
    let b = start("b", &log).await;
    equal(&a, &b).await;
    let kept = "SELECT seq, payload FROM _ha_entries";
    assert_eq!(a.rows(kept).await, b.rows(kept).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_becomes_what_is_stored_while_its_clients_go_on() {
    let log = MemoryLog::new();
    let (a, b) = (writer(&log).await, start("b", &log).await);
    rows(&a, 5).await;
    // Once from the log alone, later from a snapshot.
    for _ in 0..3 {
        equal(&a, &b).await;
        behind_its_back(&b, "INSERT INTO t(v) VALUES('nobody wrote this')");
        let mut open = b.session().await;
        begin(&mut open).await;
        open.run(batch("INSERT INTO t(v) VALUES('in an open transaction')")).await.unwrap();
        b.node.reseed("it was changed behind its back");
        b.eventually("INSERT INTO t(v) VALUES('b goes on')").await;
        equal(&a, &b).await;
        // Its client finds what it would have found after any other node's write.
        let _ = open.commit().await;
        equal(&a, &b).await;
        store(&a).await;
        rows(&a, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_to_restore_from_a_log_that_was_deleted_keeps_what_there_is() {
    let log = MemoryLog::new();
    let a = writer(&log).await;
    rows(&a, 3).await;
    log.disconnect(&a.transport);
    a.node.reseed("its state is in doubt");
    log.recreate();
    log.reconnect(&a.transport);
    let reason = until_stopped(&a).await;
    assert!(reason.contains("--new-lineage"), "{reason}");

    let dir = a.stop().await;
    let a = start_with(&log, dir, |dir| NodeOptions { new_lineage: true, ..options("a", dir) });
    assert_eq!(a.await.unwrap().value("SELECT count(*) FROM t").await, Value::Integer(3));
}
