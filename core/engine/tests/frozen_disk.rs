//! A disk that does not answer: whoever writes is told so, and no more than is true once it answers again.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ha_core::{Engine, Error, Outcome, Readiness, Value};
use ha_memory::MemoryLog;
use support::{Running, begin, equal, open, options, run, settled, start, start_with, until};
use tempfile::TempDir;

/// A small file system in a file, unmounted when it is dropped.
struct Disk {
    home: TempDir,
    /// Thaws it if the test does not live to do so.
    guard: Option<Child>,
}

impl Disk {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let disk = Self { home: TempDir::new().unwrap(), guard: None };
        let (image, mounted) = (disk.home.path().join("image"), disk.mounted());
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        std::fs::create_dir(&mounted).unwrap();
        let is_made = succeeds("mkfs.ext4", &[Path::new("-qF"), &image])
            && succeeds("mount", &[Path::new("-oloop"), &image, &mounted])
            && succeeds("fsfreeze", &[Path::new("-f"), &mounted])
            && succeeds("fsfreeze", &[Path::new("-u"), &mounted]);
        if !is_made {
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                b"skipped: no file system can be mounted and frozen here\n",
            );
        }
        is_made.then_some(disk)
    }

    fn mounted(&self) -> PathBuf {
        self.home.path().join("mounted")
    }

    fn freeze(&mut self) {
        assert!(succeeds("fsfreeze", &[Path::new("-f"), &self.mounted()]));
        let thaw = "sleep 40; fsfreeze -u \"$0\"";
        let mut guard = Command::new("sh");
        guard.args(["-c", thaw]).arg(self.mounted()).stdout(Stdio::null()).stderr(Stdio::null());
        self.guard = Some(guard.spawn().unwrap());
    }

    fn thaw(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        let thawed = succeeds("fsfreeze", &[Path::new("-u"), &self.mounted()]);
        let _ = guard.kill().and_then(|()| guard.wait());
        assert!(thawed || std::thread::panicking(), "it can be thawed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        // Lazily: a node's thread may still be closing its files.
        succeeds("umount", &[Path::new("-l"), &self.mounted()]);
    }
}

fn succeeds(program: &str, args: &[&Path]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A node that has only so many pages in memory.
async fn on(disk: &Disk, log: &MemoryLog) -> Running {
    start_with(log, TempDir::new_in(disk.mounted()).unwrap(), |dir| {
        let mut options = options("a", dir);
        options.replication_timeout = Duration::from_secs(1);
        options.cache_size = Some(20);
        options
    })
    .await
    .unwrap()
}

/// What the node says of itself names its disk.
fn says_so(node: &Running) -> bool {
    matches!(node.node.status().readiness, Readiness::Waiting(reason) if is_named(node, &reason))
}

fn is_named(node: &Running, reason: &str) -> bool {
    let file = node.dir.path().join("ha.db");
    let named = format!("the disk under {}", file.display());
    reason.contains(&named) && reason.contains(" has not answered for ")
}

async fn until_ready(node: &Running) {
    until("the node is ready", || node.node.status().readiness == Readiness::Ready).await;
}

/// Does not fit into the node's memory, so that it is written before the log is asked.
const LARGE: &str = "INSERT INTO t SELECT value, randomblob(4000) FROM json_each('[1,2,3,4,5,6,7,8,9]'), \
     (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5)";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_may_have_is_unknown_and_what_it_has_not_is_not_stored() {
    let Some(mut disk) = Disk::mount() else { return };
    let log = MemoryLog::new();
    let (a, b) = (on(&disk, &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(n, v)").await;
    let mut session = open(&a).await;
    run(&mut session, "INSERT INTO t VALUES(1, '')").await.unwrap();
    disk.freeze();
    // The log takes it, and the disk not.
    let name = support::unknown(session.commit().await);
    assert!(says_so(&a));
    match a.try_run("INSERT INTO t VALUES(2, '')").await {
        Err(Error::NotSent(reason)) => assert!(is_named(&a, &reason), "{reason}"),
        other => panic!("{other:?}"),
    }
    begin(&mut session).await;
    match run(&mut session, "INSERT INTO t VALUES(3, '')").await {
        Err(Error::NotReady(reason)) => assert!(is_named(&a, &reason), "{reason}"),
        other => panic!("{other:?}"),
    }
    session.commit().await.unwrap_err();
    assert!(a.node.health().await.log.is_some(), "the rest is told");
    disk.thaw();
    until_ready(&a).await;
    assert!(matches!(settled(&a, &name).await, Outcome::Committed(_)));
    begin(&mut session).await;
    run(&mut session, "INSERT INTO t VALUES(4, '')").await.unwrap();
    session.commit().await.unwrap();
    equal(&a, &b).await;
    let stored = [[Value::Integer(1)], [Value::Integer(4)]];
    assert_eq!(a.rows("SELECT n FROM t ORDER BY n").await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_executed_is_not_stored_although_its_execution_goes_on() {
    let Some(mut disk) = Disk::mount() else { return };
    let log = MemoryLog::new();
    let (a, b) = (on(&disk, &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(n, v)").await;
    disk.freeze();
    match a.try_run(LARGE).await {
        Err(Error::NotSent(reason)) => assert!(is_named(&a, &reason), "{reason}"),
        other => panic!("{other:?}"),
    }
    disk.thaw();
    until_ready(&a).await;
    a.run("INSERT INTO t VALUES(0, '')").await;
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM t").await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_needs_the_disk_is_told_so() {
    let Some(mut disk) = Disk::mount() else { return };
    let node = on(&disk, &MemoryLog::new()).await;
    node.run("CREATE TABLE t(n)").await;
    disk.freeze();
    // To open a snapshot of what is new SQLite writes into the file that its processes share.
    match node.try_run("SELECT count(*) FROM t").await {
        Err(Error::NotReady(reason)) => assert!(is_named(&node, &reason), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(node.node.status().readiness != Readiness::Ready);
    disk.thaw();
    until_ready(&node).await;
    assert_eq!(node.value("SELECT count(*) FROM t").await, Value::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_others_wait_for_the_disk() {
    let Some(mut disk) = Disk::mount() else { return };
    let log = MemoryLog::new();
    let (a, b) = (on(&disk, &log).await, start("b", &log).await);
    a.run("CREATE TABLE t(n, v)").await;
    b.reach(&a).await;
    disk.freeze();
    b.run("INSERT INTO t VALUES(1, '')").await;
    until("the node names its disk", || says_so(&a)).await;
    disk.thaw();
    until_ready(&a).await;
    equal(&a, &b).await;
}

/// Computes for a time that grows with the number.
fn long(rows: u64) -> String {
    format!(
        "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {rows}) \
         SELECT max(n), '' FROM c"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_long_is_no_disk_that_does_not_answer() {
    let log = MemoryLog::new();
    let node = start_with(&log, TempDir::new().unwrap(), |dir| {
        let mut options = options("a", dir);
        options.replication_timeout = Duration::from_secs(1);
        options
    });
    let node = node.await.unwrap();
    node.run("CREATE TABLE t(n, v)").await;
    let (mut one, mut other) = (node.session().await, node.session().await);
    let longer_than_a_disk_may = async {
        let (mut rows, mut took) = (1_000_000, Duration::ZERO);
        while took < Duration::from_secs(4) {
            let (begun, sql) = (std::time::Instant::now(), long(rows));
            let long = run(&mut one, &sql);
            let short = run(&mut other, "INSERT INTO t VALUES(1, '')");
            let (long, short) = tokio::join!(long, short);
            long.unwrap();
            short.unwrap();
            (rows, took) = (2 * rows, begun.elapsed());
        }
    };
    tokio::select! {
        () = longer_than_a_disk_may => {}
        () = until("the disk is named", || says_so(&node)) => panic!("{:?}", node.node.status()),
    }
}
