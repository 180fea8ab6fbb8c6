//! Stores and files that are lost, old or copied, with real servers: a node heals by itself, or
//! says what to do.

mod support;

use std::fs;
use std::path::Path;

use ha_core::{ChangeTransport, Seq};
use ha_jetstream::JetStream;
use serde_json::{Value, json};
use support::nats::ask;
use support::node::run_to_end;
use support::{Node, home, until};

const ROWS: &str = "SELECT group_concat(v) FROM t";

/// A node with its own server, on `a.db`, with the rows 1 to 3.
fn with_rows(home: &Path) -> Node {
    let node = Node::start(home, &["a.db"]);
    node.run(&["CREATE TABLE t(v)"]);
    insert(&node, &[1, 2, 3]);
    node
}

/// A node that joins another by its server.
fn join(home: &Path, to: &Node, file: &str) -> Node {
    let name = file.trim_end_matches(".db");
    Node::start(home, &["--name", name, "--replication-url", to.url(), file])
}

/// Each an entry of its own.
fn insert(node: &Node, rows: &[u32]) {
    for row in rows {
        node.run(&[&format!("INSERT INTO t VALUES({row})")]);
    }
}

fn has(node: &Node, rows: &str) {
    node.wait_rows(ROWS, &json!([[rows]]));
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// The database of a node that was stopped.
fn copy_database(home: &Path, from: &str, to: &str) {
    for suffix in ["", "-wal"] {
        let from = home.join(format!("{from}{suffix}"));
        if from.exists() {
            copy(&from, &home.join(format!("{to}{suffix}")));
        }
    }
}

fn remove_database(home: &Path, file: &str) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.join(format!("{file}{suffix}")));
    }
}

fn stop(node: &mut Node) {
    assert_eq!(node.terminate().code(), Some(0));
}

/// Drops everything before `seq` from the stream; all if that is beyond the end.
fn purge(node: &Node, seq: u64) {
    let options = ha_jetstream::Options { url: node.url().to_owned(), ..Default::default() };
    let purge = async {
        let log = JetStream::connect(options).await.unwrap();
        log.trim(Seq(seq)).await.unwrap();
        log.close().await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(purge);
}

fn lost(home: &Path) -> Vec<String> {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.contains(".lost-")).collect()
}

#[test]
fn a_store_that_is_deleted_begins_again_with_the_database() {
    let home = home();
    let mut a = with_rows(home.path());
    let mut b = join(home.path(), &a, "b.db");
    has(&b, "1,2,3");
    let behind = {
        let mut behind = join(home.path(), &a, "behind.db");
        has(&behind, "1,2,3");
        stop(&mut behind);
        behind
    };
    insert(&a, &[4]);
    has(&b, "1,2,3,4");
    let before = b.position();
    stop(&mut a);
    fs::remove_dir_all(home.path().join("a.db.nats")).unwrap();
    a.again();
    a.wait_log("this database becomes the base of a new log");
    has(&a, "1,2,3,4");
    insert(&a, &[5]);
    // A running node that has the same takes it over; one that is behind gets the base.
    has(&b, "1,2,3,4,5");
    b.wait_log("the stream was made again from this very database");
    assert_ne!(b.position().split('-').next(), before.split('-').next());
    let mut behind = behind;
    behind.again();
    has(&behind, "1,2,3,4,5");
    insert(&behind, &[6]);
    for node in [&a, &b] {
        has(node, "1,2,3,4,5,6");
    }
    assert!(lost(home.path()).is_empty());
    stop(&mut b);
}

#[test]
fn a_store_from_an_older_copy_gets_back_what_it_lost_before_others_see_it() {
    let home = home();
    let mut a = with_rows(home.path());
    stop(&mut a);
    let (store, old) = (home.path().join("a.db.nats"), home.path().join("old"));
    copy(&store, &old);
    a.again();
    let b = join(home.path(), &a, "b.db");
    insert(&b, &[4, 5]);
    has(&a, "1,2,3,4,5");
    stop(&mut a);
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&old, &store).unwrap();
    a.again();
    a.wait_log("appended again");
    insert(&a, &[6]);
    has(&b, "1,2,3,4,5,6");
    insert(&b, &[7]);
    // A node that begins with nothing has only what the log has.
    let c = join(home.path(), &a, "c.db");
    has(&c, "1,2,3,4,5,6,7");
    assert!(lost(home.path()).is_empty());
}

#[test]
fn a_node_elsewhere_gives_an_old_store_back_what_its_own_node_has_lost_too() {
    let home = home();
    let mut a = with_rows(home.path());
    stop(&mut a);
    let copies = ["old.db", "old.db.nats"].map(|name| home.path().join(name));
    copy_database(home.path(), "a.db", "old.db");
    copy(&home.path().join("a.db.nats"), &copies[1]);
    a.again();
    let b = join(home.path(), &a, "b.db");
    insert(&a, &[4, 5]);
    has(&b, "1,2,3,4,5");
    stop(&mut a);
    fs::remove_dir_all(home.path().join("a.db.nats")).unwrap();
    remove_database(home.path(), "a.db");
    copy_database(home.path(), "old.db", "a.db");
    fs::rename(&copies[1], home.path().join("a.db.nats")).unwrap();
    a.again();
    has(&a, "1,2,3,4,5");
    b.wait_log("appended again");
    insert(&b, &[6]);
    has(&a, "1,2,3,4,5,6");
}

/// The file in which the server stores messages of the log.
fn block(home: &Path) -> std::path::PathBuf {
    let log = "a.db.nats/jetstream/$G/streams/ha_replication/msgs/1.blk";
    let path = home.join(log);
    assert!(path.exists(), "{}", path.display());
    path
}

#[test]
fn a_store_with_a_flipped_bit_gets_back_what_the_server_drops_for_it() {
    let home = home();
    let mut a = with_rows(home.path());
    let b = join(home.path(), &a, "b.db");
    insert(&b, &[4, 5, 6]);
    has(&a, "1,2,3,4,5,6");
    a.kill();
    let path = block(home.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    a.again();
    a.wait_log("appended again");
    insert(&a, &[7]);
    has(&b, "1,2,3,4,5,6,7");
    let c = join(home.path(), &a, "c.db");
    has(&c, "1,2,3,4,5,6,7");
    assert!(lost(home.path()).is_empty());
}

#[test]
fn a_purged_or_aged_out_stream_is_gone_on_with_by_who_has_its_end() {
    let home = home();
    let mut a = with_rows(home.path());
    let b = join(home.path(), &a, "b.db");
    has(&b, "1,2,3");
    purge(&a, 1_000);
    insert(&b, &[4]);
    has(&a, "1,2,3,4");
    stop(&mut a);
    a.again();
    purge(&a, 1_000);
    insert(&a, &[5]);
    has(&b, "1,2,3,4,5");
    // Who is behind must not go on across the gap.
    let empty = ["--name", "c", "--replication-url", a.url(), "c.db"];
    let empty = Node::launch(home.path(), &empty);
    let reason = until("the node says why it is not ready", || {
        let answer = empty.readiness()?.json();
        (answer["state"] == "stopped").then(|| answer["reason"].to_string())
    });
    assert!(reason.contains("a copy of the database"), "{reason}");
    assert_eq!(empty.query("SELECT 1").status, 503);
}

#[test]
fn an_old_file_and_copies_of_files_catch_up() {
    let home = home();
    let mut a = with_rows(home.path());
    stop(&mut a);
    copy_database(home.path(), "a.db", "old.db");
    a.again();
    insert(&a, &[4]);
    // Another node's file, and a second node with the same.
    stop(&mut a);
    copy_database(home.path(), "a.db", "b.db");
    copy_database(home.path(), "a.db", "c.db");
    remove_database(home.path(), "a.db");
    copy_database(home.path(), "old.db", "a.db");
    a.again();
    let (b, c) = (join(home.path(), &a, "b.db"), join(home.path(), &a, "c.db"));
    insert(&a, &[5]);
    insert(&b, &[6]);
    insert(&c, &[7]);
    for node in [&a, &b, &c] {
        has(node, "1,2,3,4,5,6,7");
    }
}

#[test]
fn a_new_log_is_not_begun_from_a_node_that_lags() {
    let home = home();
    // Its server is everybody's, and it follows another stream.
    let server = Node::start(home.path(), &["-m", "--replication-stream", "other"]);
    let mut b = join(home.path(), &server, "b.db");
    let mut c = join(home.path(), &server, "c.db");
    b.run(&["CREATE TABLE t(v)"]);
    insert(&b, &[1]);
    has(&c, "1");
    stop(&mut b);
    insert(&c, &[2]);
    let ours = c.position();
    let deleted = ask(&server, "STREAM.DELETE.ha_replication", &Value::Null);
    assert_eq!(deleted["success"], true, "{deleted}");

    b.restart();
    let args = ["--port", "0", "--pg-port", "any", "--replication-url", server.url()];
    let says_what_to_do = |node: &Node| {
        until("the node says what to do", || {
            let reason = node.readiness()?.json()["reason"].as_str()?.to_owned();
            reason.contains("--new-lineage").then_some(())
        });
    };
    says_what_to_do(&b);
    says_what_to_do(&c);
    stop(&mut b);
    let lags = [&args[..], &["--name", "b", "--new-lineage", "b.db"]].concat();
    let (code, _, err) = run_to_end(home.path(), &lags);
    assert_eq!(code, 1, "{err}");
    let ours = ours.split('.').next().unwrap();
    assert!(err.contains("node c is at") && err.contains(ours) && err.contains("further"), "{err}");

    b.restart();
    stop(&mut c);
    let c = [&args[..], &["--name", "c", "--new-lineage", "c.db"]].concat();
    let c = Node::start(home.path(), &c);
    c.wait_log("--new-lineage: node b is at");
    insert(&c, &[3]);
    has(&b, "1,2,3");
    insert(&b, &[4]);
    has(&c, "1,2,3,4");
    assert!(lost(home.path()).is_empty());
}
