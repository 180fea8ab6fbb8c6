//! Logs that have lost their end, gone another way or were made again, and files that are old,
//! copied or from elsewhere.

mod files;
mod lost_ends;
mod made_again;
mod parted;
mod renamed;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use ha_core::{ChangeTransport, Engine, Lineage, Readiness, Seq, Value};
use ha_engine::NodeOptions;
use ha_memory::MemoryLog;
use support::{Running, equal, options, start, start_with, until};
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
