//! Messages that cannot be applied.

use serde_json::Value;

use crate::compare::{differences, wait_applied};
use crate::go::GoNode;
use crate::support::contents::assert_same;
use crate::support::nats::publish;
use crate::support::{Node, home};

/// Messages that no node can apply, or read.
const POISON: [&str; 7] = [
    "not JSON",
    "[]",
    r#"{"node":1,"changes":[]}"#,
    r#"{"node":"x","process_id":1,"changes":[{"operation":"INSERT","database":"main","table":"nosuch","columns":["a"],"new_rowid":1,"new_values":[1]}]}"#,
    r#"{"node":"x","process_id":1,"changes":[{"operation":"SQL","sql":"CREATE TABLE t(a)"}]}"#,
    r#"{"node":"x","process_id":1,"changes":[{"operation":"DELETE","database":"main","table":"t","columns":["id"],"old_rowid":1},{"operation":"SQL","sql":"no SQL"}]}"#,
    r#"{"node":"x","process_id":1,"changes":[{"operation":"LATER"},{"operation":"UPDATE","database":"main","table":"t","columns":["id","who"],"old_rowid":1,"new_values":[1]}]}"#,
];

#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn a_message_that_cannot_be_applied_is_passed_by_all() {
    let home = home();
    let go = GoNode::start(home.path(), "go1", "go1.db");
    let join = |name: &str| {
        let file = format!("{name}.db");
        let url = &go.nats;
        Node::start(
            home.path(),
            &["-n", name, "--compat", "v0.0.7", "--replication-url", url, &file],
        )
    };
    let (one, two) = (join("one"), join("two"));
    go.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT)", "INSERT INTO t VALUES(1, 'one')"]);
    for message in POISON {
        publish(&go.nats, "ha_replication", message);
    }
    one.run(&["INSERT INTO t VALUES(2, 'ours')"]);
    go.run(&["INSERT INTO t VALUES(3, 'theirs')"]);
    wait_applied(&one, &go);
    assert_same(&one, &two, "poison");
    assert_eq!(differences(&one, &go, 4), (Vec::new(), Vec::new()));
    let status: Value = one.get("/v1/status").json();
    assert_eq!(status["skipped"]["count"], 7, "{status}");
    assert_eq!(status["ready"], true);
}
