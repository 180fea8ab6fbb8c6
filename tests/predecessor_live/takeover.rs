//! A cluster of v0.0.7 with data becomes one of ours.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compare::assert_same;
use crate::go::GoNode;
use crate::support::contents;
use crate::support::nats::ask_at;
use crate::support::{Node, home};

/// What v0.0.7 replicates exactly, and the statistics that it does not.
const DATA: [&str; 6] = [
    "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, b BLOB, r REAL)",
    "CREATE TABLE log(what TEXT)",
    "INSERT INTO t(name, b, r) VALUES('one', x'00ff', 1), ('two', NULL, 2.5)",
    "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES(new.name); END",
    "INSERT INTO t(name) VALUES('three')",
    "ANALYZE",
];

fn last(url: &str) -> u64 {
    ask_at(url, "STREAM.INFO.ha_replication", &Value::Null)["state"]["last_seq"].as_u64().unwrap()
}

fn ours(home: &TempDir, name: &str, more: &[&str]) -> Node {
    let args = [&["-n", name, "--compat", "v0.0.7"], more].concat();
    Node::start(home.path(), &args)
}

#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn a_new_node_has_all_that_the_stream_has() {
    let home = home();
    let go = GoNode::start(home.path(), "go1", "go1.db");
    go.run(&DATA);
    let one = ours(&home, "one", &["--replication-url", &go.nats, "one.db"]);
    assert_same(&one, &go, "the whole stream");
}

/// The file brings what the stream no longer has.
#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn a_copy_of_the_file_and_the_stream_after_it_become_the_base() {
    let home = home();
    let mut go = GoNode::start(home.path(), "go1", "go1.db");
    go.run(&DATA);
    go.backup("copy.db");
    let next = format!("by_start_sequence={}", last(&go.nats) + 1);
    go.run(&["INSERT INTO t(name) VALUES('after the copy')"]);
    ask_at(&go.nats, "STREAM.PURGE.ha_replication", &json!({"seq": 3}));
    let url = go.nats.clone();
    let policy = ["--replication-policy", &next];
    let one =
        ours(&home, "one", &[&["--replication-url", &url], &policy[..], &["copy.db"]].concat());
    assert_same(&one, &go, "the copy");
    go.run(&["INSERT INTO t(name) VALUES('on v0.0.7')"]);
    one.run(&["INSERT INTO t(name, b) VALUES('on ours', x'01')"]);
    let two = ours(&home, "two", &["--replication-url", &url, "two.db"]);
    assert_same(&two, &go, "a node that began with the base");
    contents::assert_same(&one, &two, "the nodes of this version");
    // Its part is taken over, with the log that its server holds.
    go.stop();
    let port = url.rsplit(':').next().unwrap();
    let server = ["--nats-port", port, "--nats-store-dir", "go1.nats"];
    let three = ours(&home, "three", &[&server[..], &["three.db"]].concat());
    one.wait_ready();
    three.run(&["INSERT INTO t(name) VALUES('without v0.0.7')"]);
    one.run(&["UPDATE t SET r = 3 WHERE name = 'one'"]);
    contents::assert_same(&one, &three, "the log in a server of this version");
    contents::assert_same(&two, &three, "the log in a server of this version");
    let names = "[[\"one\"],[\"two\"],[\"three\"],[\"after the copy\"],[\"on v0.0.7\"],[\"on ours\"],[\"without v0.0.7\"]]";
    assert_eq!(three.select("SELECT name FROM t ORDER BY id"), names);
}

/// Nothing but the files of a node that is stopped.
#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn a_single_node_is_replaced_on_its_files() {
    let home = home();
    let mut go = GoNode::start(home.path(), "go1", "go1.db");
    go.run(&DATA);
    go.stop();
    // It has all that the stream has.
    let policy = ["--replication-policy", "by_start_sequence=1000000"];
    let store = ["--nats-store-dir", "go1.nats", "--nats-port", "any", "go1.db"];
    let mut one = ours(&home, "one", &[&policy[..], &store[..]].concat());
    one.wait_rows("SELECT name FROM t ORDER BY id", &json!([["one"], ["two"], ["three"]]));
    one.run(&["INSERT INTO t(name) VALUES('four')"]);
    assert_eq!(one.terminate().code(), Some(0));
    let one = ours(&home, "one", &store);
    assert_eq!(one.select("SELECT count(*) FROM t"), "[[4]]");
    assert_eq!(one.select("SELECT count(*) FROM log"), "[[2]]", "the trigger is there");
}
