//! Logs that have lost their end, gone another way or were made again, and files that are old,
//! copied or from elsewhere.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ha_core::{
    Batch, ChangeTransport, Engine, Error, IdempotencyKey, Lineage, Readiness, RunningHash, Seq,
    SnapshotMeta, Value,
};
use ha_engine::NodeOptions;
use ha_memory::{Fault, MemoryLog};
use sha2::{Digest, Sha256};
use support::stored::{self, put, state};
use support::{Running, batch, equal, options, raw, start, start_with, until, until_stopped};
use tempfile::TempDir;

async fn start_in(name: &str, log: &MemoryLog, dir: TempDir) -> Running {
    start_with(log, dir, |dir| options(name, dir)).await.unwrap()
}

async fn new_lineage(log: &MemoryLog, dir: TempDir) -> Running {
    let options = |dir: &TempDir| NodeOptions { new_lineage: true, ..options("new lineage", dir) };
    start_with(log, dir, options).await.unwrap()
}

/// A node with a table and the rows 1 to `rows`, each an entry of its own.
async fn with_rows(name: &str, log: &MemoryLog, rows: u32) -> Running {
    let node = start(name, log).await;
    node.run("CREATE TABLE t(v)").await;
    insert(&node, 1..=rows).await;
    node
}

async fn insert(node: &Running, rows: impl IntoIterator<Item = u32>) {
    for row in rows {
        node.run(&format!("INSERT INTO t VALUES({row})")).await;
    }
}

/// Inserts a row as soon as that is possible, once even if nobody knew what had become of it.
async fn once(node: &Running, row: u32) {
    node.eventually(&format!("INSERT INTO t SELECT {row} WHERE {row} NOT IN (SELECT v FROM t)"))
        .await;
}

/// The rows, in the order of their rowids.
async fn rows(node: &Running) -> String {
    match node.value("SELECT coalesce(group_concat(v), '') FROM t").await {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

async fn ready(node: &Running) {
    until("the node is ready", || node.node.status().readiness == Readiness::Ready).await;
}

/// As [`equal`], once the node follows the same log as `other`.
async fn follows(node: &Running, other: &Running) {
    let lineage = |node: &Running| node.node.status().position.lineage;
    until("the log is followed", || lineage(node) == lineage(other)).await;
    equal(node, other).await;
}

/// Everything the log holds.
async fn entries(log: &MemoryLog) -> Vec<Vec<u8>> {
    let transport = log.open();
    let bounds = transport.bounds().await.unwrap();
    let mut entries = Vec::new();
    for seq in bounds.first.0..=bounds.last.0 {
        entries.push(transport.read(Seq(seq)).await.unwrap().unwrap().payload.to_vec());
    }
    entries
}

/// The files with lost entries beside a database, and how many entries each has.
fn lost(dir: &TempDir) -> Vec<(String, usize)> {
    let paths = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_lost = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    let describe = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap().lines().count())
    };
    paths.filter(is_lost).map(describe).collect()
}

fn lost_name(lineage: Lineage, first: u64, last: u64) -> String {
    format!("ha.db.lost-{lineage}-{first}-{last}.jsonl")
}

/// Copies the files of a node that was not stopped, as a crash or a backup leaves them.
fn copied(node: &Running) -> TempDir {
    copied_dir(&node.dir)
}

fn copied_dir(from: &TempDir) -> TempDir {
    let dir = TempDir::new().unwrap();
    copy_files(from.path(), dir.path());
    dir
}

fn copy_files(from: &Path, to: &Path) {
    for name in ["ha.db", "ha.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Its server tells another moment of its creation.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_the_same_is_gone_on_with_though_its_lineage_is_another() {
    let log = MemoryLog::new();
    let (a, b) = (with_rows("a", &log, 3).await, start("b", &log).await);
    equal(&a, &b).await;
    let stopped = b.stop().await;
    let before = a.node.status().position;
    log.rename();
    let lineage = a.transport.bounds().await.unwrap().lineage;
    assert_ne!(before.lineage, lineage);
    once(&a, 4).await;
    // One that was away, one that applies entries of both lineages, one that comes later still.
    let b = start_in("b", &log, stopped).await;
    let late = start("late", &log).await;
    insert(&late, [5]).await;
    log.rename();
    once(&b, 6).await;
    for node in [&b, &late, &start("latest", &log).await] {
        follows(node, &a).await;
        assert_eq!(rows(node).await, "1,2,3,4,5,6");
        assert_eq!(node.rows("SELECT seq FROM _ha_skipped").await.len(), 0);
        assert_eq!(node.node.status().readiness, Readiness::Ready);
    }
    let oldest = a.value("SELECT min(seq) FROM _ha_entries").await;
    assert_eq!(oldest, Value::Integer(1), "all are kept still");
    assert_eq!(lost(&a.dir), []);
}

/// And restored by who needs them, as far as an entry proves that they are of this log.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_a_log_are_good_under_its_next_lineage() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let snapshot = stored::store(&a).await;
    let stranger = with_rows("a stranger", &MemoryLog::new(), 4).await;
    let (body, seq, hash) = state(&stranger).await;
    put(&a, body, seq, hash).await;
    insert(&a, [4, 5]).await;
    log.rename();
    once(&a, 6).await;
    a.transport.trim(snapshot.seq.next()).await.unwrap();
    let b = start("b", &log).await;
    follows(&b, &a).await;
    assert_eq!(rows(&b).await, "1,2,3,4,5,6");
    assert_ne!(b.node.status().position.lineage, snapshot.lineage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lineage_gets_back_the_end_it_has_lost() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 5).await;
    let before = entries(&log).await;
    let dir = a.stop().await;
    log.rewind(Seq(3));
    log.rename();
    let a = start_in("a", &log, dir).await;
    ready(&a).await;
    assert_eq!(entries(&log).await, before);
    log.rewind(Seq(4));
    log.rename();
    until("the end is there again", || a.node.status().readiness == Readiness::Ready).await;
    once(&a, 6).await;
    assert_eq!(entries(&log).await[..6], before);
    assert_eq!(rows(&a).await, "1,2,3,4,5,6");
}

/// A stream of another cluster, as long as this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lineage_with_other_entries_is_left_alone() {
    let (log, other) = (MemoryLog::new(), MemoryLog::new());
    let dir = with_rows("a", &log, 3).await.stop().await;
    let b = with_rows("b", &other, 3).await;
    other.rename();
    let a = start_in("a", &other, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("not the one this database follows"), "{reason}");
    b.eventually("INSERT INTO t VALUES(4)").await;
    assert_eq!(rows(&a).await, "1,2,3");
}

/// What was on its way to the old stream was stored in the new one, at the same place.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lineage_is_not_the_same_because_its_last_entry_is() {
    let (log, other) = (MemoryLog::new(), MemoryLog::new());
    let dir = with_rows("a", &log, 3).await.stop().await;
    let late = entries(&log).await.pop().unwrap();
    let b = with_rows("b", &other, 2).await;
    raw(&other, std::str::from_utf8(&late).unwrap()).await;
    assert_eq!(b.transport.bounds().await.unwrap().last, log.open().bounds().await.unwrap().last);
    other.rename();
    let a = start_in("a", &other, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("not the one this database follows"), "{reason}");
    assert_eq!(rows(&a).await, "1,2,3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_is_appended_again_byte_for_byte_by_a_node_that_starts() {
    for kept in [0, 1, 2, 5] {
        let log = MemoryLog::new();
        let a = with_rows("a", &log, 5).await;
        let before = entries(&log).await;
        let dir = a.stop().await;
        log.rewind(Seq(kept));
        let a = start_in("a", &log, dir).await;
        assert_eq!(entries(&log).await, before);
        insert(&a, [6]).await;
        assert_eq!(rows(&a).await, "1,2,3,4,5,6");
        let b = start("b", &log).await;
        equal(&a, &b).await;
        assert!(lost(&a.dir).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_is_appended_again_while_nodes_run_and_only_once() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 10).await;
    let nodes = [start("b", &log).await, start("c", &log).await, start("d", &log).await, a];
    for node in &nodes {
        node.reach(&nodes[3]).await;
    }
    let before = entries(&log).await;
    for kept in [9, 4, 0] {
        log.rewind(Seq(kept));
        until("the log is whole", || {
            futures::executor::block_on(nodes[0].transport.bounds()).unwrap().last >= Seq(11)
        })
        .await;
        assert_eq!(entries(&log).await, before);
    }
    for (node, row) in nodes.iter().zip(11..) {
        node.eventually(&format!("INSERT INTO t VALUES({row})")).await;
    }
    for node in &nodes {
        equal(node, &nodes[0]).await;
    }
    assert_eq!(rows(&nodes[0]).await, "1,2,3,4,5,6,7,8,9,10,11,12,13,14");
}

/// Nodes write while the log loses its end again and again: what was acknowledged is in every
/// database, once, or in the files of those who could not give it back. A log that goes back
/// under a write on its way takes back what had decided on it, so that the write may be executed
/// again: the keys make it one.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_doubled_while_the_log_loses_its_end_under_load() {
    const REWINDS: u64 = 12;
    let log = MemoryLog::new();
    let first = start("a", &log).await;
    first.run("CREATE TABLE t(v TEXT)").await;
    let nodes = [first, start("b", &log).await, start("c", &log).await];
    let (done, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let writers = nodes.iter().zip(["a", "b", "c"]).map(async |(node, name)| {
        for row in 0.. {
            if done.load(Ordering::SeqCst) {
                break;
            }
            let id = format!("{name}{row};");
            let insert = batch(&format!("INSERT INTO t VALUES('{id}')"));
            let insert = Batch { key: Some(IdempotencyKey::new(&id).unwrap()), ..insert };
            if node.session().await.run(insert).await.is_ok() {
                told.lock().unwrap().push(id);
            }
        }
    });
    let rewinding = async {
        for round in 0..REWINDS {
            let before = told.lock().unwrap().len();
            until("some writes", || told.lock().unwrap().len() > before + 20).await;
            for node in &nodes {
                ready(node).await;
            }
            let last = log.open().bounds().await.unwrap().last;
            log.rewind(Seq(last.0.saturating_sub(1 + round % 5)));
        }
        done.store(true, Ordering::SeqCst);
    };
    futures::join!(futures::future::join_all(writers), rewinding);
    for node in &nodes {
        ready(node).await;
    }
    nodes[1].eventually("INSERT INTO t VALUES('end')").await;
    for node in &nodes {
        equal(node, &nodes[1]).await;
    }
    let saved: String = nodes
        .iter()
        .flat_map(|node| lost(&node.dir).into_iter().map(|(name, _)| node.dir.path().join(name)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let there = rows(&nodes[0]).await;
    let told = told.into_inner().unwrap();
    for id in &told {
        let times = there.split(',').filter(|row| row == id).count();
        assert!(times == 1 || times == 0 && saved.contains(id), "{id} is there {times} times");
    }
    let everybody = nodes[0].value("SELECT count(*) - count(DISTINCT v) FROM t").await;
    assert_eq!(everybody, Value::Integer(0), "nothing is there twice");
    assert!(told.len() > 200, "{} writes", told.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_while_a_lost_end_is_appended_double_nothing() {
    for fault in [Fault::AckLost, Fault::SendLost, Fault::Delayed] {
        let log = MemoryLog::new();
        let a = with_rows("a", &log, 5).await;
        let before = entries(&log).await;
        let dir = a.stop().await;
        log.rewind(Seq(2));
        (0..3).for_each(|_| log.inject(fault));
        let starting = start_in("a", &log, dir);
        let releasing = async {
            loop {
                log.release();
                tokio::task::yield_now().await;
            }
        };
        let a = tokio::select! { a = starting => a, () = releasing => unreachable!() };
        assert_eq!(entries(&log).await, before, "{fault:?}");
        insert(&a, [6]).await;
        assert_eq!(rows(&a).await, "1,2,3,4,5,6");
    }
}

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

/// Stores the node's state as a snapshot.
async fn store(node: &Running) {
    let snapshot = node.node.snapshot().await.unwrap();
    let body: Vec<_> = snapshot.body.try_collect().await.unwrap();
    let body = Bytes::from(body.concat());
    let Value::Blob(hash) = node.value("SELECT hash FROM _ha_position").await else { panic!() };
    let meta = SnapshotMeta {
        digest: Sha256::digest(&body).into(),
        bytes: body.len() as u64,
        lineage: snapshot.position.lineage,
        seq: snapshot.position.seq,
        hash: RunningHash(hash.try_into().unwrap()),
    };
    node.transport.put_snapshot(meta, stream::iter([Ok(body)]).boxed()).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_made_again_is_adopted_by_who_has_the_same_and_followed_by_others() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 5).await;
    let lineage = a.node.status().position.lineage;
    let behind = start("behind", &log).await;
    behind.reach(&a).await;
    let behind = behind.stop().await;
    insert(&a, [6]).await;
    let keyed = Batch {
        key: Some(IdempotencyKey::new("seven").unwrap()),
        ..batch("INSERT INTO t VALUES(7)")
    };
    let first = a.session().await.run(keyed.clone()).await.unwrap();
    let (same, running, ahead) =
        (start("same", &log).await, start("running", &log).await, start("ahead", &log).await);
    for node in [&same, &running, &ahead] {
        node.reach(&a).await;
    }
    log.disconnect(&running.transport);
    let (a, same) = (a.stop().await, same.stop().await);
    insert(&ahead, [8, 9]).await;
    let ahead = ahead.stop().await;

    log.recreate();
    let a = new_lineage(&log, a).await;
    insert(&a, [70]).await;
    let behind = start_in("behind", &log, behind).await;
    follows(&behind, &a).await;
    assert!(lost(&behind.dir).is_empty(), "it had nothing of its own");
    let ahead = start_in("ahead", &log, ahead).await;
    follows(&ahead, &a).await;
    assert_eq!(lost(&ahead.dir), [(lost_name(lineage, 9, 10), 2)]);

    // Who has the same needs no transfer.
    let stored = a.transport.snapshots().await.unwrap();
    assert_eq!(stored.len(), 1);
    a.transport.remove_snapshot(&stored[0]).await.unwrap();
    let same = start_in("same", &log, same).await;
    log.reconnect(&running.transport);
    for node in [&same, &running] {
        follows(node, &a).await;
        ready(node).await;
        assert!(lost(&node.dir).is_empty());
    }
    running.eventually("INSERT INTO t VALUES(80)").await;
    a.reach(&running).await;
    let keys = "SELECT * FROM _ha_keys";
    for node in [&behind, &ahead, &same, &running, &a] {
        equal(node, &a).await;
        // What was answered in the old log is not done again in the new one.
        assert_eq!(node.session().await.run(keyed.clone()).await.unwrap().results, first.results);
        assert_eq!(rows(node).await, "1,2,3,4,5,6,7,70,80");
        assert_eq!(node.rows(keys).await, a.rows(keys).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_on_an_empty_log_goes_on_once_somebody_begins_it() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let b = start("b", &log).await;
    b.reach(&a).await;
    let dir = a.stop().await;
    log.recreate();
    let reason = until_stopped(&b).await;
    assert!(reason.contains("--new-lineage"), "{reason}");
    assert_eq!(rows(&b).await, "1,2,3", "reads go on");
    assert!(matches!(b.try_run("INSERT INTO t VALUES(9)").await, Err(Error::NotReady(_))));
    let a = new_lineage(&log, dir).await;
    follows(&b, &a).await;
    ready(&b).await;
    insert(&b, [4]).await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_the_state_that_the_log_goes_on_from_the_instructions_lead_out() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    let b = start("b", &log).await;
    b.reach(&a).await;
    let (a, b) = (a.stop().await, b.stop().await);
    // What both have is lost, and what was before is trimmed: the log goes on from a state without row 3.
    log.rewind(Seq(3));
    let stranger = log.open();
    stranger.trim(Seq(4)).await.unwrap();
    raw(&log, "junk").await;
    let (a, b) = (start_in("a", &log, a).await, start_in("b", &log, b).await);
    for node in [&a, &b] {
        let reason = until_stopped(node).await;
        assert!(reason.contains("delete the stream"), "{reason}");
        assert!(reason.contains("start the node that is furthest with --new-lineage"), "{reason}");
    }
    let (a, b) = (a.stop().await, b.stop().await);
    log.recreate();
    let a = new_lineage(&log, a).await;
    let b = start_in("b", &log, b).await;
    insert(&b, [4]).await;
    equal(&a, &b).await;
    assert_eq!(rows(&a).await, "1,2,3,4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_strangers_is_never_followed() {
    let (log, strangers) = (MemoryLog::new(), MemoryLog::new());
    let a = with_rows("a", &log, 3).await;
    let other = with_rows("other", &strangers, 1).await;
    let dir = other.stop().await;
    strangers.recreate();
    let base = new_lineage(&strangers, dir).await;
    let dir = a.stop().await;
    let a = start_in("a", &strangers, dir).await;
    let reason = until_stopped(&a).await;
    assert!(reason.contains("another cluster's"), "{reason}");
    assert_eq!(rows(&a).await, "1,2,3");
    assert_eq!(rows(&base).await, "1");
    assert!(lost(&a.dir).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_strangers_is_not_followed_although_its_beginning_is_gone() {
    let log = MemoryLog::new();
    let a = with_rows("a", &log, 3).await;
    log.disconnect(&a.transport);
    log.recreate();
    let strange = with_rows("strange", &log, 20).await;
    store(&strange).await;
    strange.transport.trim(Seq(15)).await.unwrap();
    insert(&strange, [21]).await;
    log.reconnect(&a.transport);
    let reason = until_stopped(&a).await;
    assert!(reason.contains("another cluster's"), "{reason}");
    assert_eq!(rows(&a).await, "1,2,3");
    let dir = a.stop().await;
    let a = start_in("a", &log, dir).await;
    until_stopped(&a).await;
    assert_eq!(rows(&a).await, "1,2,3");
}

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
