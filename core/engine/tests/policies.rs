//! Nodes that begin somewhere else than at the log's beginning.

mod support;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ha_core::{ChangeTransport, Engine, Error, Readiness, Result, Seq, Value};
use ha_engine::{BeginAt, Node, NodeOptions};
use ha_memory::MemoryLog;
use rusqlite::Connection;
use support::{Running, equal, options, raw, start, start_with};
use tempfile::TempDir;

async fn start_at(log: &MemoryLog, dir: TempDir, begin_at: BeginAt) -> Result<Running> {
    start_with(log, dir, |dir| NodeOptions { begin_at, ..options("n", dir) }).await
}

async fn migrating(log: &MemoryLog, dir: TempDir, begin_at: BeginAt) -> Result<Running> {
    let with = |dir: &TempDir| NodeOptions { begin_at, compat_v007: true, ..options("m", dir) };
    start_with(log, dir, with).await
}

/// A message of v0.0.7 with one statement.
async fn go(log: &MemoryLog, second: u64, sql: &str) {
    let time = second * 1_000_000_000;
    let text = serde_json::json!({
        "node": "go", "process_id": 1, "timestamp_ns": time,
        "changes": [{"database": "main", "operation": "SQL", "sql": sql}],
    });
    raw(log, &text.to_string()).await;
}

fn backup(sql: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    Connection::open(dir.path().join("ha.db")).unwrap().execute_batch(sql).unwrap();
    dir
}

fn refusal(result: Result<Running>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_begins_in_the_middle_reads_follows_and_never_writes() {
    let rest =
        ["INSERT INTO late VALUES(1)", "UPDATE early SET v = 2", "INSERT INTO late VALUES(2)"];
    for (begin_at, late) in [
        (BeginAt::New, None),
        (BeginAt::Last, Some(2)),
        (BeginAt::Sequence(Seq(3)), Some(2)),
        (BeginAt::Sequence(Seq(99)), None),
    ] {
        let log = MemoryLog::new();
        let a = start("a", &log).await;
        for sql in ["CREATE TABLE early(v)", "INSERT INTO early VALUES(1)", "CREATE TABLE late(v)"]
        {
            a.run(sql).await;
        }
        let mut n = start_at(&log, TempDir::new().unwrap(), begin_at).await.unwrap();
        for sql in rest {
            a.run(sql).await;
        }
        for _ in 0..2 {
            n.reach(&a).await;
            assert!(n.try_run("SELECT * FROM early").await.is_err(), "{begin_at:?}");
            match late {
                Some(rows) => {
                    assert_eq!(n.value("SELECT count(*) FROM late").await, Value::Integer(rows));
                }
                None => assert!(n.try_run("SELECT * FROM late").await.is_err(), "{begin_at:?}"),
            }
            let refused = n.try_run("CREATE TABLE mine(v)").await.unwrap_err();
            assert!(
                matches!(&refused, Error::ReadOnly(why) if why.contains("replication-policy")),
                "{refused}"
            );
            let status = n.node.status();
            assert_eq!(status.readiness, Readiness::Ready);
            assert!(status.read_only.unwrap().contains("not the whole one"));
            // What its file lacks it lacks for ever, whatever it is started with.
            n = start_at(&log, n.stop().await, BeginAt::Beginning).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_begins_with_the_first_entry_has_everything() {
    let log = MemoryLog::new();
    let empty = start_at(&log, TempDir::new().unwrap(), BeginAt::New).await.unwrap();
    empty.run("CREATE TABLE t(v)").await;
    let first = start_at(&log, TempDir::new().unwrap(), BeginAt::Sequence(Seq(1))).await.unwrap();
    first.run("INSERT INTO t VALUES(1)").await;
    equal(&empty, &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_the_whole_log_never_begins_a_new_one() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v)").await;
    let n = start_at(&log, TempDir::new().unwrap(), BeginAt::New).await.unwrap();
    a.run("CREATE TABLE u(v)").await;
    n.reach(&a).await;
    let dir = n.stop().await;
    log.recreate();
    let with = |dir: &TempDir| NodeOptions { new_lineage: true, ..options("n", dir) };
    let text = refusal(start_with(&log, dir, with).await);
    assert!(text.contains("not the whole one"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_v0_0_7_is_brought_to_the_end_of_its_log_and_becomes_the_base() {
    let second = |second| UNIX_EPOCH + Duration::from_secs(second);
    for begin_at in [BeginAt::Sequence(Seq(3)), BeginAt::Time(second(30))] {
        let log = MemoryLog::new();
        go(&log, 10, "CREATE TABLE t(v)").await;
        go(&log, 20, "INSERT INTO t VALUES('in the backup')").await;
        go(&log, 30, "INSERT INTO t VALUES('after it')").await;
        go(&log, 40, "INSERT INTO missing VALUES(1)").await;
        let dir = backup("CREATE TABLE t(v); INSERT INTO t VALUES('in the backup')");
        let copy = TempDir::new().unwrap();
        std::fs::copy(dir.path().join("ha.db"), copy.path().join("ha.db")).unwrap();

        let m = migrating(&log, dir, begin_at).await.unwrap();
        m.eventually("INSERT INTO t VALUES('of this version')").await;
        go(&log, 50, "INSERT INTO t VALUES('of a node of v0.0.7')").await;
        let rows = m.value("SELECT group_concat(v) FROM t").await;
        assert!(format!("{rows:?}").contains("in the backup,after it,of this version"), "{rows:?}");
        // A new node and one with the same backup have the same.
        let (new, same) =
            (start("new", &log).await, migrating(&log, copy, begin_at).await.unwrap());
        new.eventually("INSERT INTO t VALUES('of a new node')").await;
        equal(&m, &new).await;
        equal(&m, &same).await;
        assert_eq!(m.value("SELECT count(*) FROM t").await, Value::Integer(5));
    }
}

/// So does a node with a server of its own before it lets others in.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_ended_after_it_made_the_base_is_made_good_by_the_next() {
    for first in [2, 4] {
        let log = MemoryLog::new();
        go(&log, 10, "CREATE TABLE t(v)").await;
        go(&log, 20, "INSERT INTO t VALUES(1)").await;
        go(&log, 30, "CREATE TABLE late(v)").await;
        let dir = match first {
            2 => backup("CREATE TABLE t(v)"),
            _ => backup("CREATE TABLE t(v); INSERT INTO t VALUES(1); CREATE TABLE late(v)"),
        };
        let begin_at = BeginAt::Sequence(Seq(first));
        let with = NodeOptions { begin_at, compat_v007: true, ..options("m", &dir) };
        let transport: Arc<dyn ChangeTransport> = log.open();
        Node::prepare(&with, &transport).await.unwrap();
        let m = migrating(&log, dir, begin_at).await.unwrap();
        m.eventually("INSERT INTO late SELECT v FROM t").await;
        equal(&m, &start("new", &log).await).await;
        assert_eq!(m.value("SELECT v FROM late").await, Value::Integer(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_brought_into_a_log_that_nodes_of_this_version_have_begun() {
    let log = MemoryLog::new();
    go(&log, 10, "CREATE TABLE t(v)").await;
    let a = start("a", &log).await;
    a.run("INSERT INTO t VALUES(1)").await;
    let end = a.transport.bounds().await.unwrap().last;
    let dir = backup("CREATE TABLE t(v)");
    let text = refusal(migrating(&log, dir, BeginAt::Sequence(Seq(2))).await);
    assert!(text.contains("begun without this file"), "{text}");
    let dir = backup("CREATE TABLE t(v)");
    let text = refusal(start_at(&log, dir, BeginAt::Sequence(Seq(2))).await);
    assert!(text.contains("--compat v0.0.7"), "{text}");
    assert_eq!(a.transport.bounds().await.unwrap().last, end);
    assert_eq!(a.transport.snapshots().await.unwrap(), []);
}
