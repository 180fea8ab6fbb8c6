//! Ends that the log has lost, and that nodes give back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use ha_core::{Batch, ChangeTransport, IdempotencyKey, Seq, Value};
use ha_memory::{Fault, MemoryLog};

use crate::support::{batch, equal, start, until};
use crate::{entries, insert, lost, ready, rows, start_in, with_rows};

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
