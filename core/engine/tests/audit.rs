//! Nodes compare their states: a change that did not come by the log is found and named.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ha_core::{Batch, ChangeTransport, Engine, IdempotencyKey, ReadLevel, Readiness, Seq, Value};
use ha_memory::MemoryLog;
use support::{
    PATIENCE, Running, batch, behind_its_back, options, start_with, until, until_stopped,
};
use tempfile::TempDir;

async fn auditing(name: &str, log: &MemoryLog) -> Running {
    let with = |dir: &TempDir| ha_engine::NodeOptions {
        audit_interval: Some(Duration::from_millis(20)),
        ..options(name, dir)
    };
    start_with(log, TempDir::new().unwrap(), with).await.unwrap()
}

async fn three(log: &MemoryLog) -> [Running; 3] {
    [auditing("a", log).await, auditing("b", log).await, auditing("c", log).await]
}

/// Compares what SQL sees. The position moves on with audits.
async fn alike(a: &Running, b: &Running) {
    a.reach(b).await;
    b.reach(a).await;
    assert_eq!(a.dump().await, b.dump().await);
}

fn why_not_ready(node: &Running) -> Option<String> {
    match node.node.status().readiness {
        Readiness::Ready => None,
        Readiness::Waiting(reason) | Readiness::Stopped(reason) => Some(reason),
    }
}

/// Agreements of a node that differ in their mark, until there are so many.
async fn agreed(node: &Running, count: usize) {
    let mut marks = BTreeSet::new();
    let counting = async {
        while marks.len() < count {
            if let Some(audit) = node.node.health().await.audit {
                assert_eq!(audit.difference, None, "at {}", audit.mark);
                if audit.nodes == 3 {
                    marks.insert(audit.mark);
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 2, counting).await.expect("the nodes agree");
}

/// What a busy client does, in turn `n` of client `who`.
fn busy(who: usize, n: usize) -> String {
    match n % 8 {
        0 => {
            format!("CREATE TABLE IF NOT EXISTS t{who}_{n}(a INTEGER PRIMARY KEY AUTOINCREMENT, b)")
        }
        1 => "INSERT INTO f SELECT 'word' || random()".to_owned(),
        2 => "REPLACE INTO w SELECT random() % 50, randomblob(10)".to_owned(),
        3 => "UPDATE t SET b = random() WHERE a % 7 = 3".to_owned(),
        4 => "DELETE FROM t WHERE a % 11 = 5; DELETE FROM f WHERE rowid % 5 = 1".to_owned(),
        5 => format!("ALTER TABLE t{who}_{} ADD COLUMN c DEFAULT 7", n - 5),
        6 => format!("DROP TABLE t{who}_{}; PRAGMA user_version = {n}", n - 6),
        _ => "INSERT INTO t(b) VALUES(random()),(NULL); ANALYZE".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_in_a_busy_cluster_that_is_sound() {
    let log = MemoryLog::new();
    let nodes = three(&log).await;
    let schema = "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE VIRTUAL TABLE f USING fts5(x); \
                  CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID";
    nodes[0].run(schema).await;
    let working = AtomicBool::new(true);
    let work = async |who: usize| {
        for n in (0..).take_while(|_| working.load(Ordering::Relaxed)) {
            let key = IdempotencyKey::new(format!("{who}-{n}")).unwrap();
            let keyed = Batch { key: Some(key), ..batch(&busy(who, n)) };
            nodes[who].session().await.run(keyed).await.unwrap();
            let strong = Batch {
                reads: ReadLevel { strong: true, ..ReadLevel::default() },
                ..batch("SELECT count(*) FROM t")
            };
            nodes[who].session().await.run(strong).await.unwrap();
        }
    };
    let audits = async {
        agreed(&nodes[0], 30).await;
        working.store(false, Ordering::Relaxed);
    };
    tokio::join!(work(0), work(1), work(2), audits);
    for node in &nodes {
        assert_eq!(node.node.health().await.audit.unwrap().difference, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_found_and_named_and_the_node_becomes_what_the_log_says() {
    let log = MemoryLog::new();
    let nodes = three(&log).await;
    nodes[0].run("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE other(a)").await;
    nodes[0]
        .run("INSERT INTO t VALUES(1, 'right'),(2, 'right'); INSERT INTO other VALUES(1)")
        .await;
    alike(&nodes[0], &nodes[1]).await;
    alike(&nodes[0], &nodes[2]).await;
    behind_its_back(&nodes[1], "UPDATE t SET b = 'wrong' WHERE a = 2");
    let reason = found(&nodes[0], &nodes[1]).await;
    assert!(reason.is_empty() || reason.ends_with(": t"), "{reason}");
    ready_again(&nodes[1]).await;
    for node in [&nodes[0], &nodes[2]] {
        alike(node, &nodes[1]).await;
        assert_eq!(why_not_ready(node), None);
    }
    assert_eq!(nodes[1].node.health().await.audit.unwrap().difference, None);
}

async fn ready_again(node: &Running) {
    let ready = tokio::time::timeout(PATIENCE, async {
        while why_not_ready(node).is_some() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(ready.await.is_ok(), "{:?}", node.node.health().await);
}

/// Writes to one node until another one finds that it differs; what it says then.
async fn found(writer: &Running, wrong: &Running) -> String {
    let reason = || why_not_ready(wrong).filter(|reason| reason.contains("is not the same as on"));
    // A mark is made only if something has changed since the last one.
    let writing = async {
        loop {
            let _ = writer.try_run("INSERT INTO other VALUES(2)").await;
        }
    };
    tokio::select! {
        () = until("the difference is found", || reason().is_some()) => {}
        () = writing => {}
    }
    reason().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_both_become_what_the_log_says() {
    let log = MemoryLog::new();
    let nodes = [auditing("a", &log).await, auditing("b", &log).await];
    nodes[0].run("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE other(a)").await;
    nodes[0].run("INSERT INTO t VALUES(1, 'right')").await;
    nodes[1].reach(&nodes[0]).await;
    behind_its_back(&nodes[0], "INSERT INTO t VALUES(2, 'wrong')");
    // Which of them notices first is open, and then the other one may find nothing any more.
    tokio::select! {
        _ = found(&nodes[0], &nodes[1]) => {}
        _ = found(&nodes[1], &nodes[0]) => {}
    }
    for node in &nodes {
        ready_again(node).await;
    }
    nodes[1].eventually("INSERT INTO t VALUES(3, 'after')").await;
    alike(&nodes[0], &nodes[1]).await;
    assert_eq!(nodes[0].value("SELECT count(*) FROM t").await, Value::Integer(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_become_anything_else_stops_and_is_not_copied() {
    let log = MemoryLog::new();
    let nodes = three(&log).await;
    nodes[0].run("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE other(a)").await;
    alike(&nodes[0], &nodes[1]).await;
    nodes[2].reach(&nodes[0]).await;
    // No snapshot is stored, and the log no longer has everything.
    nodes[0].transport.trim(Seq(2)).await.unwrap();
    behind_its_back(&nodes[1], "INSERT INTO t VALUES(1, 'wrong')");
    found(&nodes[0], &nodes[1]).await;
    let reason = until_stopped(&nodes[1]).await;
    assert!(reason.contains("is not the same as on") && reason.contains(": t"), "{reason}");
    assert!(reason.contains("Start this node with an empty database file"), "{reason}");
    assert!(nodes[1].node.snapshot().await.is_err());
    nodes[0].run("INSERT INTO t VALUES(1, 'right')").await;
    alike(&nodes[0], &nodes[2]).await;
}
