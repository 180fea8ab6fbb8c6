//! Logs that have lost their end and got another one, where little is left that tells.

mod support;

use ha_core::{ChangeTransport, Engine, Readiness, RunningHash, Seq, Value};
use ha_engine::lost_entries;
use ha_memory::{MemoryLog, MemoryOptions};
use rusqlite::Connection;
use support::late::Late;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_not_appended_after_what_says_nothing_of_where_it_stands() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    raw(&log, "junk").await;
    until("the junk", || old.node_seq() == 4).await;
    old.run("INSERT INTO t VALUES(3)").await;
    let old = old.stop().await;
    let other = another_third(&log).await;
    raw(&log, "junk").await;
    becomes(&log, old, &other).await;
    assert_eq!(other.transport.bounds().await.unwrap().last, Seq(4));
}

/// A log of small messages, a node that has written a row and then a hundred in one transaction, and
/// the places of the first and the last part of that.
async fn one_of_many_parts() -> (MemoryLog, Running, [Seq; 2]) {
    let log = MemoryLog::with(MemoryOptions { max_part_bytes: 2_000, ..MemoryOptions::default() });
    let node = start("a", &log).await;
    node.run("CREATE TABLE t(v)").await;
    let before = node.run("INSERT INTO t VALUES(1)").await.position.seq;
    let large = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n LIMIT 100) \
                 SELECT i FROM n";
    let last = node.run(large).await.position.seq;
    assert!(last > before.next().next());
    (log, node, [before.next(), last])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_lost_in_part_is_saved_as_a_whole() {
    let (log, a, [first, last]) = one_of_many_parts().await;
    let a = a.stop().await;
    log.rewind(first);
    let b = start("b", &log).await;
    until("the part is passed", || b.node_seq() > first.0).await;
    let a = start_with(&log, a, |dir| options("a", dir)).await.unwrap();
    until("it follows", || a.node.status().readiness == Readiness::Ready).await;
    equal(&a, &b).await;
    let [saved] = &lost_entries(&a.dir.path().join("ha.db"))[..] else {
        panic!("nothing is saved")
    };
    let lines = std::fs::read_to_string(saved).unwrap().lines().count();
    assert_eq!(lines as u64, last.0 - first.0 + 1);
}

/// Has the database of a node that was stopped stand at an earlier place, as if it had been killed
/// there.
fn killed_at(dir: &TempDir, seq: Seq, hash: RunningHash) {
    let conn = Connection::open(dir.path().join("ha.db")).unwrap();
    conn.execute("DELETE FROM _ha_entries WHERE seq > ?1", [seq.0.cast_signed()]).unwrap();
    let place = "UPDATE _ha_position SET seq = ?1, hash = ?2, transactions = 0";
    conn.execute(place, rusqlite::params![seq.0.cast_signed(), hash.0]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_were_passed_are_applied_if_the_log_has_the_whole_entry_after_all() {
    let (log, a, [first, last]) = one_of_many_parts().await;
    let whole = a.node.status().position;
    let first = a.transport.read(first).await.unwrap().unwrap();
    let mut rest = Vec::new();
    for seq in (first.seq.0 + 1..=last.0).map(Seq) {
        rest.push(a.transport.read(seq).await.unwrap().unwrap().payload);
    }
    let hash = ha_changes::decode(&first.payload).unwrap().meta.unwrap().base.hash;
    let a = a.stop().await;

    // The first part is all that is left; another entry cuts it, and is lost as well.
    log.rewind(first.seq);
    let b = start("b", &log).await;
    until("the part is passed", || b.node_seq() > first.seq.0).await;
    let b = b.stop().await;
    killed_at(&b, first.seq, hash.extend(first.seq, &first.payload));
    log.rewind(first.seq);
    for part in rest {
        raw(&log, std::str::from_utf8(&part).unwrap()).await;
    }
    let a = start_with(&log, a, |dir| options("a", dir)).await.unwrap();
    let b = start_with(&log, b, |dir| options("b", dir)).await.unwrap();
    until("b is there", || b.node_seq() >= last.0).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(101));
    assert_eq!(b.node.status().position, whole);
    for node in [&a, &b] {
        assert_eq!(node.value("SELECT count(*) FROM _ha_skipped").await, Value::Integer(0));
    }
    equal(&a, &b).await;
    let kept = "SELECT seq, payload FROM _ha_entries ORDER BY seq";
    assert_eq!(a.rows(kept).await, b.rows(kept).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_own_entry_at_the_end_proves_nothing_of_those_before_it() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    old.run("INSERT INTO t VALUES(3)").await;
    let last = old.transport.read(Seq(4)).await.unwrap().unwrap().payload;
    let old = old.stop().await;
    let other = another_third(&log).await;
    // The log had lost its end before, and had taken this for void.
    raw(&log, std::str::from_utf8(&last).unwrap()).await;
    becomes(&log, old, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_histories_of_which_only_snapshots_are_left_the_first_listed_counts() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    let (body, seq, hash) = state(&old).await;
    let old = old.stop().await;
    let other = another_third(&log).await;
    store(&other).await;
    put(&other, body, seq, hash).await;
    other.transport.trim(Seq(4)).await.unwrap();
    becomes(&log, old, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_delivered_behind_a_gap_is_not_applied_to_what_nothing_proves() {
    let log = MemoryLog::new();
    let (late, old) = Late::start("a", &log).await;
    for sql in ["CREATE TABLE t(v)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"] {
        old.run(sql).await;
    }
    log.disconnect(&old.transport);
    let other = another_third(&log).await;
    // They say nothing of where they stand.
    raw(&log, "junk").await;
    raw(&log, "junk").await;
    until("the junk", || other.node_seq() == 5).await;
    store(&other).await;
    late.hold_reads();
    let delivered = late.delivered();
    log.reconnect(&old.transport);
    late.has_delivered(delivered + 2).await;
    other.transport.trim(Seq(6)).await.unwrap();
    late.let_reads_go();
    until("it is ready", || old.node_seq() == 5).await;
    equal(&old, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_snapshot_counts_more_than_an_older_one_of_what_the_log_has_lost() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    let (body, seq, hash) = state(&old).await;
    let old = old.stop().await;
    let other = another_third(&log).await;
    put(&other, body, seq, hash).await;
    raw(&log, "junk").await;
    until("the junk", || other.node_seq() == 4).await;
    store(&other).await;
    other.transport.trim(Seq(4)).await.unwrap();
    becomes(&log, old, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_is_gone_on_with_though_a_newer_snapshot_is_of_another_history() {
    let log = MemoryLog::new();
    let old = three_entries(&log).await;
    let (body, seq, hash) = state(&old).await;
    old.stop().await;
    log.rewind(Seq(2));
    let node = start("b", &log).await;
    until("what is left", || node.node_seq() == 2).await;
    store(&node).await;
    put(&node, body, seq, hash).await;
    let node = node.stop().await;
    raw(&log, "junk").await;
    log.open().trim(Seq(3)).await.unwrap();
    let node = start_with(&log, node, |dir| options("b", dir)).await.unwrap();
    until("it goes on", || node.node_seq() >= 3).await;
    assert_eq!(node.value("SELECT group_concat(v) FROM t").await, Value::Text("1".to_owned()));
    node.eventually("INSERT INTO t VALUES(2)").await;
}
