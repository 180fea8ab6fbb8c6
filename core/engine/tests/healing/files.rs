//! Files that are old or copied, and logs that say little of theirs.

use ha_core::{ChangeTransport, Engine, Readiness, Seq, Value};
use ha_memory::MemoryLog;
use tempfile::TempDir;

use crate::support::{equal, start, until, until_stopped};
use crate::{
    copied, copied_dir, copy_files, insert, new_lineage, ready, rows, start_in, with_rows,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_catches_up_and_names_its_attempts_anew() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let old = copied(&a);
    insert(&a, [4, 5]).await;
    a.stop().await;
    let a = start_in("a", &log, old).await;
    insert(&a, [6]).await;
    assert_eq!(rows(&a).await, "1,2,3,4,5,6");
    let b = start("b", &log).await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_the_same_name_from_copies_of_one_file_lose_and_double_nothing() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 1).await;
    let (one, two) = (copied(&a), copied(&a));
    a.stop().await;
    let (one, two) = (start_in("a", &log, one).await, start_in("a", &log, two).await);
    tokio::join!(insert(&one, 100..140), insert(&two, 200..240));
    equal(&one, &two).await;
    let found = one.rows("SELECT v FROM t ORDER BY v").await;
    let sent = [1].into_iter().chain(100..140).chain(200..240);
    assert_eq!(found, sent.map(|v| vec![Value::Integer(v)]).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_the_end_of_a_log_that_aged_out_goes_on() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let b = start("b", &log).await;
    b.reach(&a).await;
    let dir = b.stop().await;
    a.transport.trim(Seq(5)).await.unwrap();
    let b = start_in("b", &log, dir).await;
    ready(&b).await;
    insert(&b, [4]).await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_entry_is_trimmed_the_one_after_it_tells() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let (same, other) = (copied(&a), copied(&a));
    a.stop().await;
    // The other database has applied something else at the same place.
    let conn = rusqlite::Connection::open(other.path().join("ha.db")).unwrap();
    conn.execute_batch("UPDATE _ha_position SET hash = zeroblob(32); DELETE FROM _ha_entries")
        .unwrap();
    drop(conn);
    let b = start("b", &log).await;
    until("the log is applied", || b.node_seq() == 4).await;
    insert(&b, [4, 5]).await;
    b.transport.trim(Seq(5)).await.unwrap();
    let same = start_in("same", &log, same).await;
    equal(&same, &b).await;
    let other = start_in("other", &log, other).await;
    let reason = until_stopped(&other).await;
    assert!(reason.contains("other entries"), "{reason}");
    assert_eq!(rows(&other).await, "1,2,3", "nothing is applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_ended_after_it_began_the_log_is_made_good_by_the_next() {
    // A database that goes on from another log.
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let before = copied(&a);
    a.stop().await;
    log.recreate();
    let first = copied_dir(&before);
    new_lineage(&log, first).await.stop().await;
    let a = new_lineage(&log, before).await;
    insert(&a, [4]).await;
    assert_eq!(rows(&a).await, "1,2,3,4");
    equal(&a, &start("b", &log).await).await;

    // A file that was never part of one, with what a crash had left beside it.
    let log = MemoryLog::new();
    let (given, made) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let conn = rusqlite::Connection::open(made.path().join("ha.db")).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(v); INSERT INTO t VALUES(1)")
        .unwrap();
    copy_files(made.path(), given.path());
    start_in("a", &log, copied_dir(&given)).await.stop().await;
    // It has been opened, and its write-ahead log is gone.
    drop(rusqlite::Connection::open(given.path().join("ha.db")).map(|conn| {
        conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap()
    }));
    assert!(!given.path().join("ha.db-wal").exists());
    let a = start_in("a", &log, given).await;
    insert(&a, [2]).await;
    assert_eq!(rows(&a).await, "1,2");
    equal(&a, &start("b", &log).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_has_become_worse_is_not_ready_and_says_why() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 1).await;
    ready(&a).await;
    log.warn(&["the replicas fell from 3 to 1"]);
    let reason = "the replicas fell from 3 to 1".to_owned();
    assert_eq!(a.node.status().readiness, Readiness::Waiting(reason));
    insert(&a, [2]).await;
    log.warn(&[]);
    ready(&a).await;
}
