//! Nodes of ours that were not told of those of v0.0.7 on their log.

use crate::compare::assert_same;
use crate::go::GoNode;
use crate::support::{Node, home, until};

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT, b BLOB)";

/// What stands in `t`, blobs left out.
const PLAIN: &str = "SELECT id, who FROM t ORDER BY id";

#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn rows_of_numbers_and_texts_arrive_without_compat() {
    let home = home();
    let mut go = GoNode::start(home.path(), "go1", "go1.db");
    let one = Node::start(home.path(), &["-n", "one", "--replication-url", &go.nats, "one.db"]);
    one.run(&[TABLE, "INSERT INTO t(id, who) VALUES(1, 'ours')"]);
    go.wait_applied(0);
    go.run(&["INSERT INTO t VALUES(2, 'theirs', x'00ff')"]);
    assert_same(&one, &go, "numbers and texts");
    // Each start of v0.0.7 sets the stream to what it wants. If it is killed, its server forgets what
    // it has acknowledged a moment ago, and without `--compat` it never gets past a second CREATE TABLE.
    for _ in 0..2 {
        go.stop();
        go.again();
        one.wait_ready();
        one.run(&["UPDATE t SET who = who || '!' WHERE id = 1"]);
        assert_same(&one, &go, "after a restart");
    }
    one.run(&["INSERT INTO t VALUES(3, 'a blob of ours', x'00ff')"]);
    go.wait_applied(0);
    assert_eq!(
        crate::support::contents::Database::rows(&go, "SELECT typeof(b) FROM t WHERE id = 3"),
        [["text"]]
    );
}

/// A stream that took entries of several parts takes them no more.
#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn a_node_without_compat_says_what_v0_0_7_has_done_to_its_stream() {
    let home = home();
    let args = ["-n", "one", "--nats-token", "secret", "--nats-port", "any", "one.db"];
    let mut one = Node::start(home.path(), &args);
    one.run(&[TABLE]);
    let url = one.url().replace("nats://", "nats://secret@");
    let go = GoNode::join(home.path(), "go1", "go1.db", &url);
    until("the node tells it", || {
        let answer = one.readiness()?;
        (answer.status == 503 && answer.body.contains("several parts")).then_some(())
    });
    one.run(&["INSERT INTO t(id, who) VALUES(1, 'ours')"]);
    until("the row is there", || (go.query(PLAIN).rows(0).len() == 1).then_some(()));
    go.run(&["INSERT INTO t(id, who) VALUES(2, 'theirs')"]);
    one.wait_rows(PLAIN, &serde_json::json!([[1, "ours"], [2, "theirs"]]));
    drop(go);
    one.terminate();
    one.again();
    one.run(&["INSERT INTO t(id, who) VALUES(3, 'of one part')"]);
    let large = one.query("INSERT INTO t(who) VALUES(hex(zeroblob(600000)))");
    assert_eq!(large.status, 413, "{}", large.body);
}
