//! A stream that somebody has made worse.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use support::{Node, home, until};

/// Asks the JetStream API of a node's server, in the protocol of NATS.
fn ask(node: &Node, subject: &str, body: &Value) -> Value {
    let address = node.url().trim_start_matches("nats://");
    let mut out = TcpStream::connect(address).unwrap();
    let mut lines = BufReader::new(out.try_clone().unwrap());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let connect = "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n";
    write!(out, "{connect}PUB $JS.API.{subject} answer {}\r\n{body}\r\n", body.len()).unwrap();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if let Some(length) = line.strip_prefix("MSG answer 1 ") {
            let mut answer = vec![0; length.trim().parse().unwrap()];
            lines.read_exact(&mut answer).unwrap();
            return serde_json::from_slice(&answer).unwrap();
        }
    }
}

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
