//! Where the log begins: which files go with which logs.

mod support;

use std::path::Path;

use futures::TryStreamExt;
use ha_core::{ChangeTransport, Engine, Error, Readiness, Result, Seq, Value};
use ha_engine::{Found, NodeOptions, inspect};
use ha_memory::{Fault, MemoryLog, MemoryOptions};
use rusqlite::Connection;
use support::{Running, equal, options, start, start_with, until, until_stopped};
use tempfile::TempDir;

/// A directory with a database that no node has seen.
fn foreign(sql: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    Connection::open(dir.path().join("ha.db")).unwrap().execute_batch(sql).unwrap();
    dir
}

/// A directory with a copy of the file in another.
fn copied(from: &Path) -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::copy(from.join("ha.db"), dir.path().join("ha.db")).unwrap();
    dir
}

async fn start_in(name: &str, log: &MemoryLog, dir: TempDir) -> Result<Running> {
    start_with(log, dir, |dir| options(name, dir)).await
}

async fn start_as(
    log: &MemoryLog,
    dir: TempDir,
    change: impl FnOnce(&mut NodeOptions),
) -> Result<Running> {
    start_with(log, dir, |dir| {
        let mut options = options("n", dir);
        change(&mut options);
        options
    })
    .await
}

/// The snapshot of a node as the file of another.
async fn snapshot(node: &Running) -> TempDir {
    let dir = TempDir::new().unwrap();
    let chunks: Vec<_> = node.node.snapshot().await.unwrap().body.try_collect().await.unwrap();
    std::fs::write(dir.path().join("ha.db"), chunks.concat()).unwrap();
    dir
}

fn refusal(result: Result<Running>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(running) => panic!("{} started", running.dir.path().display()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_an_empty_stream_is_the_base_that_empty_nodes_restore() {
    for pragma in [
        "",
        "PRAGMA page_size = 512;",
        "PRAGMA page_size = 65536;",
        "PRAGMA journal_mode = WAL;",
        "PRAGMA auto_vacuum = 2;",
    ] {
        let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE TABLE loose(v); \
                      INSERT INTO t(v) VALUES('a'),('b'); INSERT INTO loose VALUES(1),(2),(3); \
                      DELETE FROM loose WHERE v = 2; PRAGMA user_version = 9;";
        let log = MemoryLog::new();
        let early = start("early", &log).await;
        let a = start_in("a", &log, foreign(&format!("{pragma} {schema}"))).await.unwrap();
        let late = start("late", &log).await;
        a.run("INSERT INTO t(v) VALUES('c')").await;
        for node in [&early, &late] {
            equal(&a, node).await;
            assert_eq!(node.value("PRAGMA user_version").await, Value::Integer(9));
            let rowids = "SELECT group_concat(rowid) FROM loose WHERE v < 4";
            assert_eq!(node.value(rowids).await, Value::from("1,3"), "{pragma}");
            node.run("INSERT INTO loose VALUES(4); INSERT INTO t(v) VALUES('d')").await;
            a.reach(node).await;
        }
        equal(&a, &late).await;
        assert_eq!(late.value("PRAGMA integrity_check").await, Value::from("ok"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_very_same_file_is_accepted_on_another_node_and_no_other_is() {
    let log = MemoryLog::new();
    let dir = foreign("CREATE TABLE t(v); INSERT INTO t VALUES(1)");
    let same = copied(dir.path());
    let a = start_in("a", &log, dir).await.unwrap();
    a.run("INSERT INTO t VALUES(2)").await;
    let b = start_in("b", &log, same).await.unwrap();
    equal(&a, &b).await;
    let other = foreign("CREATE TABLE t(v); INSERT INTO t VALUES(7)");
    let text = refusal(start_in("c", &log, other).await);
    assert!(text.contains("no position") && text.contains("import"), "{text}");
}

/// Both have the same state, so that it does not matter whose entry it is.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_file_that_start_at_the_same_moment_begin_one_log() {
    for _ in 0..10 {
        let log = MemoryLog::new();
        let dir = foreign("CREATE TABLE t(v); INSERT INTO t VALUES(1)");
        let same = copied(dir.path());
        let (a, b) = tokio::join!(start_in("a", &log, dir), start_in("b", &log, same));
        let (a, b) = (a.unwrap(), b.unwrap());
        let late = start("late", &log).await;
        late.run("INSERT INTO t VALUES(2)").await;
        equal(&a, &b).await;
        equal(&a, &late).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_restores_a_base_asks_the_log_too_whether_it_has_all() {
    let log = MemoryLog::with(MemoryOptions { exact_bounds: false, ..MemoryOptions::default() });
    let a = start_in("a", &log, foreign("CREATE TABLE t(v)")).await.unwrap();
    let ready = |node: &Running| node.node.status().readiness == Readiness::Ready;
    until("a is ready", || ready(&a)).await;
    let end = a.node_seq();
    for fault in [Fault::SendLost, Fault::SendLost] {
        log.inject(fault);
    }
    let b = start("b", &log).await;
    until("b is ready", || ready(&b)).await;
    assert!(b.node_seq() > end, "it has not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_beside_the_file_is_a_part_of_it() {
    let log = MemoryLog::new();
    let (crashed, without) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let made = TempDir::new().unwrap();
    let conn = Connection::open(made.path().join("ha.db")).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(v); PRAGMA wal_checkpoint; INSERT INTO t VALUES('in the log file')").unwrap();
    for name in ["ha.db", "ha.db-wal"] {
        std::fs::copy(made.path().join(name), crashed.path().join(name)).unwrap();
    }
    std::fs::copy(made.path().join("ha.db"), without.path().join("ha.db")).unwrap();
    let a = start_in("a", &log, crashed).await.unwrap();
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(1));
    refusal(start_in("b", &log, without).await);
    let c = start("c", &log).await;
    equal(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_no_node_could_restore_is_refused() {
    let log = MemoryLog::new();
    let dir = foreign("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(v); INSERT INTO t VALUES('a')");
    let text = refusal(start_in("a", &log, dir).await);
    assert!(text.contains("UTF-16le") && text.contains(".dump"), "{text}");
    assert_eq!(log.open().bounds().await.unwrap().last, Seq::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_own_file_and_a_copy_of_it_resume() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    let copy = snapshot(&a).await;
    assert!(
        matches!(inspect(&copy.path().join("ha.db")), Ok(Found::Position(at)) if at.seq == Seq(1))
    );
    let dir = a.stop().await;
    b.run("INSERT INTO t VALUES(1)").await;
    let a = start_in("a", &log, dir).await.unwrap();
    equal(&a, &b).await;
    let c = start_in("c", &log, copy).await.unwrap();
    equal(&c, &b).await;
    c.run("INSERT INTO t VALUES(2)").await;
    equal(&c, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_a_stream_that_was_made_again_stands_still_unless_told_otherwise() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v)").await;
    a.run("CREATE INDEX i ON t(v)").await;
    let first = a.node.status().position;
    let dir = a.stop().await;
    log.recreate();

    let a = start_in("a", &log, dir).await.unwrap();
    let reason = until_stopped(&a).await;
    assert!(reason.contains("--new-lineage"), "{reason}");
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(0), "reads go on");
    assert!(matches!(a.try_run("INSERT INTO t VALUES(1)").await, Err(Error::NotReady(_))));
    let dir = a.stop().await;

    let a = start_as(&log, dir, |options| options.new_lineage = true).await.unwrap();
    let b = start("b", &log).await;
    let kept = "SELECT seq, payload FROM _ha_entries";
    assert_eq!(
        a.rows("SELECT seq FROM _ha_entries").await,
        [[Value::Integer(1)]],
        "none of the old log"
    );
    b.reach(&a).await;
    assert_eq!(a.rows(kept).await, b.rows(kept).await);
    a.run("INSERT INTO t VALUES(1); ANALYZE").await;
    equal(&a, &b).await;
    assert_ne!(a.node.status().position.lineage, first.lineage);
    let dir = a.stop().await;
    let text = refusal(start_as(&log, dir, |options| options.new_lineage = true).await);
    assert!(text.contains("already holds a log"), "{text}");

    let dir = b.stop().await;
    log.recreate();
    let b = start_as(&log, dir, |options| options.own_stream = true).await.unwrap();
    b.run("INSERT INTO t VALUES(2)").await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_on_a_stream_whose_beginning_is_gone_never_answers() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    for sql in ["CREATE TABLE t(v)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"] {
        a.run(sql).await;
    }
    a.transport.trim(Seq(3)).await.unwrap();
    let b = start("b", &log).await;
    let reason = until_stopped(&b).await;
    assert!(reason.contains("copy of the database"), "{reason}");
    for sql in ["SELECT 1", "INSERT INTO t VALUES(1)"] {
        assert!(matches!(b.try_run(sql).await, Err(Error::NotReady(_))), "{sql}");
    }
    assert!(matches!(b.node.snapshot().await, Err(Error::NotReady(_))));
    let c = start_in("c", &log, snapshot(&a).await).await.unwrap();
    equal(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_the_streams_beginning_stands_still() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    let dir = b.stop().await;
    for _ in 0..3 {
        a.run("INSERT INTO t VALUES(1)").await;
    }
    a.transport.trim(Seq(4)).await.unwrap();
    let b = start_in("b", &log, dir).await.unwrap();
    let reason = until_stopped(&b).await;
    assert!(reason.contains("newer copy"), "{reason}");
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(0), "nothing is applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_without_a_loss_changes_nothing() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    for _ in 0..20 {
        log.disconnect(&a.transport);
        b.run("INSERT INTO t VALUES(1)").await;
        log.reconnect(&a.transport);
        a.eventually("INSERT INTO t VALUES(2)").await;
    }
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM t").await, Value::Integer(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_file_format_is_refused() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v)").await;
    let dir = a.stop().await;
    let conn = Connection::open(dir.path().join("ha.db")).unwrap();
    conn.execute_batch("UPDATE _ha_position SET format = 99").unwrap();
    drop(conn);
    let text = refusal(start_in("a", &log, dir).await);
    assert!(text.contains("newer") && text.contains("update"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_moves_with_the_rows_through_a_crash() {
    let log = MemoryLog::new();
    let a = start("a", &log).await;
    a.run("CREATE TABLE t(v)").await;
    for v in 0..30 {
        a.run(&format!("INSERT INTO t VALUES({v})")).await;
        if v % 10 == 5 {
            // What a crash leaves: the files as they are, at any moment.
            let dir = TempDir::new().unwrap();
            for name in ["ha.db", "ha.db-wal"] {
                std::fs::copy(a.dir.path().join(name), dir.path().join(name)).unwrap();
            }
            let conn = Connection::open(dir.path().join("ha.db")).unwrap();
            let (seq, rows): (i64, i64) = conn
                .query_row("SELECT (SELECT seq FROM _ha_position), count(*) FROM t", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(seq, rows + 1);
            drop(conn);
            let b = start_in("b", &log, dir).await.unwrap();
            equal(&a, &b).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_entries_are_kept_and_not_more() {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    for _ in 0..1_010 {
        a.run("INSERT INTO t VALUES(1)").await;
    }
    equal(&a, &b).await;
    for node in [&a, &b] {
        let kept = node.rows("SELECT count(*), min(seq), max(seq) FROM _ha_entries").await;
        assert_eq!(kept, [[Value::Integer(1_000), Value::Integer(12), Value::Integer(1_011)]]);
    }
    let entries = "SELECT seq, payload FROM _ha_entries";
    assert_eq!(a.rows(entries).await, b.rows(entries).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_log_does_not_start() {
    let log = MemoryLog::new();
    let transport = log.open();
    log.disconnect(&transport);
    let dir = TempDir::new().unwrap();
    let started = ha_engine::Node::start(options("a", &dir), transport).await;
    assert!(matches!(started, Err(Error::Transport { .. })));
}
