//! Every kind of change arrives exactly, whichever node makes it.

mod indexes;
mod rows;
mod schema;
mod sequences;
#[path = "../support/mod.rs"]
mod support;
mod virtual_tables;

use ha_engine::{NodeOptions, fingerprint};
use ha_memory::MemoryLog;
use support::exact::{copy, same};
use support::{Running, options, start, start_with};
use tempfile::TempDir;

/// What is done, one transaction after the other.
type Case = (&'static str, &'static [&'static str]);

/// Each case with the roles of the nodes swapped, on disk and scratch, and in turns.
async fn arrive(cases: &[Case]) {
    for (name, transactions) in cases {
        for (swapped, scratch) in [(false, false), (true, false), (false, true), (true, true)] {
            let log = MemoryLog::new();
            let nodes = [place("a", &log, scratch).await, place("b", &log, scratch).await];
            let [writer, other] =
                if swapped { [&nodes[1], &nodes[0]] } else { [&nodes[0], &nodes[1]] };
            for sql in *transactions {
                writer.run(sql).await;
                same(writer, other, &format!("{name}: {sql}")).await;
            }
        }
        take_turns(name, transactions).await;
    }
}

/// The last state as the base of another log, and restored from it.
async fn begin_anew(name: &str, last: &Running) {
    let log = MemoryLog::new();
    let hashes = fingerprint(&last.dir.path().join("ha.db")).unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::copy(copy(last).await.path(), dir.path().join("ha.db")).unwrap();
    let first = start_with(&log, dir, |dir| NodeOptions { own_stream: true, ..options("c", dir) });
    let first = first.await.unwrap();
    let second = start("d", &log).await;
    second.reach(&first).await;
    for node in [&first, &second] {
        let found = fingerprint(&node.dir.path().join("ha.db")).unwrap();
        assert_eq!(found, hashes, "{name}, from a base");
    }
}

/// A node with a file that is to last, or one that is scratch.
async fn place(name: &str, log: &MemoryLog, scratch: bool) -> Running {
    let options = |dir: &TempDir| NodeOptions { scratch, ..options(name, dir) };
    start_with(log, TempDir::new().unwrap(), options).await.unwrap()
}

/// The same once more on a log of their own, each transaction on the other node.
async fn take_turns(name: &str, transactions: &[&str]) {
    let log = MemoryLog::new();
    let nodes = [start("a", &log).await, start("b", &log).await];
    for (turn, sql) in transactions.iter().enumerate() {
        nodes[turn % 2].run(sql).await;
        same(&nodes[turn % 2], &nodes[(turn + 1) % 2], &format!("{name}, in turns: {sql}")).await;
    }
    begin_anew(name, &nodes[0]).await;
}
