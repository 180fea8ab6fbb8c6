//! A stream that somebody has made worse.

mod support;

use serde_json::{Value, json};
use support::nats::ask;
use support::{Node, home, until};

#[test]
fn a_node_whose_stream_was_made_worse_is_not_ready_and_says_so() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let mut config = ask(&node, "STREAM.INFO.ha_replication", &Value::Null)["config"].take();
    assert_eq!(config["allow_atomic"], true);
    for allowed in [false, true] {
        config["allow_atomic"] = json!(allowed);
        let updated = ask(&node, "STREAM.UPDATE.ha_replication", &config);
        assert!(updated["error"].is_null(), "{updated}");
        if allowed {
            node.wait_ready();
            continue;
        }
        let reason = until("the node is not ready", || {
            let answer = node.readiness()?.json();
            answer["reason"].as_str().map(str::to_owned)
        });
        assert!(reason.contains("several parts"), "{reason}");
        node.wait_log("not ready: the stream takes no entries of several parts any more");
        node.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES(1)"]);
    }
}
