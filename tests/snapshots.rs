//! Snapshots and trimmed logs with real nodes and a real NATS server.

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Node, home, until};

/// Takes a snapshot of every 256 KiB of log, and keeps nothing that two of them cover.
const TRIMS: [&str; 6] =
    ["--snapshot-bytes", "256k", "--snapshot-interval", "0", "--replication-max-bytes", "1"];

const SUMMARY: &str = "SELECT count(*), sum(length(v)), max(v), (SELECT sum(hash) FROM u) FROM t";

/// What the log says before and after a snapshot becomes the state.
const RESTORING: &str = "restoring another state";
const RESTORED: &str = "the snapshot is restored";

fn trimming(home: &Path, name: &str) -> Node {
    let db = format!("{name}.db");
    Node::start(home, &[&TRIMS[..], &["-n", name, &db]].concat())
}

fn joined(name: &str, url: &str) -> Vec<String> {
    let db = format!("{name}.db");
    ["-n", name, "--replication-url", url, &db].map(Into::into).to_vec()
}

fn texts(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Writes until the log has been trimmed once more.
fn write_until_trimmed(node: &Node) {
    let trims = |node: &Node| node.log().matches("the log is trimmed").count();
    let before = trims(node);
    until("the log to be trimmed", || {
        node.run(&[
            "INSERT INTO t(v) VALUES(hex(randomblob(40000)))",
            "INSERT INTO u SELECT id, length(v) FROM t ORDER BY id DESC LIMIT 1",
        ]);
        (trims(node) > before).then_some(())
    });
}

fn summary(node: &Node) -> Value {
    node.run(&[SUMMARY]).into_iter().map(Value::from).collect()
}

fn leftovers(home: &Path, name: &str) -> usize {
    let prefix = format!("{name}.db.tmp-");
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with(&prefix)).count()
}

fn remove_database(home: &Path, name: &str) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.join(format!("{name}.db{suffix}")));
    }
}

fn wait_log_or_ready(node: &Node, text: &str) {
    until(&format!("the log says {text:?}, or the node is ready"), || {
        let is_ready = || node.readiness().is_some_and(|answer| answer.status == 200);
        (node.log().contains(text) || is_ready()).then_some(())
    });
}

#[test]
fn a_new_and_a_lagging_node_follow_a_log_that_was_trimmed() {
    let home = home();
    let a = trimming(home.path(), "a");
    a.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "CREATE TABLE u(id, hash)"]);
    let args = joined("b", a.url());
    let mut b = Node::start(home.path(), &texts(&args));
    b.run(&["INSERT INTO t(v) VALUES('by the node that will lag')"]);
    b.terminate();
    for _ in 0..2 {
        write_until_trimmed(&a);
    }
    let args = joined("c", a.url());
    let c = Node::start(home.path(), &texts(&args));
    b.again();
    for node in [&b, &c] {
        assert!(node.log().contains(RESTORED), "{}", node.log());
        node.wait_rows(SUMMARY, &summary(&a));
        node.run(&["INSERT INTO u VALUES(0, 7)"]);
        a.wait_rows(SUMMARY, &summary(node));
        assert_eq!(node.run(&["PRAGMA integrity_check"]), [[json!("ok")]]);
    }
    let left = || ["a", "b", "c"].iter().any(|name| leftovers(home.path(), name) > 0);
    until("nothing is left over", || (!left()).then_some(()));
}

#[test]
fn a_node_that_is_killed_while_it_takes_or_restores_a_snapshot_goes_on_after_its_next_start() {
    let home = home();
    let mut a = trimming(home.path(), "a");
    a.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "CREATE TABLE u(id, hash)"]);
    // So that it takes a while.
    for _ in 0..20 {
        a.run(&["INSERT INTO t(v) VALUES(hex(randomblob(400000)))"]);
    }
    for _ in 0..3 {
        until("a snapshot is being taken", || {
            a.run(&["INSERT INTO t(v) VALUES(hex(randomblob(40000)))"]);
            (leftovers(home.path(), "a") > 0).then_some(())
        });
        let before = summary(&a);
        a.kill();
        a.again();
        assert_eq!(summary(&a), before);
    }
    write_until_trimmed(&a);
    let args = joined("c", a.url());
    let mut c = Node::launch(home.path(), &texts(&args));
    let mut killed = 0;
    for _ in 0..20 {
        if killed == 2 {
            break;
        }
        wait_log_or_ready(&c, RESTORING);
        c.kill();
        let log = c.log();
        if log.contains(RESTORING) && !log.contains(RESTORED) {
            killed += 1;
        } else {
            // It was faster: once more, from nothing.
            remove_database(home.path(), "c");
        }
        c.restart();
    }
    assert_eq!(killed, 2, "it is too fast to be killed meanwhile");
    wait_log_or_ready(&c, RESTORED);
    c.kill();
    c.restart();
    c.wait_ready();
    c.wait_rows(SUMMARY, &summary(&a));
    assert_eq!(c.run(&["PRAGMA integrity_check"]), [[json!("ok")]]);
    until("nothing is left over", || (leftovers(home.path(), "c") == 0).then_some(()));
}

/// `cargo test --release --test snapshots -- --ignored --nocapture` prints how long a database
/// of 1 GB takes, how much memory, and how long a writer waits meanwhile.
#[test]
#[ignore = "it writes 4 GB and takes minutes"]
#[allow(clippy::print_stdout, reason = "figures for whoever runs it")]
fn a_database_of_one_gigabyte() {
    let home = home();
    let mut a =
        Node::start(home.path(), &["--snapshot-interval", "0", "--snapshot-bytes", "0", "a.db"]);
    a.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "CREATE TABLE u(id, hash)"]);
    let begun = Instant::now();
    for _ in 0..1_300 {
        a.run(&["INSERT INTO t(v) VALUES(hex(randomblob(400000)))"]);
    }
    println!("written in {:?}, peak memory {} MiB", begun.elapsed(), a.peak_memory() >> 20);
    a.terminate();
    let nats = a.nats_port().unwrap().to_owned();
    let mut args = vec!["--snapshot-interval", "20s", "--replication-max-bytes", "1"];
    args.extend(["--nats-port", &nats, "a.db"]);
    let a = Node::start(home.path(), &args);
    let begun = Instant::now();
    let quiet = slowest_write(&a, || begun.elapsed() > Duration::from_secs(10));
    println!("the slowest of {} writes without a snapshot: {:?}", quiet.0, quiet.1);
    let busy = slowest_write(&a, || a.log().contains("the log is trimmed"));
    println!("the slowest of {} writes while two were taken: {:?}", busy.0, busy.1);
    for line in a.log().lines().filter(|line| line.contains("snapshot")) {
        println!("{line}");
    }
    println!("peak memory {} MiB", a.peak_memory() >> 20);
    let begun = Instant::now();
    let args = joined("c", a.url());
    let c = Node::launch(home.path(), &texts(&args));
    while c.readiness().is_none_or(|answer| answer.status != 200) {
        assert!(begun.elapsed() < Duration::from_secs(600), "{}", c.log());
        std::thread::yield_now();
    }
    println!(
        "a new node is ready after {:?}, peak memory {} MiB",
        begun.elapsed(),
        c.peak_memory() >> 20
    );
    c.wait_rows(SUMMARY, &summary(&a));
}

/// Writes small rows until the condition holds, or for some seconds; how many, and the slowest.
fn slowest_write(node: &Node, done: impl Fn() -> bool + Sync) -> (usize, Duration) {
    let (mut count, mut slowest, begun) = (0, Duration::ZERO, Instant::now());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done() && begun.elapsed() < Duration::from_secs(300) {
                std::thread::sleep(Duration::from_millis(200));
            }
            is_done.store(true, Ordering::Relaxed);
        });
        while !is_done.load(Ordering::Relaxed) {
            let sent = Instant::now();
            node.run(&["INSERT INTO u VALUES(1, 1)"]);
            (count, slowest) = (count + 1, slowest.max(sent.elapsed()));
        }
    });
    (count, slowest)
}
