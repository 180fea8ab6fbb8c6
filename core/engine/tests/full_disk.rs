//! A disk that is full.

mod support;

use std::path::PathBuf;
use std::process::Command;

use ha_core::{Engine, Error, Value};
use ha_memory::{MemoryLog, MemoryOptions};
use support::{Running, equal, options, start, start_with};
use tempfile::TempDir;

/// A small file system, unmounted when it is dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(dir))
    }

    fn node_directory(&self) -> TempDir {
        TempDir::new_in(self.0.path()).unwrap()
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    fn fill(&self) {
        let mut chunk = 1 << 20;
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        while chunk > 0 {
            if std::io::Write::write_all(&mut file, &vec![0; chunk]).is_err() {
                chunk /= 2;
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a node's thread may still be closing its files.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn on(disk: &Disk, name: &str, log: &MemoryLog) -> Running {
    start_with(log, disk.node_directory(), |dir| {
        let mut options = options(name, dir);
        options.replication_timeout = std::time::Duration::from_millis(300);
        options
    })
    .await
    .unwrap()
}

fn skip() {
    use std::io::Write;
    let text = "skipped: a file system cannot be mounted here\n";
    let _ = std::io::stderr().write_all(text.as_bytes());
}

const LARGE: &str = "INSERT INTO t VALUES(randomblob(300000))";

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_gets_an_error_and_the_node_goes_on_once_there_is_space() {
    let Some(disk) = Disk::mount() else { return skip() };
    let log = MemoryLog::new();
    let (a, b) = (on(&disk, "a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    a.run("INSERT INTO t VALUES(1)").await;
    disk.fill();
    let mut failed = 0;
    for _ in 0..3 {
        failed += usize::from(a.try_run(LARGE).await.is_err());
    }
    assert!(failed > 0, "the disk is not full");
    assert!(a.value("SELECT count(*) FROM t").await != Value::Integer(0), "reads go on");
    disk.free();
    a.eventually("INSERT INTO t VALUES(2)").await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_others_wait_for_space() {
    let Some(disk) = Disk::mount() else { return skip() };
    let options = MemoryOptions { max_part_bytes: 64 << 20, ..MemoryOptions::default() };
    let log = MemoryLog::with(options);
    let (a, b) = (on(&disk, "a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    disk.fill();
    // One entry that does not fit into SQLite's cache, so that it fails before its commit.
    let rows = ["(randomblob(1000000))"; 4].join(",");
    b.run(&format!("INSERT INTO t VALUES{rows}")).await;
    support::until("the node to say why it waits", || {
        matches!(a.node.status().readiness, ha_core::Readiness::Waiting(reason) if reason.contains("cannot be applied now"))
    })
    .await;
    match a.try_run("INSERT INTO t VALUES(1)").await {
        Err(Error::NotReady(_)) => {}
        other => panic!("{other:?}"),
    }
    disk.free();
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(4));
}
