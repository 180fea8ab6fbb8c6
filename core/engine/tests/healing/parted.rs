//! Logs that have gone another way than the database.

use ha_core::{ChangeTransport, Engine, Seq, Value};
use ha_memory::MemoryLog;
use tempfile::TempDir;

use crate::support::stored::store;
use crate::support::{equal, raw, start, until, until_stopped};
use crate::{copied, entries, insert, lost, lost_name, ready, rows, start_in, with_rows};

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_no_longer_fits_is_saved_and_the_log_is_followed() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 5).await;
    let lineage = a.node.status().position.lineage;
    let old = copied(&a);
    let dir = a.stop().await;
    // Somebody whose file is older goes on from where the log was cut.
    log.rewind(Seq(3));
    raw(&log, "what another program says").await;
    let b = start("b", &log).await;
    insert(&b, [30, 40, 50]).await;

    let a = start_in("a", &log, dir).await;
    equal(&a, &b).await;
    ready(&a).await;
    assert_eq!(rows(&a).await, "1,2,30,40,50");
    assert_eq!(lost(&a.dir), [(lost_name(lineage, 4, 6), 3)]);
    insert(&a, [60]).await;
    equal(&a, &b).await;

    let c = start_in("c", &log, old).await;
    equal(&c, &b).await;
    assert_eq!(lost(&c.dir).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_what_the_log_has_lost_is_never_restored() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    store(&a).await;
    insert(&a, [4, 5]).await;
    store(&a).await;
    let dir = a.stop().await;
    log.rewind(Seq(4));
    let b = start("b", &log).await;
    insert(&b, [40, 50]).await;
    b.transport.trim(Seq(5)).await.unwrap();
    let a = start_in("a", &log, dir).await;
    ready(&a).await;
    equal(&a, &b).await;
    assert_eq!(rows(&a).await, "1,2,3,40,50");
    assert_eq!(lost(&a.dir).len(), 1);
    let empty = start("empty", &log).await;
    equal(&empty, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_lands_behind_entries_of_others_is_found_out() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 4).await;
    let dir = a.stop().await;
    // The log loses the entry that the last write was made on and gets another in its place, and
    // the write is stored behind that.
    let write = String::from_utf8(entries(&log).await.pop().unwrap()).unwrap();
    log.rewind(Seq(3));
    let b = start("b", &log).await;
    insert(&b, [30]).await;
    raw(&log, &write).await;

    let a = start_in("a", &log, dir).await;
    ready(&a).await;
    assert_eq!(rows(&a).await, "1,2,30", "though the last entry is the same");
    b.eventually("INSERT INTO t VALUES(50)").await;
    until("a follows", || a.node_seq() == b.node_seq()).await;
    ready(&a).await;
    equal(&a, &b).await;
    assert_eq!(rows(&a).await, "1,2,30,50");
    assert_eq!(lost(&a.dir).len(), 1);
    assert!(lost(&b.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_no_longer_fits_is_noticed_by_a_node_that_runs() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 5).await;
    let lineage = a.node.status().position.lineage;
    log.disconnect(&a.transport);
    log.rewind(Seq(4));
    let b = start("b", &log).await;
    insert(&b, [41, 51, 61]).await;
    log.reconnect(&a.transport);
    equal(&a, &b).await;
    ready(&a).await;
    assert_eq!(rows(&a).await, "1,2,3,41,51,61");
    assert_eq!(lost(&a.dir), [(lost_name(lineage, 5, 6), 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_of_more_than_is_kept_stops_the_node_until_somebody_gives_it_back() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 20).await;
    let b = start("b", &log).await;
    b.reach(&a).await;
    let dir = a.stop().await;
    forget_before(&dir, 15);
    log.disconnect(&b.transport);
    log.rewind(Seq(9));
    let a = start_in("a", &log, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("15 on only") && reason.contains("--new-lineage"), "{reason}");
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(20), "reads go on");
    log.reconnect(&b.transport);
    ready(&a).await;
    insert(&a, [21]).await;
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(21));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_parts_before_all_that_is_kept_stops_the_node() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 20).await;
    let dir = a.stop().await;
    forget_before(&dir, 15);
    log.rewind(Seq(9));
    let b = start("b", &log).await;
    insert(&b, 100..120).await;
    let a = start_in("a", &log, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("from before 15") && reason.contains("away"), "{reason}");
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(20), "nothing is applied");
}

/// What a database with larger entries keeps is less.
fn forget_before(dir: &TempDir, seq: i64) {
    let conn = rusqlite::Connection::open(dir.path().join("ha.db")).unwrap();
    conn.execute("DELETE FROM _ha_entries WHERE seq < ?1", [seq]).unwrap();
}
